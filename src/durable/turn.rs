//! The event loop's turn: where waits get their offset, replicas are asked and heard, and clients
//! are let go.
//!
//! A write that a command makes enters the replication stream only when the command ends, so that
//! its offset is known when the turn ends. One request then serves every command of the turn, and
//! leaves in the same packet as their writes.
//!
//! | the server's event | what is done |
//! |---|---|
//! | `AFTER_SLEEP` | if anyone waits, a timer of no time is armed. It fires when this turn's clients, the replicas' acknowledgements among them, have been read |
//! | that timer (from 7.2 on) | look at the replicas, release, give up what is overdue |
//! | that timer (in cluster mode), where the server's cron is due | give up what waits in a cluster that has failed (`cluster_state.rs`) |
//! | `BEFORE_SLEEP` | look, assign the offset to this turn's waits, request; on 7.0 release and give up what is overdue |
//!
//! On 7.0 the server serves unblocked clients right after it told `BEFORE_SLEEP`; from 7.2 on it
//! has done so before. Unblocking anywhere else would leave a gap between the unblocking and the
//! serving, in which CLIENT UNBLOCK leaves a client without a reply (7.0) or aborts the server (7.2).

use durable_core::ledger::Loss;
use durable_core::stats::bump;

use super::give_up::give_up;
use super::look::{self, look};
use super::{alarms, cluster_state, wait_queue};
use crate::ffi::wakeup;
use crate::ffi::{Ctx, Timer, TimerId};
use crate::state::{self, Turn};

/// A deadline's timer that is so many microseconds late is lost.
const LATE: u64 = 50_000;

/// The event loop woke: a turn begins.
pub fn begins(ctx: &Ctx) {
    let timers = state::with(|state| {
        state.turn = Turn::Running;
        if state.ledger.is_empty() {
            return None;
        }
        // Timers go by the wall clock. If that was set back, they did not fire.
        let now = state.now();
        let late = |&mut (_, at): &mut (TimerId, u64)| now > at.saturating_add(LATE);
        let deadline = state.deadline_timer.take_if(late).map(|(timer, _)| timer);
        let needs_timer = state.releases_in_timer() || state.is_cluster;
        Some((needs_timer, state.turn_timer.take(), deadline))
    });
    let Some(Some((needs_timer, turn, deadline))) = timers else {
        return;
    };
    for lost in [turn, deadline].into_iter().flatten() {
        ctx.stop_timer(lost);
    }
    if deadline.is_some() {
        arm_deadline(ctx);
    }
    if needs_timer {
        let timer = ctx.start_timer::<TurnTimer>(0);
        state::with(|state| state.turn_timer = Some(timer));
    }
}

/// The event loop is about to sleep: the turn ends, and all of it is in the replication stream.
pub fn ends(ctx: &Ctx) {
    let plan = state::with(|state| {
        state.turn = Turn::Ended;
        state.stats.end_turn();
        // Where this is used, clients have been served when the turn's end is told.
        state.unserved.clear();
        if state.ledger.is_empty() {
            state.requests.cancel();
            let timer = state.deadline_timer.take().map(|(timer, _)| timer);
            return Plan::Rest {
                timer,
                greet: state.requests.is_due() || state.replicas.needs_listing(),
            };
        }
        Plan::Work {
            in_timer: state.releases_in_timer(),
        }
    });
    match plan {
        None => (),
        Some(Plan::Rest { timer, greet }) => {
            if let Some(timer) = timer {
                ctx.stop_timer(timer);
            }
            if greet {
                greet_newcomer(ctx);
            }
        }
        Some(Plan::Work { in_timer }) => work(ctx, in_timer),
    }
}

/// Asks a replica that has come online while nobody waits, so that it counts from now on, and sees
/// each link that shows itself, so that older links of its address have to prove themselves.
fn greet_newcomer(ctx: &Ctx) {
    if look(ctx) {
        look::turn_ended(ctx);
        request(ctx);
    } else if !ctx.situation().is_primary() {
        // A replica has nobody to ask, and must not look in every turn.
        state::with(|state| {
            state.requests.nobody_to_ask();
            state.replicas.nothing_to_list();
        });
    }
}

/// Gives this turn's waits their offset, lets go whom the replicas have satisfied, and asks for the rest.
/// Without a look there is no offset to assign and none at which a request would stand.
fn work(ctx: &Ctx, in_timer: bool) {
    if look(ctx) {
        look::turn_ended(ctx);
        assign();
        follow_up_fsyncs();
        if in_timer {
            wake_for_releasable();
        } else {
            wait_queue::release(ctx);
        }
        request(ctx);
    }
    if !in_timer {
        give_up(ctx);
    }
}

enum Plan {
    /// Nobody waits: no timer may stay armed, or the module could not be unloaded.
    Rest {
        timer: Option<TimerId>,
        greet: bool,
    },
    Work {
        in_timer: bool,
    },
}

