//! The values that clients were answered. They are kept as ranges, because nearly all of them
//! follow one another: a day of counting is a few ranges.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The first and the last value of each range. Ranges neither overlap nor touch.
    ranges: BTreeMap<i64, i64>,
}

impl Answers {
    pub fn add(&mut self, value: i64) {
        let below = self.ranges.range(..=value).next_back();
        let below = below.map(|(&first, &last)| (first, last));
        let (mut first, mut last) = (value, value);
        match below {
            Some((_, end)) if end >= value => return,
            Some((begin, end)) if end.checked_add(1) == Some(value) => first = begin,
            _ => {}
        }
        if let Some(end) = value
            .checked_add(1)
            .and_then(|next| self.ranges.remove(&next))
        {
            last = end;
        }
        self.ranges.insert(first, last);
    }

    /// How many different values from 1 to `end` there are.
    pub fn up_to(&self, end: i64) -> u64 {
        let length = |(&first, &last): (&i64, &i64)| {
            let length = last.min(end).saturating_sub(first.max(1));
            u64::try_from(length).map_or(0, |length| length.saturating_add(1))
        };
        self.ranges.iter().map(length).sum()
    }

    /// The highest value, or 0.
    pub fn highest(&self) -> i64 {
        self.ranges.last_key_value().map_or(0, |(_, &last)| last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_once_in_any_order() {
        let mut answers = Answers::default();
        for value in [5, 3, 4, 1, 3, 9, 8, 5, 9] {
            answers.add(value);
        }
        assert_eq!(
            answers.ranges,
            BTreeMap::from([(1, 1), (3, 5), (8, 9)]),
            "ranges that touch are one"
        );
        let counts = [0, 1, 2, 4, 8, 100].map(|end| answers.up_to(end));
        assert_eq!(counts, [0, 1, 1, 3, 5, 6]);
        assert_eq!(answers.highest(), 9);
    }

    #[test]
    fn extreme_values_are_no_problem() {
        let mut answers = Answers::default();
        for value in [i64::MAX, i64::MIN, 0, -1] {
            answers.add(value);
        }
        assert_eq!(answers.up_to(i64::MAX), 1);
        assert_eq!(Answers::default().highest(), 0);
    }
}
