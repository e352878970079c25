//! When a look is taken for those who wait for a change, and when they are told.
//!
//! | who waits | who looks, and when |
//! |---|---|
//! | watchers | a timer, armed only while there are any, when the last look has come of age; with `slothint-max-age-ms 0` in every turn of the event loop |
//! | clients that track `__slothint__:topology` by prefix | the server's cron, since an armed timer keeps the module from being unloaded |
//!
//! A look inside a command may show a change as well; then the timer is armed to fire in the same turn.
//! From 7.2 on watchers are let go from the timer, on 7.0 at the turn's end: anywhere else there would be a gap
//! between the unblocking and the serving, in which CLIENT UNBLOCK leaves a client without a reply
//! (7.0) or aborts the server (7.2).

use std::sync::Arc;

use durable_core::slot_map::{Connection, Family, SlotMap, TOPOLOGY_KEY};

use super::{is_current, look, reply};
use crate::durable::{give_up, turn};
use crate::ffi::{Blocked, Ctx, IncomingCommand, Timer};
use crate::state::{self, State};

/// What watchers are told in one turn at the most, counted in elements of replies: a few milliseconds of
/// work, so that neither a host of watchers nor a large map holds up the rest.
const WORK_IN_ONE_TURN: usize = 100_000;

/// What unblocking a client takes, as so many elements.
const WORK_OF_AN_UNBLOCKING: usize = 100;

/// The timer goes by the wall clock. If that is set back it fires late; so late it is armed anew.
const LATE_MS: u64 = 50;

/// The event loop woke: a turn begins.
pub fn turn_begins(ctx: &Ctx) {
    let plan = state::with(|state| {
        let now = state.now() / 1000;
        let hints = &mut state.slothint;
        hints.turn = hints.turn.wrapping_add(1);
        if hints.watchers.is_empty() {
            return None;
        }
        let late = |&mut (_, at): &mut _| now > u64::saturating_add(at, LATE_MS);
        let lost = hints.timer.take_if(late).map(|(timer, _)| timer);
        let in_this_turn = state.config.slothint_max_age_ms == 0 || is_release_due(state);
        Some((in_this_turn, lost))
    });
    let Some(Some((in_this_turn, lost))) = plan else {
        return;
    };
    if let Some(timer) = lost {
        ctx.stop_timer(timer);
    }
    if in_this_turn || lost.is_some() {
        arm_in(ctx, 0);
    }
}

/// Somebody is to be answered: their map has changed, or their time is over.
fn is_release_due(state: &State) -> bool {
    let hints = &state.slothint;
    let mut overdue = hints.watchers.expired(state.now() / 1000);
    !hints.changed.is_empty() || overdue.next().is_some()
}

/// The event loop is about to sleep: the turn ends.
pub fn turn_ends(ctx: &Ctx) {
    let at_turns_end = state::with(|state| {
        let busy = !state.slothint.watchers.is_empty() || state.slothint.timer.is_some();
        busy.then(|| !state.releases_in_timer())
    });
    if let Some(Some(release_now)) = at_turns_end {
        if release_now {
            release(ctx);
        }
        arm(ctx);
    }
}

/// The server's cron, a few times a second.
pub fn cron(ctx: &Ctx) {
    if !ctx.situation().is_cluster() {
        return;
    }
    glance(ctx);
    let due =
        state::with(|state| state.slothint.trackers.is_tracked() && !is_current(state, Family::V4));
    if due == Some(true) {
        look_for_all(ctx);
        signal(ctx);
        wake_if_changed(ctx);
    }
}

/// A client sends CLIENT TRACKING.
pub fn tracking_asked(command: &IncomingCommand) {
    let words = (2..command.len()).filter_map(|index| command.word(index));
    state::with(|state| {
        let now = state.now() / 1000;
        let client = command.client_id();
        state.slothint.trackers.heard(client, words, now);
    });
}

/// A client sends EXEC.
pub fn queue_executed(command: &IncomingCommand) {
    state::with(|state| {
        let now = state.now() / 1000;
        let client = command.client_id();
        state.slothint.trackers.executes(client, now);
    });
}

/// Looks now and then whether anybody tracks.
fn glance(ctx: &Ctx) {
    let due = state::with(|state| {
        let now = state.now() / 1000;
        state.slothint.trackers.is_glance_due(now)
    });
    if due != Some(true) {
        return;
    }
    let prefixes = ctx.server_info(c"stats", c"tracking_total_prefixes");
    let prefixes = prefixes.and_then(|number| std::str::from_utf8(&number).ok()?.parse().ok());
    let begins = state::with(|state| {
        let now = state.now() / 1000;
        state.slothint.trackers.glanced(prefixes.unwrap_or(0), now)
    });
    if begins == Some(true) {
        look_for_all(ctx);
        // What has a map is told of its changes.
        state::with(|state| {
            for tls in [false, true] {
                let family = Family::V4;
                state.slothint.cache.map(Connection { tls, family });
            }
        });
    }
}

/// A look outside of any command. If it fails, those who ask are told why; here it is tried again.
fn look_for_all(ctx: &Ctx) {
    if let Err(reason) = look::look(ctx, None) {
        ctx.log_debug(&reason);
    }
}

/// Tells the clients that track the map that it has changed.
fn signal(ctx: &Ctx) {
    if state::with(|state| std::mem::take(&mut state.slothint.signal_due)) == Some(true) {
        ctx.signal_modified_key(TOPOLOGY_KEY);
    }
}

