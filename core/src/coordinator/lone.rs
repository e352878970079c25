//! A lone write: the request is sent without a look at the replicas.
//!
//! With [`ReleasePoint::TurnEnd`] a write takes two looks: one at the end of its turn, to find out
//! where the stream ends, and one when an acknowledgement has come. With one client, each look
//! costs as much as a plain SET. A lone write can do without the first one. The request is written
//! behind the write, and takes [`GETACK_BYTES`]. So if a later look shows that the stream ends at P,
//! the write ends at P - 37 at the latest, and a replica that has acknowledged P - 37 has it.
//!
//! Example: the stream ends at 150 after the write, which no look has shown.
//!
//! | stream ends at | event | effect |
//! |---|---|---|
//! | 150 | the turn ends; no look | a request is sent |
//! | 187 | look: acknowledged 150 | the wait gets offset 187 - 37 = 150, and is released |
//! | 287, another client has written 100 bytes | look: acknowledged 150 | the wait gets 250, and a second request is sent |
//!
//! This has two costs. The last row needs a second round trip. And where the request is in the
//! stream is not known, so a read right after the write needs a request of its own. Therefore it is
//! done only after a **streak** of lone writes that would have gained by it. A write that has lost
//! by it ends the streak and doubles the length that the next one needs, and a read ends it.

use super::{Coordinator, ReleasePoint, Request};
use crate::ack_request::GETACK_BYTES;
use crate::stats::bump;
use crate::units::Offset;

/// The length that a streak needs at first, in writes.
const STREAK: u32 = 16;

/// The greatest length that a streak needs. A client alone writes as many in half a second.
const LONGEST_STREAK: u32 = 4096;

/// What is known of the last writes.
#[derive(Debug)]
pub(super) struct LoneWrites {
    streak: u32,
    needed: u32,
    /// The last look has shown a lone write, and its request was sent: the end of the stream then.
    seen: Option<Offset>,
    /// A request was sent without a look: the end of the stream at the look before.
    unseen_after: Option<Offset>,
}

impl Default for LoneWrites {
    fn default() -> Self {
        Self {
            streak: 0,
            needed: STREAK,
            seen: None,
            unseen_after: None,
        }
    }
}

impl LoneWrites {
    /// The first look after a request has shown the end of the stream at `end`. `released` is true
    /// if it has released the lone write.
    fn looked(&mut self, end: Offset, released: bool) {
        if let Some(before) = self.seen.take() {
            let is_alone = end.bytes_since(before) == GETACK_BYTES;
            if released && is_alone {
                self.streak = self.streak.saturating_add(1);
            } else {
                self.streak = 0;
            }
        }
        if let Some(before) = self.unseen_after.take() {
            let is_read = end.bytes_since(before) <= GETACK_BYTES;
            if is_read || !released {
                self.streak = 0;
            }
            if !released {
                self.needed = self.needed.saturating_mul(2).min(LONGEST_STREAK);
            }
        }
    }
}

impl<P> Coordinator<P> {
    /// A streak needs so many writes.
    #[cfg(test)]
    pub(super) fn set_needed_streak(&mut self, needed: u32) {
        self.lone.needed = needed;
    }

    /// To be called when the event loop is about to sleep, before
    /// [`turn_ends`](Self::turn_ends): a request to send without a look at the replicas. If the
    /// server sends it, [`sent_unseen`](Self::sent_unseen) ends the turn. If not,
    /// [`turn_ends`](Self::turn_ends) does.
    pub fn unseen_request(&self) -> Option<Request> {
        let lone = &self.lone;
        let is_due = self.setup.release_point == ReleasePoint::TurnEnd
            && lone.streak >= lone.needed
            && self.ledger.is_lone_and_fresh(self.replicas.acks())
            && self.links_are_known()
            && !self.requests.is_wanted_without_waits()
            && self.replicas.has_online_link();
        is_due.then_some(Request { db: self.last_db })
    }

    /// The request was sent without a look, and the turn ends.
    pub fn sent_unseen(&mut self) {
        self.end_turn();
        bump(&mut self.stats.counters.ack_requests);
        self.replicas.request_sent();
        self.requests.sent_unseen();
        self.ledger.asked_unseen();
        self.lone.unseen_after = Some(self.replicas.offset());
    }

    /// A look was taken at the end of a turn: assigns its offset to the wait whose request was sent
    /// without a look.
    pub(super) fn assign_unseen(&mut self) {
        let end = self.replicas.offset();
        let latest = Offset::new(end.bytes_since(Offset::new(GETACK_BYTES)));
        if self.ledger.assign_unseen(latest, self.replicas.acks()) {
            self.requests.make_due();
        }
    }

    /// Notes a lone write whose request is about to be sent after a look.
    pub(super) fn note_lone(&mut self, was_fresh: bool, is_requested: bool) {
        if !was_fresh {
            return;
        }
        if is_requested && self.ledger.len() == 1 {
            self.lone.seen = Some(self.replicas.offset());
        } else {
            self.lone.streak = 0;
        }
    }

    /// Notes what the first look after a request has shown.
    pub(super) fn note_looked(&mut self, released: usize) {
        let end = self.replicas.offset();
        self.lone.looked(end, released == 1);
    }
}
