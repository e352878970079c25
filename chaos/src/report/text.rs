//! Numbers, times and words as a person reads them.

/// `48,211`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 round`, `12 rounds`.
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `1.4 %`. A part that is not zero is never shown as `0 %`, and one that is not all never as
/// `100 %`.
pub fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let value = part as f64 / whole as f64 * 100.0;
    match value {
        _ if value < 0.01 => "< 0.01 %".to_owned(),
        _ if value < 1.0 => format!("{value:.2} %"),
        _ if part < whole && value >= 99.95 => "> 99.9 %".to_owned(),
        _ if value < 100.0 => format!("{value:.1} %"),
        _ => "100 %".to_owned(),
    }
}

/// `2.31 s`.
pub fn seconds(ms: f64) -> String {
    format!("{:.2} s", ms / 1000.0)
}

/// `2026-11-30 12:31 UTC`.
pub fn utc(since_1970: u64) -> String {
    let (days, second) = (since_1970 / 86_400, since_1970 % 86_400);
    // Counted from 1 March of the year 0, so that a leap day is the last day of its year.
    // https://howardhinnant.github.io/date_algorithms.html#civil_from_days
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// A length in an SVG, to a tenth of a pixel: `12.5`, `12`.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The smallest of 1, 2, 5, 10, 20, 50 … that is at least `least`; below 1: 0.5, 0.2, 0.1 …
pub fn step(least: f64) -> f64 {
    round_up(least, &[1.0, 2.0, 5.0])
}

/// A round number at or a little above `peak`: the top of a scale.
pub fn top(peak: f64) -> f64 {
    round_up(peak, &[1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
}

fn round_up(least: f64, leading: &[f64]) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let ten = 10f64.powf(least.log10().floor());
    let fits = |factor: &&f64| **factor * ten >= least * (1.0 - 1e-9);
    leading
        .iter()
        .find(fits)
        .map_or(10.0 * ten, |factor| factor * ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(48_211), "48,211");
        assert_eq!(count(1_000_000), "1,000,000");
    }

    #[test]
    fn a_small_part_is_not_shown_as_nothing_and_a_large_one_not_as_all() {
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(1, 1_000_000), "< 0.01 %");
        assert_eq!(percent(3, 400), "0.75 %");
        assert_eq!(percent(9_999, 10_000), "> 99.9 %");
        assert_eq!(percent(5, 5), "100 %");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_796_041_860), "2026-11-30 12:31 UTC");
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!(step(0.5), 0.5);
        assert_eq!(step(0.6), 1.0);
        assert_eq!(step(3.1), 5.0);
        assert_eq!(top(2_310.0), 3_000.0);
        assert_eq!(top(9_000.0), 10_000.0);
        assert_eq!(top(0.0), 1.0);
    }
}
