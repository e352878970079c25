//! How long a wait may last before it is a hang: by the clock, and by what a thread gets of the
//! machine.
//!
//! On a machine with much other work a server may get a thirtieth of it. A second's work takes half
//! a minute then, and a limit by the clock alone would measure that.

use std::time::{Duration, Instant};

use rustix::time::{clock_gettime, ClockId};

/// Processor time that a waiting thread is given after its limit, before the wait was in vain. The
/// scheduler deals fairly, so the server is given as much: far more than what is awaited can need.
const SHARE: Duration = Duration::from_secs(2);
/// How much of it is used up at a time.
const STEP: Duration = Duration::from_millis(5);
/// However slow the machine is, a hang ends.
const LAST_LIMIT: Duration = Duration::from_secs(300);

pub(crate) struct Patience {
    since: Instant,
    limit: Duration,
    share: Duration,
}

impl Patience {
    /// Begins now.
    pub(crate) fn of(limit: Duration) -> Patience {
        Patience {
            since: Instant::now(),
            limit,
            share: SHARE,
        }
    }

    pub(crate) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    /// Asked again and again by whoever waits. After the limit each call uses up some processor
    /// time, until it is plain that others who wanted some had theirs.
    pub(crate) fn is_at_its_end(&mut self) -> bool {
        if self.waited() < self.limit {
            return false;
        }
        if self.share.is_zero() || self.waited() >= LAST_LIMIT {
            return true;
        }
        self.share = self.share.saturating_sub(work());
        false
    }
}

/// Keeps the processor busy for a step, and returns how long it was.
fn work() -> Duration {
    let begin = processor_time();
    loop {
        let used = processor_time().saturating_sub(begin);
        if used >= STEP {
            return used;
        }
    }
}

/// How long this thread has had a processor to itself.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("the processor time of a thread is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_limit_it_goes_on_until_the_thread_has_had_its_share() {
        let mut patience = Patience::of(Duration::ZERO);
        patience.share = 4 * STEP;
        let before = processor_time();
        let mut calls = 0;
        while !patience.is_at_its_end() {
            calls += 1;
        }
        assert!((1..=4).contains(&calls), "{calls} calls");
        assert!(processor_time() - before >= 4 * STEP);
    }

    #[test]
    fn before_the_limit_it_costs_nothing() {
        let mut patience = Patience::of(LAST_LIMIT);
        assert!(!patience.is_at_its_end());
        assert_eq!(patience.share, SHARE);
    }
}
