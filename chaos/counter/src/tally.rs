//! What the clients have seen so far. Time is an argument.

use std::time::{Duration, Instant};

use crate::answers::Answers;

/// One counter, as the clients know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub acknowledged: u64,
    /// Increments that may have been executed or not.
    pub unknown: u64,
    /// The values that clients got.
    pub answers: Answers,
}

/// A value that was not above one acknowledged before its command was first sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backwards {
    pub value: i64,
    pub acknowledged_before: i64,
}

#[derive(Clone, Debug)]
pub struct Tally {
    counters: Vec<Counted>,
    pub retried: u64,
    pub backwards: u64,
    pub first_backwards: Option<Backwards>,
    pub last_error: Option<String>,
    last_acknowledged: Instant,
    longest: Duration,
}

impl Tally {
    pub fn new(counters: usize, now: Instant) -> Tally {
        Tally {
            counters: vec![Counted::default(); counters],
            retried: 0,
            backwards: 0,
            first_backwards: None,
            last_error: None,
            last_acknowledged: now,
            longest: Duration::ZERO,
        }
    }

    pub fn counters(&self) -> &[Counted] {
        &self.counters
    }

    /// The highest value acknowledged so far. An increment that begins now must return more.
    pub fn floor(&self, counter: usize) -> i64 {
        self.counters
            .get(counter)
            .map_or(0, |counted| counted.answers.highest())
    }

    /// An increment was answered with `value`. `floor` is from before it was first sent.
    pub fn acknowledge(&mut self, counter: usize, floor: i64, value: i64, now: Instant) {
        if value <= floor {
            self.backwards += 1;
            self.first_backwards.get_or_insert(Backwards {
                value,
                acknowledged_before: floor,
            });
        }
        if let Some(counted) = self.counters.get_mut(counter) {
            counted.acknowledged += 1;
            counted.answers.add(value);
        }
        self.longest = self.longest_interruption(now);
        self.last_acknowledged = now;
    }

    /// An increment whose outcome stays open.
    pub fn leave_open(&mut self, counter: usize) {
        if let Some(counted) = self.counters.get_mut(counter) {
            counted.unknown += 1;
        }
    }

    pub fn retry(&mut self, error: &str) {
        self.retried += 1;
        self.last_error = Some(error.to_string());
    }

    pub fn acknowledged(&self) -> u64 {
        self.counters
            .iter()
            .map(|counted| counted.acknowledged)
            .sum()
    }

    pub fn unknown(&self) -> u64 {
        self.counters.iter().map(|counted| counted.unknown).sum()
    }

    /// The longest time without an acknowledged increment, the current one included.
    pub fn longest_interruption(&self, now: Instant) -> Duration {
        self.longest.max(self.since_acknowledged(now))
    }

    pub fn since_acknowledged(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_value_must_be_above_what_was_acknowledged_before_its_call() {
        let now = Instant::now();
        let mut tally = Tally::new(1, now);
        // Two clients begin together, and may be answered in any order.
        let (one, other) = (tally.floor(0), tally.floor(0));
        tally.acknowledge(0, other, 2, now);
        tally.acknowledge(0, one, 1, now);
        assert_eq!(tally.backwards, 0);
        // The counter went back to 0. The first value shown is not above 2.
        let floor = tally.floor(0);
        tally.acknowledge(0, floor, 1, now);
        tally.acknowledge(0, floor, 2, now);
        tally.acknowledge(0, floor, 3, now);
        assert_eq!(tally.backwards, 2);
        let first = Backwards {
            value: 1,
            acknowledged_before: 2,
        };
        assert_eq!(tally.first_backwards, Some(first));
        assert_eq!(tally.acknowledged(), 5);
    }

    #[test]
    fn the_longest_interruption_may_last_still() {
        let begin = Instant::now();
        let mut tally = Tally::new(1, begin);
        tally.acknowledge(0, 0, 1, begin + 4 * SECOND);
        tally.acknowledge(0, 1, 2, begin + 5 * SECOND);
        assert_eq!(tally.longest_interruption(begin + 6 * SECOND), 4 * SECOND);
        assert_eq!(tally.longest_interruption(begin + 20 * SECOND), 15 * SECOND);
    }

    #[test]
    fn counters_are_apart() {
        let now = Instant::now();
        let mut tally = Tally::new(2, now);
        tally.acknowledge(0, 0, 7, now);
        tally.leave_open(1);
        assert_eq!((tally.floor(0), tally.floor(1)), (7, 0));
        assert_eq!((tally.acknowledged(), tally.unknown()), (1, 1));
    }
}
