//! The state machine of durable commands on a primary.
//!
//! The coordinator owns all state about waits and replicas: the ledger, the replicas, the requests,
//! the fsync reports, the timers and the statistics. It makes no calls. The caller passes in events
//! with the time, and carries out what each method returns.
//!
//! | event | method | result |
//! |---|---|---|
//! | a command was executed and has to wait | [`accept`] | wake the event loop, or not |
//! | the event loop woke: a turn begins | [`turn_begins`] | start a timer, or not |
//! | the turn timer fired | [`turn_timer_fired`] | look at the cluster, at the replicas |
//! | the deadline timer fired | [`deadline_timer_fired`] | the same |
//! | … and the replicas were looked at | [`looked_in_timer`] | waits to release and to give up |
//! | the event loop is about to sleep | [`unseen_request`] | send a request without a look |
//! | … and that was sent | [`sent_unseen`] | |
//! | … and that was not sent | [`turn_ends`] | look at the replicas, or not |
//! | … and the replicas were looked at | [`looked_at_turn_end`] | release, give up, request |
//! | … and the request was sent | [`request_sent`] | wake the event loop, or not |
//! | waits have to be given up | [`overdue`], [`take_lost`] | the waits |
//! | the server ended a wait | [`timed_out`], [`disconnected`] | the wait |
//! | the role changed | [`role_changed`] | wake the event loop, or not |
//! | a replica came online or went offline | [`replica_changed`] | |
//! | a replica acknowledged something | [`acknowledgement_heard`] | release waits, or not |
//! | a setting changed | [`settings_changed`] | |
//! | the server's cron ran | [`cron`] | look at the cluster, or not |
//! | the cluster failed | [`cluster_failed`] | |
//! | a script arrived (see [`scripts`]) | [`script_arrived`] | arm a timer, wake, or not |
//! | the client of a script left | [`script_left`] | |
//!
//! The caller applies [`timer_changes`] when a turn begins that needs it, when a timer fired, when
//! a wait was accepted, after the actions of a look, when the cron ran, and when the last wait has
//! ended.
//!
//! A write enters the replication stream when its command ends. So the offset of a turn's writes is
//! known when the turn ends. One request then serves all commands of the turn, and leaves in the
//! same packet as their writes.
//!
//! Example with one replica, `REPLICAS 1`:
//!
//! | stream ends at | event | effect |
//! |---|---|---|
//! | 100 | a client sends SET; `accept` | the wait has no offset |
//! | 150 | `turn_ends`, look: acknowledged 100 | the wait gets offset 150; a request is sent |
//! | 187 (with the request's 37) | next turn, look: acknowledged 150 | the wait is released |
//!
//! [`accept`]: Coordinator::accept
//! [`turn_begins`]: Coordinator::turn_begins
//! [`turn_timer_fired`]: Coordinator::turn_timer_fired
//! [`deadline_timer_fired`]: Coordinator::deadline_timer_fired
//! [`looked_in_timer`]: Coordinator::looked_in_timer
//! [`unseen_request`]: Coordinator::unseen_request
//! [`sent_unseen`]: Coordinator::sent_unseen
//! [`turn_ends`]: Coordinator::turn_ends
//! [`looked_at_turn_end`]: Coordinator::looked_at_turn_end
//! [`request_sent`]: Coordinator::request_sent
//! [`overdue`]: Coordinator::overdue
//! [`take_lost`]: Coordinator::take_lost
//! [`timed_out`]: Coordinator::timed_out
//! [`disconnected`]: Coordinator::disconnected
//! [`role_changed`]: Coordinator::role_changed
//! [`replica_changed`]: Coordinator::replica_changed
//! [`acknowledgement_heard`]: Coordinator::acknowledgement_heard
//! [`settings_changed`]: Coordinator::settings_changed
//! [`cron`]: Coordinator::cron
//! [`cluster_failed`]: Coordinator::cluster_failed
//! [`script_arrived`]: Coordinator::script_arrived
//! [`script_left`]: Coordinator::script_left
//! [`scripts`]: crate::scripts
//! [`timer_changes`]: Coordinator::timer_changes

