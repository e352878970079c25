//! The event loop's turn: assigns offsets to waits, requests acknowledgements, and releases waits.
//!
//! 1. The event loop woke. With [`ReleasePoint::Timer`], or in a cluster, the turn timer is armed
//!    if there are waits.
//! 2. A timer fires. With [`ReleasePoint::TurnEnd`] the deadline timer only wakes the event loop.
//!    Otherwise:
//!    * If the server's cron is due in a cluster, the state of the cluster is looked at. If the
//!      cluster has failed, all waits are given up here, in the timer.
//!    * If not, with [`ReleasePoint::Timer`], the replicas are looked at, satisfied waits are
//!      released, and overdue and lost waits are given up.
//! 3. The event loop is about to sleep. The replicas are looked at if there are waits, if a request
//!    is due, or if the links may have changed. The waits of this turn get their offset, and a
//!    request is sent if it is needed. With [`ReleasePoint::TurnEnd`] satisfied waits are released,
//!    and overdue and lost waits are given up.
//!
//! Redis 7.0 serves unblocked clients right after it reports the turn's end, later servers right
//! before it. A release at another moment leaves a gap between unblocking and serving. In that gap
//! CLIENT UNBLOCK leaves the client without a reply (7.0) or aborts the server (7.2). From Redis
//! 7.4 on, and on Valkey, CLIENT UNBLOCK does no harm; there a release in a timer saves a turn.

use super::{Coordinator, Phase, ReleasePoint};
use crate::ledger::Released;
use crate::stats::bump;
use crate::units::Micros;

/// The looks that the caller has to take after a timer fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnTimer {
    /// Call [`looked_in_timer`](Coordinator::looked_in_timer), after the looks.
    pub release: bool,
    /// Look whether the cluster has failed. If it has, call
    /// [`cluster_failed`](Coordinator::cluster_failed) and give up waits, and do not look at the
    /// replicas.
    pub check_cluster: bool,
    /// Look at the replicas.
    pub look: bool,
}

/// A request for acknowledgements. In another database than that of the last write it costs two
/// SELECTs: one before it, one before the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The database to send it in.
    pub db: i32,
}

/// The actions that the caller has to carry out after a look, in this order.
#[derive(Debug)]
pub struct Actions<P> {
    /// Release these waits.
    pub released: Released<P>,
    /// How long the longest of them waited.
    pub longest: Micros,
    /// Send a request, then call [`request_sent`](Coordinator::request_sent). If the server does
    /// not allow it now, it stays due.
    pub request: Option<Request>,
    /// Wake the event loop.
    pub wake: bool,
    /// Give up waits: see [`overdue`](Coordinator::overdue) and
    /// [`take_lost`](Coordinator::take_lost).
    pub give_up: bool,
}

impl<P> Actions<P> {
    pub(super) fn none() -> Self {
        Self {
            released: Released::new(),
            longest: Micros::new(0),
            request: None,
            wake: false,
            give_up: false,
        }
    }
}

impl<P> Coordinator<P> {
    /// The event loop woke: a turn begins. Returns true if the turn timer has to be started.
    pub fn turn_begins(&mut self) -> bool {
        self.phase = Phase::Running;
        // In clusters the timer also looks at the cluster. There it always may release.
        let uses_timer =
            !self.ledger.is_empty() && self.uses_turn_timer() && self.may_release_in_timer();
        if uses_timer {
            self.timers.turn_begins();
        }
        uses_timer
    }

    /// The turn timer fired.
    pub fn turn_timer_fired(&mut self, now: Micros) -> OnTimer {
        self.timers.turn_fired();
        self.on_timer(now, true)
    }

    /// The deadline timer fired. With [`ReleasePoint::TurnEnd`] there is nothing to do: the turn
    /// ends next, where satisfied waits are released and overdue ones given up.
    pub fn deadline_timer_fired(&mut self, now: Micros) -> OnTimer {
        self.timers.deadline_fired();
        self.on_timer(now, self.setup.release_point == ReleasePoint::Timer)
    }

    fn on_timer(&self, now: Micros, may_check_cluster: bool) -> OnTimer {
        let release = !self.ledger.is_empty() && self.setup.release_point == ReleasePoint::Timer;
        OnTimer {
            check_cluster: may_check_cluster && self.is_cluster_check_due(now),
            release,
            look: release && !self.has_heard_all(),
        }
    }

    /// The replicas were looked at in a timer, if that was needed. `looked` is false if that
    /// failed. Satisfied waits are released before overdue ones are given up. So an acknowledgement
    /// counts if it arrived before the look, even if the deadline has passed by then.
    pub fn looked_in_timer(&mut self, looked: bool, now: Micros) -> Actions<P> {
        let mut actions = Actions::none();
        if looked {
            self.release(&mut actions, now);
        }
        actions.give_up = true;
        actions
    }

    /// Whether something has to be done in the next turns: waits or scripts are there, a request is
    /// due, or links may have changed. If not, the caller need not report turns.
    pub fn needs_turns(&self) -> bool {
        !self.ledger.is_empty()
            || self.scripts.is_in_use()
            || self.requests.is_due()
            || self.replicas.needs_listing()
            || self.replicas.awaits_psync()
    }

