//! The event loop's turn, for durable commands. This file passes the server's events to the
//! coordinator (`core/src/coordinator.rs`), and carries out what the coordinator returns.

use durable_core::coordinator::{Actions, OnTimer, TimerChange, TimerChanges};
use durable_core::units::Micros;

use super::cluster_state;
use super::give_up::give_up;
use super::latency;
use super::look::look;
use super::release::{self, release};
use super::state::{self, coordinator};
use super::waiter::Waiter;
use crate::ffi::filter::commands_heard;
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{Ctx, Timer, TimerId};
use crate::{clock, event_loop, resets};

/// The event loop woke: a turn begins.
pub fn begins(ctx: &Ctx) {
    if coordinator(|coordinator| coordinator.turn_begins()) {
        apply_timers(ctx);
    }
}

/// Whether something has to be done in the next turns.
pub fn needs_turns() -> bool {
    coordinator(|coordinator| coordinator.needs_turns())
}

/// A durable command needs the replicas: turns are heard, and replicas are asked from now on.
pub fn used(ctx: &Ctx) {
    event_loop::hear(ctx);
    let now = clock::now();
    coordinator(|coordinator| coordinator.used(now));
}

/// The event loop is about to sleep: the turn ends, and all of it is in the replication stream.
pub fn ends(ctx: &Ctx) {
    note_released(ctx);
    let unseen = coordinator(|coordinator| {
        coordinator.commands_heard(commands_heard());
        coordinator.unseen_request()
    });
    if unseen.is_some_and(|request| ctx.request_acknowledgements(request.db)) {
        coordinator(|coordinator| coordinator.sent_unseen());
        return apply_timers(ctx);
    }
    let needs_look = coordinator(|coordinator| coordinator.turn_ends());
    if !needs_look {
        return;
    }
    let looked = look(ctx);
    if !looked && !ctx.situation().is_primary() {
        coordinator(|coordinator| coordinator.look_failed_on_replica());
    }
    resets::before_counting(ctx);
    let awaits_psync = coordinator(|coordinator| coordinator.awaits_psync());
    let paused = awaits_psync && ctx.is_traffic_paused();
    let now = clock::now();
    let actions = coordinator(|coordinator| coordinator.looked_at_turn_end(looked, paused, now));
    carry_out(ctx, actions);
}

/// The server serves clients that were released. The first one ends the hearing of turns, if
/// nothing else needs them.
pub fn released_were_served(ctx: &Ctx) {
    if release::take_released() {
        note_released(ctx);
        if event_loop::released_were_served(ctx) {
            coordinator(|coordinator| coordinator.stats.end_turn());
        }
    }
}

/// Takes up what the command filter has released: it has no context.
fn note_released(ctx: &Ctx) {
    if let Some(longest) = state::take_released_in_filter() {
        latency::record(ctx, longest);
        stop_timers_without_waits(ctx);
    }
}

/// The zero-delay timer of a turn.
struct TurnTimer;

impl Timer for TurnTimer {
    fn fire(ctx: &Ctx) {
        state::timers(|timers| timers.turn = None);
        let now = clock::now();
        let todo = coordinator(|coordinator| coordinator.turn_timer_fired(now));
        on_timer(ctx, todo, now);
    }
}

/// The timer for the earliest deadline.
struct DeadlineTimer;

impl Timer for DeadlineTimer {
    fn fire(ctx: &Ctx) {
        state::timers(|timers| timers.deadline = None);
        let now = clock::now();
        let todo = coordinator(|coordinator| coordinator.deadline_timer_fired(now));
        on_timer(ctx, todo, now);
    }
}