mod admission;
mod cron;
mod figures;
mod greeting;
mod hearing;
mod lone;
mod looks;
mod outcomes;
mod timers;
mod turns;

use crate::ack_request::AckRequests;
use crate::acks::{Acks, Need};
use crate::alarms::Alarms;
use crate::fsyncs::FsyncReports;
use crate::ledger::{Ledger, Loss, Wait, WaitId};
use crate::replicas::{ReplicaAllow, Replicas};
use crate::scripts::ScriptQueue;
use crate::stats::Stats;
use crate::units::Micros;

pub use admission::TooFewReplicas;
pub use outcomes::GivenUp;
pub use timers::{TimerChange, TimerChanges};
pub use turns::{Actions, OnTimer, Request};

use cron::Cron;
use greeting::Greeting;
use hearing::Hearing;
use lone::LoneWrites;
use timers::Timers;

/// When waits may be released. It depends on the server: see `turns.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleasePoint {
    /// In a timer: the server serves unblocked clients before it reports the end of the turn.
    Timer,
    /// At the end of the turn: the server serves unblocked clients right after it reports the end.
    TurnEnd,
}

/// Properties of the server that do not change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// When waits are released.
    pub release_point: ReleasePoint,
    /// Cluster mode is on, so the state of the cluster has to be looked at.
    pub is_cluster: bool,
    /// The server tells who sends an acknowledgement. Only with [`ReleasePoint::Timer`].
    pub hears_acknowledgements: bool,
    /// Outside of clusters, waits may be released as soon as an acknowledgement is heard: CLIENT
    /// UNBLOCK does no harm to a client that is unblocked and not yet served. Otherwise they are
    /// released at the point of `release_point`.
    pub releases_when_heard: bool,
    /// The event loop does not sleep after its last timer has fired
    /// ([`Fact::WakesAfterLastTimer`](crate::servers::Fact::WakesAfterLastTimer)).
    pub wakes_after_last_timer: bool,
}

/// What the caller has to do when a script arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptArrival {
    /// Arm a zero-delay timer.
    pub arm_timer: bool,
    /// Wake the event loop: the turn has ended, and the server may have computed its sleep already.
    pub wake: bool,
}

/// The part of the event loop's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Commands run. The server has not reported the turn's end yet.
    Running,
    /// The server has reported the turn's end. Redis 7.0 can still run commands after it.
    Ended,
}

/// See the head of this file. `P` is the caller's data for each wait.
#[derive(Debug)]
pub struct Coordinator<P> {
    setup: Setup,
    phase: Phase,
    ledger: Ledger<P>,
    /// The replicas at the last look.
    pub replicas: Replicas,
    /// Fsync reports of the replicas.
    pub fsyncs: FsyncReports,
    requests: AckRequests,
    greeting: Greeting,
    hearing: Hearing,
    lone: LoneWrites,
    timers: Timers,
    /// Counters and wait times.
    pub stats: Stats,
    /// The log lines about replicas.
    pub alarms: Alarms,
    /// True from a look until a replica comes or goes, or the role or a setting changes.
    replicas_current: bool,
    /// The database of the command that was accepted last.
    last_db: i32,
    cron: Cron,
    /// Scripts that were not run yet.
    pub scripts: ScriptQueue,
}

