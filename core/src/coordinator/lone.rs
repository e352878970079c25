//! A lone write: the request is sent without a look at the replicas.
//!
//! With [`ReleasePoint::TurnEnd`] a write takes two looks: one at the end of its turn, to find out
//! where the stream ends, and one when an acknowledgement has come. With one client, each look
//! costs as much as a plain SET. A lone write can do without the first one. The request is written
//! behind the write, and takes [`GETACK_BYTES`]. So if a later look shows that the stream ends at
//! P, the write ends at P - 37 at the latest, and a replica that has acknowledged P - 37 has it.
//!
//! Example: the stream ends at 150 after the write, which no look has shown.
//!
//! | stream ends at | event | effect |
//! |---|---|---|
//! | 150 | the turn ends; no look | a request is sent |
//! | 187 | look: acknowledged 150 | the wait gets offset 187 - 37 = 150, and is released |
//! | 287: others wrote 100 bytes | look: acknowledged 150 | it gets 250; a second request is sent |
//!
//! **Where the request is** has to be known as well: a replica that has acknowledged all but the
//! last request is up to date, and a read then needs no request. The look shows it if all commands
//! since the request were acknowledgements, and as many as there are replicas at P - 37 or above.
//! Then each of them has acknowledged once. What a replica acknowledges first after a request is at
//! most where the request begins, and that is at most P - 37. So the request begins at P - 37.
//! (A client that acknowledges without being asked, as change-capture tools do, may be further.
//! Then this is wrong if also the server itself has written exactly 37 bytes since, and it only
//! writes DELs of expired and evicted keys, which no replica needs.)
//!
//! The last row of the table needs a second round trip. Therefore a request is sent without a look
//! only after a **streak** of lone writes that would have gained by it. A write that loses by it
//! ends the streak and doubles the length that the next one needs; one that gains takes one off. A
//! read ends the streak, because it may need no request at all.

use super::{Coordinator, ReleasePoint, Request};
use crate::ack_request::GETACK_BYTES;
use crate::stats::bump;
use crate::units::{Micros, Offset};

/// The length that a streak needs at first, in writes.
const STREAK: u32 = 16;

/// The greatest length that a streak needs. A client alone writes as many in half a second.
const LONGEST_STREAK: u32 = 4096;

/// What is known of the last writes.
#[derive(Debug)]
pub(super) struct LoneWrites {
    streak: u32,
    needed: u32,
    /// A look has shown a lone write, and its request was sent: the end of the stream then.
    seen: Option<Offset>,
    /// A request was sent without a look, and no later look has shown its offset.
    unseen: Option<Unseen>,
    heard: Heard,
}

/// A request that was sent without a look.
#[derive(Clone, Copy, Debug)]
struct Unseen {
    /// The end of the stream at the look before.
    after: Offset,
    /// What had been heard when it was sent.
    heard: Heard,
}

/// What the command filter has heard so far.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Commands, acknowledgements among them.
    commands: u64,
    acknowledgements: u64,
}

impl Default for LoneWrites {
    fn default() -> Self {
        Self {
            streak: 0,
            needed: STREAK,
            seen: None,
            unseen: None,
            heard: Heard::default(),
        }
    }
}

impl LoneWrites {
    /// A replica has acknowledged something, or may have.
    pub fn acknowledgement_heard(&mut self) {
        self.heard.acknowledgements = self.heard.acknowledgements.wrapping_add(1);
    }

    /// The role has changed.
    pub fn clear(&mut self) {
        *self = Self {
            heard: self.heard,
            ..Self::default()
        };
    }

    fn gained(&mut self) {
        self.needed = self.needed.saturating_sub(1).max(STREAK);
    }

    fn lost(&mut self) {
        self.streak = 0;
        self.needed = self.needed.saturating_mul(2).min(LONGEST_STREAK);
    }

    /// A look has shown the end of the stream at `end`, and `released` says whether it has released
    /// the lone write whose request a look has seen.
    fn looked(&mut self, end: Offset, released: bool) {
        let Some(before) = self.seen else {
            return;
        };
        if end.bytes_since(before) != GETACK_BYTES {
            self.streak = 0;
            self.seen = None;
        } else if released {
            self.streak = self.streak.saturating_add(1);
            self.seen = None;
        }
    }
}

impl<P> Coordinator<P> {
    /// A streak needs so many writes.
    #[cfg(test)]
    pub(super) fn set_needed_streak(&mut self, needed: u32) {
        self.lone.needed = needed;
    }

    /// How many commands the filter has heard so far, apart from those that the module calls. To be
    /// called before [`unseen_request`](Self::unseen_request).
    pub fn commands_heard(&mut self, commands: u64) {
        self.lone.heard.commands = commands;
    }

    /// To be called when the event loop is about to sleep, before
    /// [`turn_ends`](Self::turn_ends): a request to send without a look at the replicas. If the
    /// server sends it, [`sent_unseen`](Self::sent_unseen) ends the turn. If not,
    /// [`turn_ends`](Self::turn_ends) does.
    ///
    /// All rests on this: a request that the server has accepted is in the stream. It drops one
    /// silently if it has no replica (`shouldPropagate` in `server.c`), so the links have to be
    /// known, and one has to be online.
    pub fn unseen_request(&self) -> Option<Request> {
        let lone = &self.lone;
        let is_due = self.setup.release_point == ReleasePoint::TurnEnd
            && lone.streak >= lone.needed
            && self.ledger.is_lone_and_fresh(self.replicas.acks())
            && self.links_are_known()
            && !self.requests.is_due()
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
        self.lone.seen = None;
        self.lone.unseen = Some(Unseen {
            after: self.replicas.offset(),
            heard: self.lone.heard,
        });
    }

    /// A look was taken at the end of a turn. If anything was acknowledged since a request that was
    /// sent without a look, finds out where the request is, and assigns the offset to its wait.
    /// Before that nothing is to be learned. But a wait without an offset is not given up at its
    /// deadline, and if another request is sent now, it may cover the wait as well.
    pub(super) fn assign_unseen(&mut self, now: Micros) {
        let Some(unseen) = self.lone.unseen else {
            return;
        };
        let heard = self.lone.heard;
        let acknowledgements = heard
            .acknowledgements
            .wrapping_sub(unseen.heard.acknowledgements);
        let next = self.ledger.next_deadline();
        let may_wait = self.ledger.has_unseen()
            && !self.ledger.has_fresh()
            && !self.requests.is_due()
            && next.is_none_or(|deadline| deadline > now);
        if acknowledgements == 0 && may_wait {
            return;
        }
        self.lone.unseen = None;
        let end = self.replicas.offset();
        let latest = Offset::new(end.bytes_since(Offset::new(GETACK_BYTES)));
        let commands = heard.commands.wrapping_sub(unseen.heard.commands);
        let reached = u64::from(self.replicas.acks().acknowledged(latest));
        let is_read = end.bytes_since(unseen.after) <= GETACK_BYTES;
        if commands == acknowledgements && acknowledgements == reached && reached > 0 && !is_read {
            self.requests.is_at(latest);
            self.lone.gained();
        } else if is_read {
            self.lone.streak = 0;
        }
        let outstanding = self.ledger.assign_unseen(latest, self.replicas.acks());
        if outstanding && !self.requests.covers(latest) {
            self.lone.lost();
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
            self.lone.seen = None;
        }
    }

    /// Notes what a look at the end of a turn has shown, and how many waits it has released.
    pub(super) fn note_looked(&mut self, released: usize) {
        self.lone.looked(self.replicas.offset(), released == 1);
    }
}
