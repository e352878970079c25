//! Decides when to request acknowledgements from the replicas, and which offsets the answers cover.
//!
//! A replica reports its offset once a second, and at once when it reads `REPLCONF GETACK *` in
//! the replication stream. One request at the end of an event-loop turn serves all waits of that
//! turn.

use crate::units::Offset;

/// The length of `REPLCONF GETACK *` in the replication stream, in bytes.
pub const GETACK_BYTES: u64 = 37;

/// Whether a request is due, and where in the stream the last one is.
#[derive(Debug, Default)]
pub struct AckRequests {
    /// A client waits for an offset that no request covers, or for an fsync report.
    due: bool,
    /// A replica came online, and needs a request to count.
    newcomer: bool,
    /// Durable commands are in use. Otherwise requests are only sent for waits.
    in_use: bool,
    /// The primary's offset just before the last request.
    sent_at: Option<Offset>,
    /// The greatest baseline that a link has not passed yet: see `replicas`.
    baseline: Option<Offset>,
}

impl AckRequests {
    /// The offset that a replica has to acknowledge to hold every write up to `offset`, the end of
    /// the stream. The last request is no write.
    ///
    /// The answer to a request covers the bytes before the request, not the request itself.
    /// Example: the stream ends at 100, and a request is sent. The stream ends at 137, and replicas
    /// answer 100. A replica at 100 holds every write, so the result for 137 is 100.
    ///
    /// This applies only if the request is all that was added. If the server also wrote a SELECT
    /// before the request, the stream ends at 160, say, and the result is 160.
    pub fn target(&self, offset: Offset) -> Offset {
        match self.sent_at {
            Some(before) if offset.bytes_since(before) == GETACK_BYTES => before,
            _ => offset,
        }
    }

    /// True when the answers to the last request will acknowledge `target`, and will be above the
    /// open baseline.
    pub fn covers(&self, target: Offset) -> bool {
        self.passes_baseline() && self.sent_at.is_some_and(|before| target <= before)
    }

    /// Sets the greatest baseline that a link has not passed yet. The answer to a request at the
    /// baseline equals the baseline and proves nothing. A baseline at the end of the stream
    /// therefore takes two requests, in two turns.
    pub fn set_baseline(&mut self, baseline: Option<Offset>) {
        self.baseline = baseline;
    }

    fn passes_baseline(&self) -> bool {
        self.baseline
            .is_none_or(|baseline| self.sent_at.is_some_and(|before| before > baseline))
    }

    /// A client waits for an offset that no request covers, or for an fsync that a replica has not
    /// reported. The answer to another request may report it.
    pub fn make_due(&mut self) {
        self.due = true;
    }

    /// A replica came online. It counts once it has acknowledged something. Without a request, its
    /// first acknowledgement takes up to a second, or ten seconds on a primary without writes.
    pub fn newcomer(&mut self) {
        self.newcomer = true;
    }

    /// A replica came online, and no request was sent since.
    pub fn has_newcomer(&self) -> bool {
        self.newcomer
    }

    /// Every link that came online has acknowledged something by itself: a request would only add
    /// bytes to the stream.
    pub fn newcomers_count(&mut self) {
        self.newcomer = false;
    }

    /// Durable commands are in use from now on. Returns true if they were not before, and a request
    /// was held back until now.
    pub fn begin_use(&mut self) -> bool {
        let has_unasked = self.has_unasked();
        self.in_use = true;
        has_unasked
    }

    /// Durable commands are not in use any more.
    pub fn end_use(&mut self) {
        self.in_use = false;
    }

    /// True while a request is held back, because durable commands are not in use.
    pub fn has_unasked(&self) -> bool {
        !self.in_use && self.is_wanted()
    }

    /// A link needs a request to count.
    fn is_wanted(&self) -> bool {
        self.newcomer || !self.passes_baseline()
    }

    /// There are no waits any more. A request for a newcomer or for a baseline stays due.
    pub fn nobody_waits(&mut self) {
        self.due = false;
    }

    /// True when a request has to be sent as soon as the server allows it.
    pub fn is_due(&self) -> bool {
        self.due || (self.in_use && self.is_wanted())
    }

    /// A request was sent while the stream ended at `offset`. Returns true if another one has to
    /// follow in the next turn:
    ///
    /// * A newcomer waits, and `offset` is 0. The answer acknowledges 0 bytes, which counts for
    ///   nothing.
    /// * A baseline is open, and `offset` is not above it. The answer is not above it either.
    pub fn sent(&mut self, offset: Offset) -> bool {
        self.due = false;
        self.newcomer = self.newcomer && offset == Offset::new(0);
        self.sent_at = Some(offset);
        self.is_wanted()
    }

    /// A request was sent, and it is not known where the stream ended. So it covers nothing: what
    /// was written before it is not known to be.
    pub fn sent_unseen(&mut self) {
        self.due = false;
    }

    /// A request that was sent [unseen](Self::sent_unseen) begins at `offset`.
    pub fn is_at(&mut self, offset: Offset) {
        self.sent_at = Some(offset);
    }

