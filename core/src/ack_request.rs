//! When to ask the replicas for an acknowledgement, and what an answer has to cover.
//!
//! Replicas report once a second, or at once when they meet `REPLCONF GETACK *` in the stream.
//! One request at the end of an event-loop turn serves every wait of that turn.

/// The length of `REPLCONF GETACK *` in the replication stream, in bytes.
pub const GETACK_BYTES: u64 = 37;

/// Whether a request is due, and where in the stream the last one stands.
#[derive(Debug, Default)]
pub struct AckRequests {
    due: bool,
    newcomer: bool,
    /// The primary's offset just before the last request entered the stream.
    sent_at: Option<u64>,
    /// The greatest baseline that some replica has yet to pass: see `replicas`.
    baseline: Option<u64>,
}

impl AckRequests {
    /// What replicas have to acknowledge so that they hold everything up to `offset`, the end of
    /// the stream.
    ///
    /// The answer to a request covers what stands before it and never the request itself, so
    /// that after a request nobody has acknowledged the very end of the stream. Where only the
    /// last request stands between, what precedes it is everything. That is so exactly when its
    /// own bytes are all that was added: anything else, a SELECT that the server put before it
    /// included, makes the stream longer, and then the end itself has to be acknowledged.
    pub fn target(&self, offset: u64) -> u64 {
        match self.sent_at {
            Some(before) if before.checked_add(GETACK_BYTES) == Some(offset) => before,
            _ => offset,
        }
    }

    /// True when a request that is already in the stream makes replicas acknowledge `target`, and
    /// makes those count that have yet to prove themselves.
    pub fn covers(&self, target: u64) -> bool {
        self.passes_baseline() && self.sent_at.is_some_and(|before| target <= before)
    }

    /// Takes the greatest baseline that some replica has yet to pass. The answer to a request that
    /// stands at the baseline equals it and proves nothing. A baseline at the stream's end
    /// therefore takes two requests, in two turns.
    pub fn set_baseline(&mut self, baseline: Option<u64>) {
        self.baseline = baseline;
    }

    fn passes_baseline(&self) -> bool {
        self.baseline
            .is_none_or(|baseline| self.sent_at.is_some_and(|before| before > baseline))
    }

    /// Somebody waits for what no request covers.
    pub fn make_due(&mut self) {
        self.due = true;
    }

    /// A replica came online. It does not count before it has acknowledged something, and would
    /// not do so for up to a second, or ten on a primary that nobody has written to yet.
    pub fn greet_newcomer(&mut self) {
        self.newcomer = true;
    }

    /// Nobody waits any more, so that only a newcomer is still to be asked.
    pub fn cancel(&mut self) {
        self.due = false;
    }

    /// True when a request has to be sent as soon as the server allows one.
    pub fn is_due(&self) -> bool {
        self.due || self.newcomer || !self.passes_baseline()
    }

    /// A request entered the stream at `offset`. True when another one has to follow in the next
    /// turn: the answer to the very first bytes of a stream acknowledges offset 0, which
    /// acknowledges nothing, and the answer to one at a baseline does not pass it.
    pub fn sent(&mut self, offset: u64) -> bool {
        self.due = false;
        self.newcomer = self.newcomer && offset == 0;
        self.sent_at = Some(offset);
        self.newcomer || !self.passes_baseline()
    }

    /// There is no replica to ask.
    pub fn nobody_to_ask(&mut self) {
        self.newcomer = false;
        self.baseline = None;
    }

    /// Forgets everything: the stream this knew is not this server's any more.
    pub fn clear(&mut self) {
        *self = Self::default();
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
    fn a_stream_that_ends_in_the_last_request_is_held_by_who_has_what_precedes_it() {
        let mut requests = AckRequests::default();
        assert_eq!(requests.target(100), 100);
        requests.sent(100);
        assert_eq!(requests.target(100 + GETACK_BYTES), 100);
    }

    #[test]
    fn one_byte_more_than_the_request_has_to_be_acknowledged_to_the_end() {
        let mut requests = AckRequests::default();
        requests.sent(100);
        for offset in [100, 136, 138, 1000] {
            assert_eq!(requests.target(offset), offset);
        }
    }

    #[test]
    fn a_request_covers_what_stands_before_it() {
        let mut requests = AckRequests::default();
        assert!(!requests.covers(0));
        requests.sent(100);
        assert!(requests.covers(100));
        assert!(!requests.covers(101));
    }

    #[test]
    fn a_request_is_due_until_it_is_sent_or_nobody_waits() {
        let mut requests = AckRequests::default();
        requests.make_due();
        assert!(requests.is_due());
        requests.sent(1);
        assert!(!requests.is_due());
        requests.make_due();
        requests.cancel();
        assert!(!requests.is_due());
        requests.clear();
        assert!(!requests.covers(0));
    }

    #[test]
    fn a_newcomer_is_asked_even_if_nobody_waits_and_twice_at_the_streams_beginning() {
        let mut requests = AckRequests::default();
        requests.greet_newcomer();
        requests.cancel();
        assert!(requests.is_due());
        assert!(requests.sent(0));
        assert!(requests.is_due());
        assert!(!requests.sent(GETACK_BYTES));
        assert!(!requests.is_due());
        requests.make_due();
        assert!(!requests.sent(0));
        requests.greet_newcomer();
        requests.nobody_to_ask();
        assert!(!requests.is_due());
    }

    #[test]
    fn a_baseline_takes_a_request_above_it_even_if_nobody_waits() {
        let mut requests = AckRequests::default();
        requests.sent(50);
        requests.set_baseline(Some(100));
        assert!(requests.is_due());
        assert!(!requests.covers(40));
        assert!(
            requests.sent(100),
            "the answer to this one equals the baseline"
        );
        assert!(!requests.covers(100));
        assert!(!requests.sent(100 + GETACK_BYTES));
        assert!(!requests.is_due());
        assert!(requests.covers(100 + GETACK_BYTES));
        // One who never passes it costs no more requests.
        requests.set_baseline(Some(100));
        assert!(!requests.is_due());
        requests.set_baseline(Some(500));
        assert!(requests.is_due());
        requests.nobody_to_ask();
        assert!(!requests.is_due());
    }

    #[test]
    fn an_offset_at_the_end_of_the_number_range_is_no_trouble() {
        let mut requests = AckRequests::default();
        requests.sent(u64::MAX);
        assert_eq!(requests.target(u64::MAX), u64::MAX);
    }
}
