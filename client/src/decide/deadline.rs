//! One time limit for a whole exchange: each wait within it gets what is left. Pure.

use std::time::{Duration, Instant};

/// When an exchange is given up. It does not move, however many reads and writes the exchange has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The exchange is never given up.
    pub(crate) const NEVER: Deadline = Deadline(None);

    /// `limit` after `now`. Without a limit, or with one that the clock cannot express, never.
    pub(crate) fn after(now: Instant, limit: Option<Duration>) -> Deadline {
        Deadline(limit.and_then(|limit| now.checked_add(limit)))
    }

    /// The earlier one of this deadline and of `limit` after `now`.
    pub(crate) fn at_most(self, now: Instant, limit: Duration) -> Deadline {
        let own = Deadline::after(now, Some(limit));
        Deadline(match (self.0, own.0) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        })
    }

    /// The time left at `now`: zero once the deadline is over, `None` if there is no limit.
    pub(crate) fn left(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    pub(crate) fn is_over(self, now: Instant) -> bool {
        self.left(now).is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_two_limits_counts_and_one_that_no_clock_reaches_is_none() {
        let now = Instant::now();
        let (never, far) = (Deadline::after(now, None), Duration::from_secs(1000));
        assert_eq!(never.left(now), None);
        assert!(Deadline::after(now, Some(Duration::MAX))
            .left(now)
            .is_none());
        assert!(never
            .at_most(now, far)
            .left(now)
            .is_some_and(|left| left <= far && !left.is_zero()));
        assert!(!never.at_most(now, far).is_over(now));
        let over = never.at_most(now, far).at_most(now, Duration::ZERO);
        assert!(over.is_over(now));
        let zero = Deadline::after(now, Some(Duration::ZERO));
        assert!(zero.at_most(now, far).is_over(now));
    }

    #[test]
    fn the_time_left_shrinks_as_the_exchange_goes_on() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let deadline = Deadline::after(now, Some(second * 10));
        assert_eq!(deadline.left(now + second * 4), Some(second * 6));
        assert_eq!(deadline.left(now + second * 11), Some(Duration::ZERO));
        assert!(deadline.is_over(now + second * 10));
        let part = deadline.at_most(now + second * 4, second);
        assert_eq!(part.left(now + second * 4), Some(second));
        let last = deadline.at_most(now + second * 9, second * 5);
        assert_eq!(last.left(now + second * 9), Some(second));
    }
}