    /// No replica is online.
    pub fn no_replica(&mut self) {
        self.newcomer = false;
        self.baseline = None;
    }

    /// Forgets everything. The server changed its role, and has another replication stream.
    pub fn clear(&mut self) {
        *self = Self {
            in_use: self.in_use,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_the_length_that_the_protocol_gives_it() {
        let wire = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
        assert_eq!(GETACK_BYTES, wire.len() as u64);
    }

    #[test]
    fn a_replica_holds_everything_if_only_the_last_request_is_missing() {
        let mut requests = AckRequests::default();
        assert_eq!(requests.target(Offset::new(100)), Offset::new(100));
        requests.sent(Offset::new(100));
        assert_eq!(
            requests.target(Offset::new(100 + GETACK_BYTES)),
            Offset::new(100)
        );
    }

    #[test]
    fn anything_but_the_last_request_has_to_be_acknowledged_to_the_end() {
        let mut requests = AckRequests::default();
        requests.sent(Offset::new(100));
        for offset in [100, 136, 138, 1000] {
            assert_eq!(requests.target(Offset::new(offset)), Offset::new(offset));
        }
    }

    #[test]
    fn a_request_covers_the_bytes_before_it() {
        let mut requests = AckRequests::default();
        assert!(!requests.covers(Offset::new(0)));
        requests.sent(Offset::new(100));
        assert!(requests.covers(Offset::new(100)));
        assert!(!requests.covers(Offset::new(101)));
    }

    #[test]
    fn a_request_is_due_until_it_is_sent_or_nobody_waits() {
        let mut requests = AckRequests::default();
        requests.make_due();
        assert!(requests.is_due());
        requests.sent(Offset::new(1));
        assert!(!requests.is_due());
        requests.make_due();
        requests.nobody_waits();
        assert!(!requests.is_due());
        requests.clear();
        assert!(!requests.covers(Offset::new(0)));
    }

    #[test]
    fn a_request_for_a_newcomer_is_held_back_until_durable_commands_are_used() {
        let mut requests = AckRequests::default();
        assert!(!requests.has_unasked() && !requests.begin_use());
        requests.end_use();
        requests.newcomer();
        assert!(!requests.is_due() && requests.has_unasked());
        requests.make_due();
        assert!(requests.is_due(), "a wait needs a request");
        requests.nobody_waits();
        assert!(requests.begin_use() && requests.is_due());
        assert!(!requests.begin_use() && !requests.has_unasked());
        requests.sent(Offset::new(10));
        requests.end_use();
        requests.set_baseline(Some(Offset::new(100)));
        assert!(!requests.is_due() && requests.has_unasked());
        assert!(requests.begin_use() && requests.is_due());
    }

    #[test]
    fn a_newcomer_gets_a_request_without_waits_and_two_at_the_start_of_the_stream() {
        let mut requests = AckRequests::default();
        requests.begin_use();
        requests.newcomer();
        requests.nobody_waits();
        assert!(requests.is_due());
        assert!(requests.sent(Offset::new(0)));
        assert!(requests.is_due());
        assert!(!requests.sent(Offset::new(GETACK_BYTES)));
        assert!(!requests.is_due());
        requests.make_due();
        assert!(!requests.sent(Offset::new(0)));
        requests.newcomer();
        requests.no_replica();
        assert!(!requests.is_due());
    }

    #[test]
    fn a_newcomer_that_counts_needs_no_request() {
        let mut requests = AckRequests::default();
        requests.begin_use();
        requests.newcomer();
        requests.newcomers_count();
        assert!(!requests.is_due());
        requests.make_due();
        requests.newcomers_count();
        assert!(requests.is_due(), "a wait needs a request all the same");
    }

    #[test]
    fn a_baseline_takes_a_request_above_it_also_without_waits() {
        let mut requests = AckRequests::default();
        requests.begin_use();
        requests.sent(Offset::new(50));
        requests.set_baseline(Some(Offset::new(100)));
        assert!(requests.is_due());
        assert!(!requests.covers(Offset::new(40)));
        assert!(
            requests.sent(Offset::new(100)),
            "the answer to this one equals the baseline"
        );
        assert!(!requests.covers(Offset::new(100)));
        assert!(!requests.sent(Offset::new(100 + GETACK_BYTES)));
        assert!(!requests.is_due());
        assert!(requests.covers(Offset::new(100 + GETACK_BYTES)));
        // A link that never passes it causes no more requests.
        requests.set_baseline(Some(Offset::new(100)));
        assert!(!requests.is_due());
        requests.set_baseline(Some(Offset::new(500)));
        assert!(requests.is_due());
        requests.no_replica();
        assert!(!requests.is_due());
    }

    #[test]
    fn the_greatest_offset_is_handled() {
        let mut requests = AckRequests::default();
        requests.sent(Offset::new(u64::MAX));
        assert_eq!(
            requests.target(Offset::new(u64::MAX)),
            Offset::new(u64::MAX)
        );
    }
}
