//! The limit after which a wait is a hang: by the clock, and by processor time.
//!
//! On a busy machine a server may get a thirtieth of a processor. Then a second's work takes half a
//! minute, and a limit by the clock alone would fail for the machine's load.

use std::time::{Duration, Instant};

use rustix::time::{clock_gettime, ClockId};

/// After the limit by the clock, the waiting thread uses this much processor time. The wait fails
/// after that, or at [`LAST_LIMIT`]. The scheduler is fair, so the server gets about as much in the
/// meantime: far more than it needs.
const SHARE: Duration = Duration::from_secs(2);
/// The part of [`SHARE`] that one call of [`Patience::is_at_its_end`] uses.
const STEP: Duration = Duration::from_millis(5);
/// After this time by the clock the wait fails on any machine.
const LAST_LIMIT: Duration = Duration::from_secs(300);

pub(crate) struct Patience {
    since: Instant,
    limit: Duration,
    share: Duration,
}

impl Patience {
    /// A wait that begins now.
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

    /// Whether the wait failed. The waiting thread calls it repeatedly. After the limit each call
    /// uses [`STEP`] of processor time, until [`SHARE`] is used up.
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

/// Uses at least [`STEP`] of processor time, and returns how much it used.
fn work() -> Duration {
    let begin = processor_time();
    loop {
        let used = processor_time().saturating_sub(begin);
        if used >= STEP {
            return used;
        }
    }
}

/// The processor time that this thread has used.
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
