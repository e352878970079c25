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

use std::ffi::{c_void, CStr};

use durable_core::slot_map::{Connection, Family};
use redis_module::raw;

use super::{is_current, look, reply};
use crate::ffi::{guard, Ctx};
use crate::state::{self, State};

/// The name that clients track. No key has it.
const TRACKED: &CStr = c"__slothint__:topology";

/// How often it is looked whether anybody tracks by prefix, while somebody may.
const GLANCE_MS: u64 = 1000;

/// For so long after a client sent CLIENT TRACKING somebody may: it may have been queued in a MULTI.
const MAY_TRACK_MS: u64 = 60_000;

/// The timer goes by the wall clock. If that is set back it fires late; so late it is armed anew.
const LATE_MS: u64 = 50;

/// The event loop woke: a turn begins.
pub fn turn_begins(ctx: &Ctx) {
    let every_turn = state::with(|state| {
        let now = state.now() / 1000;
        let hints = &mut state.slothint;
        hints.turn = hints.turn.wrapping_add(1);
        if hints.watchers.is_empty() {
            return None;
        }
        let late = |&mut (_, at): &mut _| now > u64::saturating_add(at, LATE_MS);
        let lost = hints.timer.take_if(late).map(|(timer, _)| timer);
        Some((state.config.slothint_max_age_ms == 0, lost))
    });
    let Some(Some((every_turn, lost))) = every_turn else {
        return;
    };
    if let Some(timer) = lost {
        ctx.stop_timer(timer);
    }
    if every_turn || lost.is_some() {
        arm_in(ctx, 0);
    }
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
    let due = state::with(|state| state.slothint.tracked && !is_current(state, Family::V4));
    if due == Some(true) {
        look_for_all(ctx);
        signal(ctx);
        wake_if_changed(ctx);
    }
}

/// A client sent CLIENT TRACKING.
pub fn tracking_asked() {
    state::with(|state| state.slothint.tracking_asked_ms = Some(state.now() / 1000));
}

/// Looks now and then whether anybody tracks keys by prefix.
fn glance(ctx: &Ctx) {
    let due = state::with(|state| {
        let now = state.now() / 1000;
        let hints = &mut state.slothint;
        let asked = hints.tracking_asked_ms;
        let may = hints.tracked || asked.is_some_and(|at| now.saturating_sub(at) < MAY_TRACK_MS);
        let due = may
            && match hints.tracked_seen_ms {
                Some(seen) => now.saturating_sub(seen) >= GLANCE_MS,
                None => true,
            };
        if due {
            hints.tracked_seen_ms = Some(now);
        }
        due
    });
    if due != Some(true) {
        return;
    }
    let Some(info) = ctx.ask(c"INFO", &[c"stats"]) else {
        return;
    };
    let text = info.root().bytes().unwrap_or_default();
    let prefixes = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"tracking_total_prefixes:"));
    let tracked = prefixes.is_some_and(|number| number.trim_ascii() != b"0");
    let begins = state::with(|state| {
        let hints = &mut state.slothint;
        let begins = tracked && !hints.tracked;
        hints.tracked = tracked;
        hints.signal_due &= tracked;
        begins
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
    if let Err(reason) = look::look(ctx, Family::V4) {
        ctx.log_debug(&reason);
    }
}

/// Tells the clients that track the map that it has changed.
fn signal(ctx: &Ctx) {
    if state::with(|state| std::mem::take(&mut state.slothint.signal_due)) == Some(true) {
        ctx.signal_modified_key(TRACKED);
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
    let timer = ctx.start_timer(ms, on_timer);
    state::with(|state| state.slothint.timer = Some((timer, at)));
}

unsafe extern "C" fn on_timer(ctx: *mut raw::RedisModuleCtx, _data: *mut c_void) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, serve) };
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

/// Answers the watchers whose map has changed and then those whose time is over.
fn release(ctx: &Ctx) {
    let changed = state::with(|state| std::mem::take(&mut state.slothint.changed));
    for connection in changed.unwrap_or_default() {
        let taken = state::with(|state| {
            let hints = &mut state.slothint;
            let map = hints.cache.map(connection)?;
            let watchers = hints.watchers.take(connection, map.token());
            state.note_unserved(watchers.iter().map(|&(client, _)| client));
            Some((map, watchers))
        });
        let Some(Some((map, watchers))) = taken else {
            continue;
        };
        for (_, watcher) in watchers {
            watcher.hold(|ctx| reply::map(ctx, &map));
            watcher.unblock();
        }
    }
    expire(ctx);
}

/// The server is asked to end the wait, so that to it this is the same as an operator's CLIENT
/// UNBLOCK: it runs the timeout callback.
fn expire(ctx: &Ctx) {
    let expired = state::with(|state| state.slothint.watchers.expired(state.now() / 1000));
    for client in expired.unwrap_or_default() {
        ctx.unblock_as_timed_out(client);
        // What the server did not find by its id is answered all the same, or it would be tried for ever.
        let left = state::with(|state| state.slothint.watchers.remove(client));
        if let Some(Some(watcher)) = left {
            watcher.hold(Ctx::reply_null);
            watcher.unblock();
        }
    }
}
