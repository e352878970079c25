//! Refreshes the map for clients that wait for a change, and sends them the change.
//!
//! * For watchers (SLOTHINT.WATCH) a timer looks at the topology as soon as the last look is too
//!   old; with `slothint-max-age-ms 0` in every turn of the event loop. The timer is armed only
//!   while there are watchers, or a signal is due.
//! * For clients that track `__slothint__:topology` by prefix, the look is taken in the server's
//!   cron. Such clients must not prevent unloading, as an armed timer would.
//!
//! A look inside a command can show a change as well. The timer is then armed to fire in the same
//! turn.
//!
//! With `Fact::ServesUnblockedBeforeTurnEnd` watchers are released in the timer, on other servers
//! when the turn ends, for the reasons in `core/src/coordinator/turns.rs`.

use std::sync::Arc;

use durable_core::servers::Fact;
use durable_core::slot_map::{AddressFamily, Connection, SlotMap, TOPOLOGY_KEY};

use super::state::{max_age_ms, now_ms, SlotHints};
use super::{reply, state, topology};
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{Blocked, Ctx, IncomingCommand, Timer};
use crate::{facts, unserved};

/// The per-turn budget for replies to watchers, in elements of replies: a few milliseconds of work,
/// so that neither many watchers nor a large map holds up other clients.
const ELEMENTS_PER_TURN: usize = 100_000;

/// The work of unblocking a client, in elements.
const ELEMENTS_PER_CLIENT: usize = 100;

/// The per-turn budget of watchers whose timeout has passed.
const EXPIRED_PER_TURN: usize = 250;

/// With a maximum age of 0 and watchers, the timer fires in every turn. Afterwards it is armed for
/// this long: without another timer, Redis 7.0 would not sleep (`Fact::WakesAfterLastTimer`).
const BETWEEN_TURNS_MS: u64 = 1_000_000;

/// A timer that is this late was lost: timers follow the wall clock, which can be set back.
const LATE_MS: u64 = 50;

/// The event loop woke: a turn begins.
pub fn turn_begins(ctx: &Ctx) {
    let plan = state::with(|hints| {
        hints.turn = hints.turn.wrapping_add(1);
        if hints.watchers.is_empty() {
            return None;
        }
        let now = now_ms();
        let late = |&mut (_, at): &mut _| now > u64::saturating_add(at, LATE_MS);
        let lost = hints.timer.take_if(late).map(|(timer, _)| timer);
        let in_this_turn = max_age_ms() == 0 || is_release_due(hints);
        Some((in_this_turn, lost))
    });
    let Some((in_this_turn, lost)) = plan else {
        return;
    };
    if let Some(timer) = lost {
        ctx.stop_timer(timer);
    }
    if in_this_turn || lost.is_some() {
        arm_in(ctx, 0);
    }
}

/// Whether watchers have to be released: their map has changed, or their timeout has passed.
fn is_release_due(hints: &SlotHints) -> bool {
    let mut overdue = hints.watchers.expired(now_ms());
    !hints.changed.is_empty() || overdue.next().is_some()
}

/// Whether watchers are released in the timer, and not when the turn ends.
fn releases_in_timer() -> bool {
    facts::has(Fact::ServesUnblockedBeforeTurnEnd)
}

/// The event loop is about to sleep: the turn ends.
pub fn turn_ends(ctx: &Ctx) {
    let is_busy = state::with(|hints| !hints.watchers.is_empty() || hints.timer.is_some());
    if is_busy {
        if !releases_in_timer() {
            release(ctx);
        }
        arm(ctx);
    }
}

/// The server's cron ran.
pub fn cron(ctx: &Ctx) {
    if !ctx.situation().is_cluster() {
        return;
    }
    check_for_trackers(ctx);
    let due =
        state::with(|hints| hints.trackers.is_tracked() && !hints.is_current(AddressFamily::V4));
    if due {
        look_for_all(ctx);
        signal(ctx);
        wake_if_changed(ctx);
    }
}

/// A client sent CLIENT TRACKING.
pub fn tracking_sent(command: &IncomingCommand) {
    let words = (2..command.len()).filter_map(|index| command.word(index));
    let (client, now) = (command.client_id(), now_ms());
    state::with(|hints| hints.trackers.tracking_sent(client, words, now));
}

/// A client sent EXEC.
pub fn exec_sent(command: &IncomingCommand) {
    let (client, now) = (command.client_id(), now_ms());
    state::with(|hints| hints.trackers.exec_sent(client, now));
}

/// Checks whether clients track the map, whenever a check is due.
fn check_for_trackers(ctx: &Ctx) {
    if !state::with(|hints| hints.trackers.is_count_due(now_ms())) {
        return;
    }
    let prefixes = ctx.server_info(c"stats", c"tracking_total_prefixes");
    let prefixes = prefixes.and_then(|number| std::str::from_utf8(&number).ok()?.parse().ok());
    let prefixes = prefixes.unwrap_or(0);
    if state::with(|hints| hints.trackers.take_count(prefixes, now_ms())) {
        look_for_all(ctx);
        // Only maps that exist can be found to have changed, so they are built now.
        state::with(|hints| {
            for tls in [false, true] {
                let family = AddressFamily::V4;
                hints.cache.map(Connection { tls, family });
            }
        });
    }
}

/// Takes a look outside of commands. A failure is only logged, because the look is repeated later.
/// (A command whose own look fails replies with the reason.)
fn look_for_all(ctx: &Ctx) {
    if let Err(reason) = topology::look(ctx, None) {
        ctx.log_debug(&reason);
    }
}