    /// The event loop is about to sleep: the turn ends, and all its writes are in the replication
    /// stream. Returns true if the replicas have to be looked at; the caller then calls
    /// [`looked_at_turn_end`](Self::looked_at_turn_end).
    ///
    /// Without waits a look is needed if a request is due (a replica came online, or a link has to
    /// prove itself), or if the links may have changed. With waits it is not needed if all of them
    /// have their offset, and the acknowledgements were heard.
    pub fn turn_ends(&mut self) -> bool {
        self.end_turn();
        if !self.ledger.is_empty() {
            return !self.has_heard_all()
                || self.ledger.has_fresh()
                || self.ledger.wants_fsyncs()
                || self.requests.is_due()
                || self.ledger.has_releasable(self.replicas.acks());
        }
        self.requests.nobody_waits();
        self.requests.is_due() || self.replicas.needs_listing()
    }

    pub(super) fn end_turn(&mut self) {
        self.phase = Phase::Ended;
        self.stats.end_turn();
    }

    /// True while a PSYNC that was seen may still take effect: the server runs it after a pause.
    /// Only then the caller has to find out `paused` for
    /// [`looked_at_turn_end`](Self::looked_at_turn_end).
    pub fn awaits_psync(&self) -> bool {
        self.replicas.awaits_psync()
    }

    /// The replicas were looked at when the turn ended. `looked` is false if that failed. `paused`
    /// is true during CLIENT PAUSE and FAILOVER, when the server delays commands and sends replicas
    /// nothing.
    ///
    /// If the look failed, the end of the stream is not known. So no offset is assigned, and no
    /// request is sent.
    pub fn looked_at_turn_end(&mut self, looked: bool, paused: bool, now: Micros) -> Actions<P> {
        let mut actions = Actions::none();
        let at_turn_end = self.setup.release_point == ReleasePoint::TurnEnd;
        let waits = !self.ledger.is_empty();
        if looked {
            self.replicas.turn_ended(paused);
            if waits {
                let has_fresh = self.ledger.has_fresh();
                self.assign_unseen(now);
                self.assign();
                self.request_fsync_reports();
                if at_turn_end {
                    self.release(&mut actions, now);
                    self.note_looked(actions.released.len());
                    self.note_lone(has_fresh, self.requests.is_due());
                } else {
                    // The next turn's timer looks again, and releases those that are still
                    // satisfied.
                    actions.wake = self.ledger.has_releasable(self.replicas.acks());
                }
            }
            actions.request = self.due_request();
        }
        actions.give_up = waits && at_turn_end;
        actions
    }

    /// The look at the turn's end failed because this server is a replica. A replica sends no
    /// requests, and must not look in every turn.
    pub fn look_failed_on_replica(&mut self) {
        if self.ledger.is_empty() {
            self.requests.no_replica();
            self.replicas.not_a_primary();
        }
    }

    /// The request was sent. Returns true if the event loop has to be woken for a second one.
    pub fn request_sent(&mut self) -> bool {
        bump(&mut self.stats.counters.ack_requests);
        self.replicas.request_sent();
        self.requests.sent(self.replicas.offset())
    }

    pub(super) fn release(&mut self, actions: &mut Actions<P>, now: Micros) {
        self.ledger
            .release(self.replicas.acks(), &mut actions.released);
        for (_, wait) in &actions.released {
            let took = now.since(wait.since);
            self.stats.acknowledged(took, now);
            actions.longest = actions.longest.max(took);
        }
    }

    /// Assigns the offset to the waits of this turn, and decides whether a request is needed. This
    /// cannot be decided when a command ends: the server may propagate a DEL of an expired key
    /// after the command.
    fn assign(&mut self) {
        if !self.ledger.has_fresh() {
            return;
        }
        let target = self.requests.target(self.replicas.offset());
        let outstanding = self.ledger.assign(target, self.replicas.acks());
        if outstanding && !self.requests.covers(target) {
            self.requests.make_due();
        }
    }

    /// Makes a request due if a client waits for the fsync of an offset that a replica has
    /// acknowledged since the last request, but has not reported as fsynced.
    fn request_fsync_reports(&mut self) {
        if !self.ledger.wants_fsyncs() {
            return;
        }
        let acks = self.replicas.acks();
        let mut unreported = self.replicas.unconfirmed_fsyncs(&self.fsyncs);
        let wanted = unreported.any(|(from, to)| self.ledger.wants_fsync_within(from, to, acks));
        if wanted {
            self.requests.make_due();
        }
    }

    fn due_request(&mut self) -> Option<Request> {
        if !self.replicas.has_online_link() {
            self.requests.no_replica();
            return None;
        }
        if self.requests.has_newcomer() && !self.replicas.has_silent_link() {
            self.requests.newcomers_count();
        }
        let request = Request { db: self.last_db };
        self.requests.is_due().then_some(request)
    }
}
