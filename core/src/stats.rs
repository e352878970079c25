//! What operators look at: how often each thing happened, and how long waits took.

use crate::recent_waits::{Percentiles, RecentWaits};

/// How often each thing happened since the module was loaded or the statistics were reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Waits that ended because the replicas acknowledged.
    pub acked: u64,
    /// Waits that were given up.
    pub unacked: u64,
    /// Commands refused because too few replicas were connected.
    pub noreplicas: u64,
    /// Commands refused because too many clients were waiting.
    pub overloaded: u64,
    /// Waits that ended with their client, or by the server's own word to it.
    pub disconnected: u64,
    /// Waits that ended because the primary was demoted.
    pub demoted: u64,
    /// Acknowledgement requests sent.
    pub ack_requests: u64,
    /// The most clients that ever waited at once.
    pub waiters_peak: u64,
}

/// Counters, and how long the waits took that were acknowledged in the last minute.
#[derive(Debug, Default)]
pub struct Stats {
    /// See [`Counters`].
    pub counters: Counters,
    waits: RecentWaits,
    /// Clients that left since the last turn ended: see [`Stats::demotion`].
    left_in_turn: u64,
}

impl Stats {
    /// So many clients wait now.
    pub fn waiting(&mut self, now: usize) {
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.counters.waiters_peak = self.counters.waiters_peak.max(now);
    }

    /// A wait was acknowledged after so many microseconds, at the time `now`, in microseconds.
    pub fn acknowledged(&mut self, usec: u64, now: u64) {
        bump(&mut self.counters.acked);
        self.waits.record(usec, now);
    }

    /// A client whose wait was acknowledged left before it was told so.
    pub fn untell(&mut self) {
        self.counters.acked = self.counters.acked.saturating_sub(1);
    }

    /// A waiting client left, or the server answered it in the module's place.
    pub fn left(&mut self) {
        bump(&mut self.counters.disconnected);
        self.left_in_turn = self.left_in_turn.saturating_add(1);
    }

    /// This server is no primary any more. The server turned its blocked clients away just before
    /// it told so: what left in this turn left for that reason.
    pub fn demotion(&mut self) {
        let counters = &mut self.counters;
        counters.disconnected = counters.disconnected.saturating_sub(self.left_in_turn);
        counters.demoted = counters.demoted.saturating_add(self.left_in_turn);
        self.left_in_turn = 0;
    }

    /// An event-loop turn ended.
    pub fn end_turn(&mut self) {
        self.left_in_turn = 0;
    }

    /// How long the waits took that were acknowledged in the last minute.
    pub fn percentiles(&self, now: u64) -> Percentiles {
        self.waits.percentiles(now)
    }

    /// Begins anew, with so many clients waiting.
    pub fn reset(&mut self, waiting: usize) {
        self.counters = Counters::default();
        self.waits.clear();
        self.waiting(waiting);
    }
}

/// Adds one to a counter that is never to wrap.
pub fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_forgets_everything_but_who_waits() {
        let mut stats = Stats::default();
        stats.waiting(5);
        stats.acknowledged(70, 0);
        assert_eq!((stats.counters.acked, stats.percentiles(0).max), (1, 70));
        stats.reset(2);
        let begun = Counters {
            waiters_peak: 2,
            ..Counters::default()
        };
        assert_eq!(stats.counters, begun);
        assert_eq!(stats.percentiles(0), Percentiles::default());
    }

    #[test]
    fn clients_that_a_demotion_turned_away_are_counted_as_demoted_alone() {
        let mut stats = Stats::default();
        stats.left();
        stats.end_turn();
        stats.left();
        stats.left();
        stats.demotion();
        assert_eq!(stats.counters.disconnected, 1);
        assert_eq!(stats.counters.demoted, 2);
    }

    #[test]
    fn the_peak_is_the_most_that_ever_waited() {
        let mut stats = Stats::default();
        for n in [1, 5, 2] {
            stats.waiting(n);
        }
        assert_eq!(stats.counters.waiters_peak, 5);
    }
}
