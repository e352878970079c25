//! One limit for everything that an exchange does: each wait on the way gets what is left of it.

use std::time::{Duration, Instant};

/// When to give up. Counted from when it was made, whatever happens in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now; `None` is never.
    pub(crate) fn after(limit: Option<Duration>) -> Deadline {
        // What the clock cannot express is never, too.
        Deadline(limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// The same, and not later than so long from now.
    pub(crate) fn at_most(self, limit: Duration) -> Deadline {
        let own = Deadline::after(Some(limit));
        Deadline(match (self.0, own.0) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        })
    }

    /// What is left, zero when it is over; `None` for ever.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_two_limits_counts_and_one_that_no_clock_reaches_is_none() {
        let (never, far) = (Deadline::after(None), Duration::from_secs(1000));
        assert_eq!(never.left(), None);
        assert!(Deadline::after(Some(Duration::MAX)).left().is_none());
        assert!(never
            .at_most(far)
            .left()
            .is_some_and(|left| left <= far && !left.is_zero()));
        assert!(!never.at_most(far).is_over());
        assert!(never.at_most(far).at_most(Duration::ZERO).is_over());
        assert!(Deadline::after(Some(Duration::ZERO)).at_most(far).is_over());
    }
}
