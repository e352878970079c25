//! Statistics of a few rounds: median, range, and ratios taken round by round.

use serde::Serialize;

/// Values of several rounds. The range shows how far to trust the median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// `None` without values, or if one of them is infinite or NaN.
pub fn summary(values: &[f64]) -> Option<Summary> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some(Summary {
        median,
        min: sorted[0],
        max: sorted[sorted.len() - 1],
    })
}

/// Divides each round's value by the same round's base: `[30, 10, 20]` over `[10, 10, 10]` has the
/// median 2 and the range 1 to 3. Both values of a round saw the same disturbances, so this ratio
/// is steadier than the ratio of the medians.
pub fn ratio(values: &[f64], base: &[f64]) -> Option<Summary> {
    let ratios: Vec<f64> = values
        .iter()
        .zip(base)
        .map(|(value, base)| value / base)
        .collect();
    summary(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(median: f64, min: f64, max: f64) -> Option<Summary> {
        Some(Summary { median, min, max })
    }

    #[test]
    fn the_median_is_the_middle_value_in_any_order() {
        assert_eq!(summary(&[9.0, 1.0, 4.0]), of(4.0, 1.0, 9.0));
        assert_eq!(summary(&[7.0]), of(7.0, 7.0, 7.0));
    }

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!(summary(&[1.0, 100.0, 2.0, 4.0]), of(3.0, 1.0, 100.0));
    }

    #[test]
    fn one_disturbed_round_moves_the_range_and_not_the_median() {
        assert_eq!(summary(&[10.0, 10.0, 0.5, 10.0, 10.0]), of(10.0, 0.5, 10.0));
    }

    #[test]
    fn no_values_or_unusable_ones_have_no_median() {
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[1.0, f64::NAN]), None);
        assert_eq!(ratio(&[1.0], &[]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine slowed down from round to round. The ratio stayed the same.
        assert_eq!(
            ratio(&[100.0, 50.0, 10.0], &[50.0, 25.0, 5.0]),
            of(2.0, 2.0, 2.0)
        );
        assert_eq!(
            ratio(&[30.0, 10.0, 20.0], &[10.0, 10.0, 10.0]),
            of(2.0, 1.0, 3.0)
        );
    }
}