/// Gives this turn's waits their offset.
fn assign() {
    state::with(|state| {
        if !state.ledger.has_fresh() {
            return;
        }
        let target = state.requests.target(state.replicas.offset());
        let outstanding = state.ledger.assign(target, state.replicas.acks());
        if outstanding && !state.requests.covers(target) {
            state.requests.make_due();
        }
    });
}

/// Asks again where a replica may have fsynced what somebody waits for, and has had no occasion to tell.
fn follow_up_fsyncs() {
    state::with(|state| {
        let acks = state.replicas.acks();
        let mut untold = state.replicas.untold_fsyncs(&state.fsyncs);
        if untold.any(|(told, acked)| state.ledger.wants_fsync_within(told, acked, acks)) {
            state.requests.make_due();
        }
    });
}

/// Asks the replicas, if somebody waits for what they were not asked for or one of them is new.
/// While traffic to them is paused the request stays due; they still report once a second.
fn request(ctx: &Ctx) {
    let ask = state::with(|state| {
        if !state.replicas.has_online() {
            state.requests.nobody_to_ask();
            return None;
        }
        let due = state.requests.is_due();
        due.then_some((state.last_db, state.replicas.offset()))
    })
    .flatten();
    let Some((db, offset)) = ask else { return };
    if ctx.request_acknowledgements(db) {
        let again = state::with(|state| {
            bump(&mut state.stats.counters.ack_requests);
            state.replicas.note_request();
            state.requests.sent(offset)
        });
        if again == Some(true) {
            wake();
        }
    }
}

/// From 7.2 on, a wait that is satisfied at the turn's end is released in the next turn's timer.
fn wake_for_releasable() {
    let releasable = state::with(|state| state.ledger.has_releasable(state.replicas.acks()));
    if releasable == Some(true) {
        wake();
    }
}

/// Sees to it that the event loop begins another turn at once.
pub fn wake() {
    wakeup::wake_event_loop();
}

/// Sees to it that the event loop wakes for the earliest deadline. On 7.0 the time to sleep is reckoned
/// before the turn's end is told, so that this is done while a command runs or a timer fires. A timer that fires too early
/// costs one turn, one that is stopped and started for every wait costs every turn.
pub fn arm_deadline(ctx: &Ctx) {
    let change = state::with(|state| {
        let next = state.ledger.next_deadline();
        let armed = state.deadline_timer;
        match (next, armed) {
            (Some(next), Some((_, at))) if at <= next => None,
            (None, None) => None,
            _ => {
                state.deadline_timer = None;
                Some((armed.map(|(timer, _)| timer), next, state.now()))
            }
        }
    });
    let Some(Some((stale, next, now))) = change else {
        return;
    };
    if let Some(timer) = stale {
        ctx.stop_timer(timer);
    }
    if let Some(next) = next {
        // Rounded up, so that the deadline has come when the timer fires.
        let timer = ctx.start_timer::<DeadlineTimer>(next.saturating_sub(now).div_ceil(1000));
        state::with(|state| state.deadline_timer = Some((timer, next)));
    }
}

/// Fires in each turn that begins with somebody waiting.
struct TurnTimer;

impl Timer for TurnTimer {
    fn fire(ctx: &Ctx) {
        let in_timer = state::with(|state| {
            state.turn_timer = None;
            state.releases_in_timer()
        });
        if in_timer == Some(true) {
            serve(ctx);
        }
        cluster_state::before_cron(ctx);
    }
}

/// Fires at the earliest deadline.
struct DeadlineTimer;

impl Timer for DeadlineTimer {
    fn fire(ctx: &Ctx) {
        let in_timer = state::with(|state| {
            state.deadline_timer = None;
            state.releases_in_timer()
        });
        // On 7.0 the turn's end comes next, which releases before it gives up.
        if in_timer == Some(true) {
            serve(ctx);
        }
        arm_deadline(ctx);
    }
}

/// Releases what the replicas have acknowledged, then gives up what is overdue: an acknowledgement
/// that came in time counts even if it is seen late.
fn serve(ctx: &Ctx) {
    if state::with(|state| state.ledger.is_empty()) != Some(false) {
        return;
    }
    if cluster_state::before_cron(ctx) {
        return;
    }
    if look(ctx) {
        wait_queue::release(ctx);
    }
    give_up(ctx);
}

/// A replica came online or went.
pub fn replica_changed(came: bool) {
    state::with(|state| {
        state.replicas_current = false;
        state.replicas.links_changed();
        state.alarms.rouse();
        state.fsyncs.replicas_changed();
        if came {
            state.requests.greet_newcomer();
        }
    });
}

/// This server became a primary or a replica. What was known of the stream is no longer true, and what waits
/// for it waits in vain.
pub fn role_changed(primary: bool) {
    let lost = state::with(|state| {
        state.replicas.clear();
        state.replicas_current = false;
        state.alarms = alarms::of_new_primary();
        state.requests.clear();
        if !primary {
            state.stats.demotion();
        }
        state.ledger.lose(Loss::Stream);
        state.ledger.has_lost()
    });
    if lost == Some(true) {
        wake();
    }
}
