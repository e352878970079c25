//! Figures for operators: INFO, DURABLE.REPLICAS and the log. Also their reset by CONFIG RESETSTAT.

use super::Coordinator;
use crate::acks::Need;
use crate::alarms::{LogLine, Snapshot, UncountedLink};
use crate::replicas::LinkStatus;
use crate::units::{Micros, Offset};

impl<P> Coordinator<P> {
    /// The offset up to which a requirement is met; 0 if too few replicas count or report fsyncs. A
    /// requirement of nothing is met up to the end of the stream.
    pub fn acknowledged_offset(&self, need: Need) -> Offset {
        if need.is_nothing() {
            return self.replicas.offset();
        }
        self.replicas
            .acks()
            .met_up_to(need)
            .unwrap_or(Offset::new(0))
    }

    /// The offset that a replica has to acknowledge to be up to date: the end of the stream, or the
    /// offset before the last request if nothing else was written since. The answer to a request
    /// covers the bytes before it.
    pub fn offset_to_reach(&self) -> Offset {
        self.requests.target(self.replicas.offset())
    }

    /// How many bytes the slowest replica that counts is behind.
    pub fn max_lag(&self) -> u64 {
        self.replicas.max_lag(self.offset_to_reach())
    }

    /// How long the oldest wait has lasted; 0 without waits.
    pub fn oldest_wait(&self, now: Micros) -> Micros {
        self.ledger
            .oldest()
            .map_or(Micros::new(0), |since| now.since(since))
    }

    /// Every link, in the server's order.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus<'_>> {
        self.replicas.statuses(&self.fsyncs)
    }

    /// CONFIG RESETSTAT was executed.
    pub fn reset_statistics(&mut self) {
        self.stats.reset(self.clients());
        self.replicas.statistics_were_reset();
    }

    /// Compares the look that was just taken with earlier ones, and returns the lines to log.
    /// `required` is the number of replicas that the configured requirement needs; `None` if the
    /// settings contradict each other.
    pub fn log_lines(&mut self, required: Option<u32>, now: Micros) -> Vec<LogLine> {
        let counters = &self.stats.counters;
        let snapshot = Snapshot {
            now,
            required,
            connected: self.connected(now),
            refused: counters.noreplicas,
            given_up: counters.unacked,
            uncounted: self
                .links()
                .filter(|link| !(link.is_unasked && self.unasked_count(now)))
                .filter_map(|link| UncountedLink::of(&link))
                .collect(),
        };
        self.alarms.observe(snapshot)
    }
}