/// Carries out what the coordinator returns when a timer fires. The server's cron may come next in
/// this turn. If the cluster has failed, the cron replies CLUSTERDOWN also to clients that are
/// released here but not served yet. So the state of the cluster is looked at before the replicas.
fn on_timer(ctx: &Ctx, todo: OnTimer, now: Micros) {
    if todo.check_cluster && cluster_state::has_failed(ctx) {
        end_all(ctx);
    } else if todo.release {
        let looked = !todo.look || look(ctx);
        resets::before_counting(ctx);
        let now = if todo.look { clock::now() } else { now };
        let actions = coordinator(|coordinator| coordinator.looked_in_timer(looked, now));
        carry_out(ctx, actions);
        // The work may have lasted until the cron is due, and the cron comes next.
        let now = clock::now();
        let is_due = coordinator(|coordinator| coordinator.is_cluster_check_due(now));
        if is_due && cluster_state::has_failed(ctx) {
            end_all(ctx);
        }
    } else {
        apply_timers(ctx);
    }
}

/// The cluster has failed: gives up all waits.
fn end_all(ctx: &Ctx) {
    coordinator(|coordinator| coordinator.cluster_failed());
    give_up(ctx);
    apply_timers(ctx);
}

/// Carries out what the coordinator decided after a look.
fn carry_out(ctx: &Ctx, actions: Actions<Waiter>) {
    if !actions.released.is_empty() {
        release(ctx, actions.released, actions.longest);
    }
    if let Some(request) = actions.request {
        if ctx.request_acknowledgements(request.db)
            && coordinator(|coordinator| coordinator.request_sent())
        {
            wake_event_loop();
        }
    }
    if actions.wake {
        wake_event_loop();
    }
    if actions.give_up {
        give_up(ctx);
    }
    apply_timers(ctx);
}

/// Arms and stops timers as the coordinator requests it.
///
/// Redis 7.0 first computes how long it will sleep, and then reports the turn's end. A timer that
/// is armed at the turn's end does not shorten this sleep. So a deadline timer is already armed
/// when a command runs or a timer fires.
pub fn apply_timers(ctx: &Ctx) {
    apply_timers_at(ctx, clock::now());
}

/// As [`apply_timers`], at a time that the caller has just read.
pub fn apply_timers_at(ctx: &Ctx, now: Micros) {
    change_timers(
        ctx,
        coordinator(|coordinator| coordinator.timer_changes(now)),
    );
}

/// Makes the changes to the timers that the coordinator has returned.
pub fn change_timers(ctx: &Ctx, changes: TimerChanges) {
    apply::<TurnTimer>(ctx, changes.turn, |timers| &mut timers.turn);
    apply::<DeadlineTimer>(ctx, changes.deadline, |timers| &mut timers.deadline);
}

/// Stops the timers if nobody waits any more. To be called after each wait that the server ends.
/// While others wait, nothing is done: a timer that fires too early does no harm.
pub fn stop_timers_without_waits(ctx: &Ctx) {
    if coordinator(|coordinator| coordinator.has_timer_without_waits()) {
        apply_timers(ctx);
    }
}

fn apply<T: Timer>(
    ctx: &Ctx,
    change: TimerChange,
    place: fn(&mut state::ArmedTimers) -> &mut Option<TimerId>,
) {
    if change == TimerChange::Keep {
        return;
    }
    if let Some(armed) = state::timers(|timers| place(timers).take()) {
        ctx.stop_timer(armed);
    }
    if let TimerChange::Start(ms) = change {
        let armed = ctx.start_timer::<T>(ms);
        state::timers(|timers| *place(timers) = Some(armed));
    }
}

/// The server's cron ran; it runs `hz` times a second.
pub fn cron(ctx: &Ctx, hz: u64) {
    let now = clock::now();
    let (check_cluster, waits) = coordinator(|coordinator| {
        let check_cluster = coordinator.cron(hz, now);
        (check_cluster, coordinator.waiting() > 0)
    });
    // Deadlines that come before the next cron need their timer now.
    if waits {
        apply_timers_at(ctx, now);
    }
    if check_cluster && cluster_state::has_failed(ctx) {
        coordinator(|coordinator| coordinator.cluster_failed());
        wake_event_loop();
    }
}

/// A replica came online or went offline.
pub fn replica_changed(came: bool) {
    coordinator(|coordinator| coordinator.replica_changed(came));
}

/// This server became a primary or a replica.
pub fn role_changed(is_primary: bool) {
    if coordinator(|coordinator| coordinator.role_changed(is_primary)) {
        wake_event_loop();
    }
}
