//! Counters and wait times for INFO.

use crate::recent_waits::{Percentiles, RecentWaits};
use crate::units::Micros;

/// Counts since the module was loaded or the statistics were reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Waits that ended by acknowledgement.
    pub acked: u64,
    /// Waits that were given up.
    pub unacked: u64,
    /// Commands refused because too few replicas were connected.
    pub noreplicas: u64,
    /// Commands refused because too many clients were waiting.
    pub overloaded: u64,
    /// Waits that ended because the client left, or because the server replied an error to it.
    pub disconnected: u64,
    /// Waits that ended because the primary was demoted.
    pub demoted: u64,
    /// Acknowledgement requests sent.
    pub ack_requests: u64,
    /// The most clients that waited at once.
    pub waiters_peak: u64,
    /// DURABLE.ONCE: commands executed.
    pub once: u64,
    /// DURABLE.ONCE: commands that were executed before, and answered from their record.
    pub once_repeated: u64,
}

/// Counters, and the durations of the waits that were acknowledged in the last minute.
#[derive(Debug, Default)]
pub struct Stats {
    /// See [`Counters`].
    pub counters: Counters,
    waits: RecentWaits,
    /// Clients that left since the last turn ended: see [`Stats::demotion`].
    left_in_turn: u64,
}

impl Stats {
    /// The number of waiting clients is `now`.
    pub fn waiting(&mut self, now: usize) {
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.counters.waiters_peak = self.counters.waiters_peak.max(now);
    }

    /// A wait was acknowledged at `now`, after `took`.
    pub fn acknowledged(&mut self, took: Micros, now: Micros) {
        bump(&mut self.counters.acked);
        self.waits.record(took, now);
    }

    /// A client left after its wait was released and before the reply. The wait no longer counts as
    /// acknowledged.
    pub fn acknowledged_in_vain(&mut self) {
        self.counters.acked = self.counters.acked.saturating_sub(1);
    }

    /// A waiting client left, or the server replied an error to it.
    pub fn client_left(&mut self) {
        bump(&mut self.counters.disconnected);
        self.left_in_turn = self.left_in_turn.saturating_add(1);
    }

    /// A waiting client left, or the server replied an error to it; `demoted` if that is because the
    /// server was demoted.
    pub fn disconnected(&mut self, demoted: bool) {
        if demoted {
            bump(&mut self.counters.demoted);
        } else {
            self.client_left();
        }
    }

    /// This server was demoted. The server disconnects blocked clients just before it reports the
    /// demotion, so the clients that left in this turn left because of it.
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

    /// The durations of the waits that were acknowledged in the last minute.
    pub fn percentiles(&self, now: Micros) -> Percentiles {
        self.waits.percentiles(now)
    }

    /// Resets everything. `waiting` clients wait at this moment.
    pub fn reset(&mut self, waiting: usize) {
        self.counters = Counters::default();
        self.waits.clear();
        self.waiting(waiting);
    }
}

/// Adds one, without wrapping.
pub fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_forgets_everything_but_the_waiting_clients() {
        let mut stats = Stats::default();
        stats.waiting(5);
        stats.acknowledged(Micros::new(70), Micros::new(0));
        assert_eq!(
            (stats.counters.acked, stats.percentiles(Micros::new(0)).max),
            (1, 70)
        );
        stats.reset(2);
        let begun = Counters {
            waiters_peak: 2,
            ..Counters::default()
        };
        assert_eq!(stats.counters, begun);
        assert_eq!(stats.percentiles(Micros::new(0)), Percentiles::default());
    }

    #[test]
    fn clients_that_a_demotion_disconnected_count_as_demoted_only() {
        let mut stats = Stats::default();
        stats.client_left();
        stats.end_turn();
        stats.client_left();
        stats.client_left();
        stats.demotion();
        assert_eq!(stats.counters.disconnected, 1);
        assert_eq!(stats.counters.demoted, 2);
    }

    #[test]
    fn the_peak_is_the_most_clients_that_waited_at_once() {
        let mut stats = Stats::default();
        for n in [1, 5, 2] {
            stats.waiting(n);
        }
        assert_eq!(stats.counters.waiters_peak, 5);
    }
}
