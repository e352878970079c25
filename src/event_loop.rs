//! Whether the module hears the turns of the server's event loop.
//!
//! The server tells a module two events in each turn, and makes a context for each. For a lone
//! client of plain commands that would be a fifth of the work, and for one of durable writes a
//! tenth. So the module hears turns only while they are needed:
//!
//! * It **begins** with a command that needs turns, and with a replica that introduces itself. The
//!   cron begins if something needs turns that no command began.
//! * It **ends** when the server serves a released client and nothing needs turns any more, on
//!   servers where that is safe ([`released_were_served`]). Otherwise the cron ends it after a second
//!   in which nothing has needed turns.
//!
//! The first command after a time without turns does not know in which part of a turn it runs. On
//! servers that run commands after they have told the end of the turn, it has to wake the event
//! loop ([`hear`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::OnceLock;

use durable_core::servers::Fact;

use crate::facts;
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{own_context, Ctx};

/// Whether something needs turns now.
static NEEDED: OnceLock<fn() -> bool> = OnceLock::new();
/// The module hears turns.
static HEARS: AtomicBool = AtomicBool::new(false);
/// A turn has begun since the module hears turns.
static TURN_BEGAN: AtomicBool = AtomicBool::new(true);
/// How often the module has begun to hear turns.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// A command has needed turns since the last cron.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// How many crons have run since something needed turns.
static QUIET: AtomicU64 = AtomicU64::new(0);
/// All commands run before the server tells the end of their turn.
static RUNS_NONE_LATE: AtomicBool = AtomicBool::new(false);
/// A setting of the server has changed, perhaps the number of its I/O threads.
static THREADS_UNKNOWN: AtomicBool = AtomicBool::new(true);

/// The module was loaded and hears turns. `needed` says whether something needs them.
pub fn load(ctx: &Ctx, needed: fn() -> bool) {
    // The function is the same at each load.
    let _ = NEEDED.set(needed);
    HEARS.store(true, Ordering::Relaxed);
    TURN_BEGAN.store(true, Ordering::Relaxed);
    ACTIVE.store(true, Ordering::Relaxed);
    QUIET.store(0, Ordering::Relaxed);
    look_up_threads(ctx);
}

/// Turns are needed from now on. Returns true if the caller has to wake the event loop: the module
/// has not heard the beginning of this turn, and its end may be over.
pub fn hear(ctx: &Ctx) -> bool {
    ACTIVE.store(true, Ordering::Relaxed);
    if !HEARS.load(Ordering::Relaxed) {
        begin(ctx);
    }
    !TURN_BEGAN.load(Ordering::Relaxed) && !RUNS_NONE_LATE.load(Ordering::Relaxed)
}

/// As [`hear`], in a command filter: a replica introduces itself. Its link may be gone before the
/// next cron, and the module has to have seen it.
pub fn hear_in_filter() {
    if own_context::with(hear).unwrap_or(false) {
        wake_event_loop();
    }
}

/// How often the module has begun to hear turns. Turns have passed unheard between two calls that
/// return different numbers.
pub fn begun() -> u64 {
    BEGUN.load(Ordering::Relaxed)
}

/// The module has heard that a turn begins.
pub fn turn_begins() {
    TURN_BEGAN.store(true, Ordering::Relaxed);
}

/// The server serves clients that were released. If nothing needs turns any more, the module stops
/// to hear them, and this returns true. To be called only where [`Ctx::ignore_turns`] may be.
///
/// Not where the server runs commands after the end of the turn: the next command would have to
/// wake the event loop, which costs more than two events.
pub fn released_were_served(ctx: &Ctx) -> bool {
    let ends =
        HEARS.load(Ordering::Relaxed) && RUNS_NONE_LATE.load(Ordering::Relaxed) && !is_needed();
    if ends {
        end(ctx);
    }
    ends
}

/// The server's cron ran; it runs `hz` times a second.
pub fn cron(ctx: &Ctx, hz: u64) {
    if THREADS_UNKNOWN.load(Ordering::Relaxed) {
        look_up_threads(ctx);
    }
    let active = ACTIVE.swap(false, Ordering::Relaxed);
    let needed = is_needed();
    if needed && !HEARS.load(Ordering::Relaxed) {
        begin(ctx);
    }
    if needed || active {
        QUIET.store(0, Ordering::Relaxed);
        return;
    }
    let quiet = QUIET.load(Ordering::Relaxed).saturating_add(1);
    QUIET.store(quiet, Ordering::Relaxed);
    if quiet >= hz && HEARS.load(Ordering::Relaxed) {
        end(ctx);
    }
    if quiet == hz {
        ctx.log_debug("no longer hears the turns of the event loop");
    }
}

/// A setting of the server changed.
pub fn config_changed() {
    THREADS_UNKNOWN.store(true, Ordering::Relaxed);
    RUNS_NONE_LATE.store(false, Ordering::Relaxed);
}

/// Finds out whether commands may run after the server has told the end of their turn. Redis 7.0
/// runs those of clients that it has just unblocked. Valkey runs those that I/O threads have read
/// meanwhile (`processIOThreadsReadDone` in `beforeSleep`).
fn look_up_threads(ctx: &Ctx) {
    THREADS_UNKNOWN.store(false, Ordering::Relaxed);
    let serves_before = facts::has(Fact::ServesUnblockedBeforeTurnEnd);
    let threads = serves_before
        .then(|| ctx.ask(c"CONFIG", &[c"GET", c"io-threads"]))
        .flatten()
        .and_then(|reply| reply.root().get(1)?.number());
    RUNS_NONE_LATE.store(threads == Some(1), Ordering::Relaxed);
}

fn is_needed() -> bool {
    NEEDED.get().is_none_or(|needed| needed())
}

fn begin(ctx: &Ctx) {
    match ctx.hear_turns() {
        Ok(()) => {
            HEARS.store(true, Ordering::Relaxed);
            TURN_BEGAN.store(false, Ordering::Relaxed);
            BEGUN.fetch_add(1, Ordering::Relaxed);
        }
        // The next cron tries again.
        Err(why) => ctx.log_warning(&why),
    }
}

fn end(ctx: &Ctx) {
    HEARS.store(false, Ordering::Relaxed);
    ctx.ignore_turns();
}
