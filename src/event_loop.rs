//! Whether the module hears the turns of the server's event loop.
//!
//! The server tells a module two events in each turn, which costs a lone client of plain commands a
//! fifth of its throughput. So the module hears turns only while they are needed: from a command
//! that needs them on, until nothing has needed them for a second. The cron, which the module
//! always hears, ends the subscription, and begins it if something needs turns that no command
//! began.
//!
//! The first command after a quiet time does not know in which part of a turn it runs. So it has to
//! wake the event loop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::ffi::Ctx;

/// The module hears turns.
static HEARS: AtomicBool = AtomicBool::new(false);
/// A turn has begun since the module hears turns.
static TURN_BEGAN: AtomicBool = AtomicBool::new(true);
/// Something has needed turns since the last cron.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// How many crons have run since something needed turns.
static QUIET: AtomicU64 = AtomicU64::new(0);

/// The module was loaded and hears turns.
pub fn load() {
    HEARS.store(true, Ordering::Relaxed);
    TURN_BEGAN.store(true, Ordering::Relaxed);
    ACTIVE.store(true, Ordering::Relaxed);
    QUIET.store(0, Ordering::Relaxed);
}

/// Turns are needed from now on. Returns true if the module has not heard the beginning of this
/// one.
pub fn hear(ctx: &Ctx) -> bool {
    ACTIVE.store(true, Ordering::Relaxed);
    if !HEARS.load(Ordering::Relaxed) {
        begin(ctx);
    }
    !TURN_BEGAN.load(Ordering::Relaxed)
}

/// The module has heard that a turn begins.
pub fn turn_begins() {
    TURN_BEGAN.store(true, Ordering::Relaxed);
}

/// The server's cron ran; it runs `hz` times a second. `needed` is true while turns are needed.
pub fn cron(ctx: &Ctx, hz: u64, needed: bool) {
    let active = ACTIVE.swap(false, Ordering::Relaxed);
    if needed || active {
        QUIET.store(0, Ordering::Relaxed);
        if !HEARS.load(Ordering::Relaxed) {
            begin(ctx);
        }
    } else if HEARS.load(Ordering::Relaxed) {
        let quiet = QUIET.load(Ordering::Relaxed).saturating_add(1);
        QUIET.store(quiet, Ordering::Relaxed);
        if quiet >= hz {
            HEARS.store(false, Ordering::Relaxed);
            ctx.ignore_turns();
            ctx.log_debug("no longer hears the turns of the event loop");
        }
    }
}

fn begin(ctx: &Ctx) {
    match ctx.hear_turns() {
        Ok(()) => {
            HEARS.store(true, Ordering::Relaxed);
            TURN_BEGAN.store(false, Ordering::Relaxed);
            ctx.log_debug("hears the turns of the event loop");
        }
        // The next cron tries again.
        Err(why) => ctx.log_warning(&why),
    }
}