impl<P> Coordinator<P> {
    /// Starts without waits. The module can be loaded into a running server. The replicas of that
    /// server have not received a request yet, so one is due once durable commands are in use.
    pub fn new(setup: Setup) -> Self {
        let mut requests = AckRequests::default();
        requests.newcomer();
        Self {
            setup,
            phase: Phase::Running,
            ledger: Ledger::default(),
            replicas: Replicas::default(),
            fsyncs: FsyncReports::default(),
            requests,
            greeting: Greeting::default(),
            hearing: Hearing::default(),
            lone: LoneWrites::default(),
            timers: Timers::default(),
            stats: Stats::default(),
            alarms: fresh_alarms(),
            replicas_current: false,
            last_db: 0,
            cron: Cron::default(),
            scripts: ScriptQueue::default(),
        }
    }

    /// Adds the wait of a command that was admitted and executed in database `db`. Returns true if
    /// the caller has to wake the event loop: the turn has ended, and nothing else would wake it.
    ///
    /// # Errors
    /// Returns the payload if the client waits already.
    pub fn accept(
        &mut self,
        client: WaitId,
        need: Need,
        timeout: Option<Micros>,
        db: i32,
        now: Micros,
        payload: P,
    ) -> Result<bool, P> {
        let deadline = timeout.map(|timeout| now.saturating_add(timeout));
        self.ledger.accept(client, need, now, deadline, payload)?;
        self.used(now);
        self.last_db = db;
        self.stats.waiting(self.clients());
        Ok(self.phase == Phase::Ended)
    }

    /// A script arrived, and its client was blocked. Returns what the caller has to do.
    pub fn script_arrived(&mut self, client: WaitId, user: &[u8]) -> ScriptArrival {
        let arm_timer = self.scripts.arrived(client, user);
        self.stats.waiting(self.clients());
        ScriptArrival {
            arm_timer,
            wake: self.phase == Phase::Ended,
        }
    }

    /// The number of clients that wait for acknowledgements.
    pub fn waiting(&self) -> usize {
        self.ledger.len()
    }

    /// The number of waiting clients: for acknowledgements, or for their script to be run.
    pub fn clients(&self) -> usize {
        self.ledger.len().saturating_add(self.scripts.len())
    }

    /// Whether that client waits.
    pub fn is_waiting(&self, client: WaitId) -> bool {
        self.ledger.get(client).is_some() || self.scripts.contains(client)
    }

    /// The offsets that the replicas that count have acknowledged.
    pub fn acks(&self) -> &Acks {
        self.replicas.acks()
    }

    /// The wait of that client for acknowledgements.
    pub fn wait_of(&self, client: WaitId) -> Option<&Wait<P>> {
        self.ledger.get(client)
    }

    /// A replica came online (`came`) or went offline.
    pub fn replica_changed(&mut self, came: bool) {
        self.replicas_current = false;
        self.replicas.replica_event();
        self.hearing.may_know_all();
        self.alarms.something_changed();
        self.fsyncs.replicas_changed();
        if came {
            self.requests.newcomer();
        }
    }

    /// This server became a primary or a replica. It has another replication stream from now on, so
    /// all present waits are lost. Returns true if the caller has to wake the event loop.
    pub fn role_changed(&mut self, is_primary: bool) -> bool {
        self.replicas.clear();
        self.replicas_current = false;
        self.alarms = fresh_alarms();
        self.requests.clear();
        self.lone.clear();
        if !is_primary {
            self.stats.demotion();
        }
        self.ledger.lose(Loss::Stream);
        self.ledger.has_lost()
    }

    /// The cluster failed: all present waits are lost.
    pub fn cluster_failed(&mut self) {
        self.ledger.lose(Loss::Cluster);
    }

    /// A setting changed. Other links may count now, and the configured requirement may differ.
    pub fn settings_changed(&mut self, allow: ReplicaAllow) {
        self.replicas.set_allow(allow);
        self.replicas_current = false;
        self.alarms.something_changed();
    }
}

/// The log lines of a server on which the module was just loaded, or whose role has just changed. A
/// look is due at once, so that missing replicas are noticed even if none ever comes.
fn fresh_alarms() -> Alarms {
    let mut alarms = Alarms::default();
    alarms.something_changed();
    alarms
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
