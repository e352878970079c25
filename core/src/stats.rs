//! What operators look at: how often each thing happened, and how long waits took.

use hdrhistogram::Histogram;

/// How often each thing happened since the module was loaded.
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

/// Counters, and a histogram of the waits that were acknowledged.
#[derive(Debug)]
pub struct Stats {
    /// See [`Counters`].
    pub counters: Counters,
    /// In microseconds. `None` if its fixed bounds were refused, which they are not.
    waits: Option<Histogram<u64>>,
    /// Clients that left since the last turn ended: see [`Stats::demotion`].
    left_in_turn: u64,
}

/// A day, in microseconds: the longest wait that the histogram tells from others.
const LONGEST: u64 = 86_400_000_000;

impl Default for Stats {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            // Two digits keep the histogram at some 30 KB and each percentile within 1 %.
            waits: Histogram::new_with_bounds(1, LONGEST, 2).ok(),
            left_in_turn: 0,
        }
    }
}

impl Stats {
    /// So many clients wait now.
    pub fn waiting(&mut self, now: usize) {
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.counters.waiters_peak = self.counters.waiters_peak.max(now);
    }

    /// A wait was acknowledged after so many microseconds.
    pub fn acknowledged(&mut self, usec: u64) {
        bump(&mut self.counters.acked);
        if let Some(waits) = &mut self.waits {
            waits.saturating_record(usec.max(1));
        }
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

    /// The wait that the given share of the acknowledged waits did not exceed, in microseconds;
    /// 0 before the first.
    pub fn wait_usec(&self, quantile: f64) -> u64 {
        self.waits
            .as_ref()
            .filter(|waits| !waits.is_empty())
            .map_or(0, |waits| waits.value_at_quantile(quantile))
    }

    /// The longest acknowledged wait, in microseconds.
    pub fn wait_usec_max(&self) -> u64 {
        self.waits.as_ref().map_or(0, Histogram::max)
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
    fn percentiles_are_of_the_acknowledged_waits() {
        let mut stats = Stats::default();
        assert_eq!((stats.wait_usec(0.5), stats.wait_usec_max()), (0, 0));
        for usec in 1..=1000 {
            stats.acknowledged(usec);
        }
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) * 100 <= wanted;
        assert!(near(stats.wait_usec(0.5), 500));
        assert!(near(stats.wait_usec(0.99), 990));
        assert!(near(stats.wait_usec_max(), 1000));
        assert_eq!(stats.counters.acked, 1000);
    }

    #[test]
    fn a_wait_of_no_time_or_of_years_is_recorded_too() {
        let mut stats = Stats::default();
        stats.acknowledged(0);
        stats.acknowledged(u64::MAX);
        assert_eq!(stats.counters.acked, 2);
        assert!(stats.wait_usec_max() >= LONGEST);
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