/// To be called after a look inside a command: if it showed a change that somebody waits for, they are told in
/// this turn, but outside the command, whose client may have asked not to be told of its own doings.
pub fn wake_if_changed(ctx: &Ctx) {
    let wake = state::with(|state| {
        let hints = &mut state.slothint;
        if hints.watchers.is_empty() {
            hints.changed.clear();
        }
        hints.signal_due || !hints.changed.is_empty()
    });
    if wake == Some(true) {
        arm_in(ctx, 0);
    }
}

/// Sees to it that the timer fires for the next look or deadline, if anybody watches, and not if nobody does.
pub fn arm(ctx: &Ctx) {
    let next = state::with(|state| match next(state) {
        Some(at) => Ok(at.saturating_sub(state.now() / 1000)),
        None if state.slothint.signal_due => Ok(0),
        None => Err(state.slothint.timer.take()),
    });
    match next {
        Some(Ok(ms)) => arm_in(ctx, ms),
        Some(Err(Some((timer, _)))) => ctx.stop_timer(timer),
        Some(Err(None)) | None => (),
    }
}

/// When the watchers need the next look, or the first of them is to be answered.
fn next(state: &State) -> Option<u64> {
    let hints = &state.slothint;
    if hints.watchers.is_empty() {
        return None;
    }
    let deadline = hints.watchers.next_deadline_ms();
    // With an age of 0 every turn begins by arming the timer.
    let look = match state.config.slothint_max_age_ms {
        0 => None,
        age => Some(hints.cache.expires_ms(Family::V4, age).unwrap_or(0)),
    };
    deadline.into_iter().chain(look).min()
}

/// Arms the timer, unless it fires as early anyway.
fn arm_in(ctx: &Ctx, ms: u64) {
    let stale = state::with(|state| {
        let at = (state.now() / 1000).saturating_add(ms);
        match state.slothint.timer {
            Some((_, armed)) if armed <= at => None,
            armed => Some((armed, at)),
        }
    });
    let Some(Some((stale, at))) = stale else {
        return;
    };
    if let Some((timer, _)) = stale {
        ctx.stop_timer(timer);
    }
    let timer = ctx.start_timer::<WatchTimer>(ms);
    state::with(|state| state.slothint.timer = Some((timer, at)));
}

/// Fires for the next look, the next deadline, or a change that somebody waits for.
struct WatchTimer;

impl Timer for WatchTimer {
    fn fire(ctx: &Ctx) {
        serve(ctx);
    }
}

fn serve(ctx: &Ctx) {
    let plan = state::with(|state| {
        state.slothint.timer = None;
        let look = !state.slothint.watchers.is_empty() && !is_current(state, Family::V4);
        (look, state.releases_in_timer())
    });
    let Some((look, release_now)) = plan else {
        return;
    };
    if look {
        look_for_all(ctx);
    }
    signal(ctx);
    if release_now {
        release(ctx);
    }
    // On 7.0 the time to sleep is reckoned before the turn's end is told, too early for a timer armed there.
    arm(ctx);
}

/// Answers the watchers whose map has changed and those whose time is over, as many as one turn bears.
/// The rest have the next turn, which begins at once.
fn release(ctx: &Ctx) {
    let mut work = WORK_IN_ONE_TURN;
    while work > 0 {
        let portion = state::with(|state| next_portion(state, &mut work));
        let Some(Some(portion)) = portion else {
            break;
        };
        for (_, watcher) in portion.watchers {
            watcher.hold(|ctx| reply::map(ctx, &portion.map));
            watcher.unblock();
        }
    }
    expire(ctx);
    if state::with(|state| is_release_due(state)) == Some(true) {
        turn::wake();
    }
}

/// Watchers, by the ids of their clients, and what they are to be told.
struct Portion {
    map: Arc<SlotMap>,
    watchers: Vec<(u64, Blocked)>,
}

/// Takes out watchers whose map has changed, one at the least and as many as `work` allows. None where there
/// are none.
fn next_portion(state: &mut State, work: &mut usize) -> Option<Portion> {
    loop {
        let hints = &mut state.slothint;
        let connection = *hints.changed.last()?;
        if let Some(map) = hints.cache.map(connection) {
            let each = map.reply_elements().saturating_add(WORK_OF_AN_UNBLOCKING);
            let limit = work.checked_div(each).unwrap_or(1).max(1);
            let watchers = hints.watchers.take(connection, map.token(), limit);
            if !watchers.is_empty() {
                *work = work.saturating_sub(each.saturating_mul(watchers.len()));
                state.note_unserved(watchers.iter().map(|&(client, _)| client));
                return Some(Portion { map, watchers });
            }
        }
        hints.changed.pop();
    }
}

/// The server is asked to end the wait, so that to it this is the same as an operator's CLIENT
/// UNBLOCK: it runs the timeout callback.
fn expire(ctx: &Ctx) {
    let expired = state::with(|state| {
        let expired = state.slothint.watchers.expired(state.now() / 1000);
        expired.take(give_up::IN_ONE_TURN).collect::<Vec<u64>>()
    });
    let expired = expired.unwrap_or_default();
    let waiting = ctx.waiting_here(&expired);
    for client in expired {
        waiting.end_as_timed_out(client);
        // What the server did not find by its id is answered all the same, or it would be tried for ever.
        let left = state::with(|state| state.slothint.watchers.remove(client));
        if let Some(Some(watcher)) = left {
            watcher.hold(Ctx::reply_null);
            watcher.unblock();
        }
    }
}