/// Sends an invalidation message to the clients that track the map, if it has changed.
fn signal(ctx: &Ctx) {
    if state::with(|hints| std::mem::take(&mut hints.signal_due)) {
        ctx.signal_modified_key(TOPOLOGY_KEY);
    }
}

/// To be called after a look inside a command or in the cron. If the look showed a change, arms the
/// timer, which sends the change to the clients that wait for it. A command does not send it
/// itself: its own client would not get the signal if it tracks with NOLOOP.
pub fn wake_if_changed(ctx: &Ctx) {
    let wake = state::with(|hints| {
        if hints.watchers.is_empty() {
            hints.changed.clear();
        }
        hints.signal_due || !hints.changed.is_empty()
    });
    if wake {
        arm_in(ctx, 0);
    }
}

/// Arms the timer for the next look or deadline, or for a signal that is due. If there is none of
/// these, stops the timer.
pub fn arm(ctx: &Ctx) {
    let next = state::with(|hints| match next_timer_ms(hints) {
        Some(at) => Ok(at.saturating_sub(now_ms())),
        None if hints.signal_due => Ok(0),
        None => Err(hints.timer.take()),
    });
    match next {
        Ok(ms) => arm_in(ctx, ms),
        Err(Some((timer, _))) => ctx.stop_timer(timer),
        Err(None) => (),
    }
}

/// When the timer has to fire for watchers: for their next look or their first deadline, whichever
/// comes first. `None` without watchers.
fn next_timer_ms(hints: &SlotHints) -> Option<u64> {
    if hints.watchers.is_empty() {
        return None;
    }
    let deadline = hints.watchers.next_deadline_ms();
    let look = match max_age_ms() {
        0 => now_ms().saturating_add(BETWEEN_TURNS_MS),
        age => hints.cache.expires_ms(AddressFamily::V4, age).unwrap_or(0),
    };
    Some(deadline.map_or(look, |deadline| deadline.min(look)))
}

/// Arms the timer to fire in `ms` milliseconds, unless it is armed for the same or an earlier time.
fn arm_in(ctx: &Ctx, ms: u64) {
    let at = now_ms().saturating_add(ms);
    let stale = match state::with(|hints| hints.timer) {
        Some((_, armed)) if armed <= at => return,
        stale => stale,
    };
    if let Some((timer, _)) = stale {
        ctx.stop_timer(timer);
    }
    let timer = ctx.start_timer::<Refresh>(ms);
    state::with(|hints| hints.timer = Some((timer, at)));
}

/// The timer for the next look or deadline.
struct Refresh;

impl Timer for Refresh {
    fn fire(ctx: &Ctx) {
        let look = state::with(|hints| {
            hints.timer = None;
            !hints.watchers.is_empty() && !hints.is_current(AddressFamily::V4)
        });
        if look {
            look_for_all(ctx);
        }
        signal(ctx);
        if releases_in_timer() {
            release(ctx);
        }
        // Not only at the turn's end: when Redis 7.0 reports that, it has already computed how long
        // it will sleep, and a timer that is armed then fires too late.
        arm(ctx);
    }
}

/// Releases the watchers whose map has changed and those whose timeout has passed, up to the
/// per-turn budget. If any are left, wakes the event loop, and the next turn continues.
fn release(ctx: &Ctx) {
    let mut budget = ELEMENTS_PER_TURN;
    while budget > 0 {
        let Some(batch) = state::with(|hints| next_batch(hints, &mut budget)) else {
            break;
        };
        unserved::note(batch.watchers.iter().map(|&(client, _)| client));
        for (_, watcher) in batch.watchers {
            watcher.hold(|ctx| reply::map(ctx, &batch.map));
            watcher.unblock();
        }
    }
    expire(ctx);
    if state::with(|hints| is_release_due(hints)) {
        wake_event_loop();
    }
}

/// Watchers by the ids of their clients, and the map that they get.
struct Batch {
    map: Arc<SlotMap>,
    watchers: Vec<(u64, Blocked)>,
}

/// Removes watchers whose map has changed: at least one, and as many as the budget allows. Returns
/// `None` if there are none.
fn next_batch(hints: &mut SlotHints, budget: &mut usize) -> Option<Batch> {
    loop {
        let connection = *hints.changed.last()?;
        if let Some(map) = hints.cache.map(connection) {
            let each = map.reply_elements().saturating_add(ELEMENTS_PER_CLIENT);
            let limit = budget.checked_div(each).unwrap_or(1).max(1);
            let watchers = hints.watchers.take_outdated(connection, map.token(), limit);
            if !watchers.is_empty() {
                *budget = budget.saturating_sub(each.saturating_mul(watchers.len()));
                return Some(Batch { map, watchers });
            }
        }
        hints.changed.pop();
    }
}

/// Ends waits whose timeout has passed, as an operator would with CLIENT UNBLOCK. The server runs
/// their timeout callback.
fn expire(ctx: &Ctx) {
    let expired = state::with(|hints| {
        let expired = hints.watchers.expired(now_ms());
        expired.take(EXPIRED_PER_TURN).collect::<Vec<u64>>()
    });
    let waiting = ctx.waiting_here(&expired);
    for client in expired {
        waiting.end_as_timed_out(client);
        // If the server did not find the client, the watcher is still here. It is released with
        // nil. Otherwise every turn would try to end its wait again.
        if let Some(watcher) = state::with(|hints| hints.watchers.remove(client)) {
            watcher.hold(Ctx::reply_null);
            watcher.unblock();
        }
    }
}
