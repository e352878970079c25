//! Detects CONFIG RESETSTAT, which resets the module's counters together with the server's.
//!
//! No event reports the reset. The command filter sees the command, but the command may be refused
//! or queued. The server's own counters prove the reset. `core/src/resets.rs` has the rules; this
//! file reads the counters.
//!
//! The counters are read when CONFIG RESETSTAT is seen, and again before anything else can be
//! counted: at the next command, the end of a wait, the turn's end, or INFO. A reading is INFO of
//! one section and takes some ten microseconds. For a transaction it is INFO of two sections.
//!
//! Code that keeps counters compares [`count`] with the last count that it has seen, and resets its
//! counters if they differ: see `durable/state.rs`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use durable_core::resets::{calls, Resets, ServerCounters};
use lazy_static::lazy_static;

use crate::ffi::main_thread::MainThread;
use crate::ffi::{Ctx, IncomingCommand};

lazy_static! {
    static ref RESETS: MainThread<Resets> = MainThread::new();
}

/// How often the statistics were reset. Only the main thread writes it.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// True if the counters have to be read before the next command. This is not part of `RESETS`,
/// because every command of every client reads it.
static READ_BEFORE_NEXT: AtomicBool = AtomicBool::new(false);

/// Starts without a pending reset.
pub fn load() {
    RESETS.set(Resets::default());
}

/// Frees the memory.
pub fn unload() {
    RESETS.clear();
}

/// How often the statistics were reset since the library was loaded.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Whether the counters have to be read before the next command.
pub fn reads_before_next() -> bool {
    READ_BEFORE_NEXT.load(Ordering::Relaxed)
}

/// A command is about to be executed.
pub fn before_command() {
    if READ_BEFORE_NEXT.load(Ordering::Relaxed) {
        READ_BEFORE_NEXT.store(false, Ordering::Relaxed);
        Ctx::detached(settle);
    }
}

/// A client sent `CONFIG RESETSTAT`.
pub fn reset_sent(command: &IncomingCommand) {
    RESETS.with(|resets| resets.resetstat_sent(command.client_id()));
    await_reset();
}

/// A client sent EXEC.
pub fn exec_sent(command: &IncomingCommand) {
    if RESETS.with(|resets| resets.exec_sent(command.client_id())) {
        await_reset();
    }
}

/// A client left.
pub fn client_left(client: u64) {
    RESETS.with(|resets| resets.client_left(client));
}

/// Reads the counters now, for comparison with the next reading.
fn await_reset() {
    Ctx::detached(read);
    READ_BEFORE_NEXT.store(true, Ordering::Relaxed);
}

/// Something is about to be counted. This can happen in the middle of a transaction, so a pending
/// reset stays pending.
pub fn before_counting(ctx: &Ctx) {
    if is_pending() {
        read(ctx);
    }
}

/// Whether a CONFIG RESETSTAT was seen that may still take effect.
pub fn is_pending() -> bool {
    RESETS.with(|resets| resets.is_pending())
}

/// A turn or a command has ended. On a paused server a pending CONFIG RESETSTAT may still be
/// deferred. Otherwise it has taken effect by now, or never will.
pub fn settle(ctx: &Ctx) {
    if !is_pending() {
        return;
    }
    let paused = ctx.is_traffic_paused();
    match server_counters(ctx) {
        Some(now) => count_if(RESETS.with(|resets| resets.command_done(now, paused))),
        // The server does not show its counters, so the pending reset is dropped. Otherwise every
        // turn would try again.
        None => RESETS.with(|resets| *resets = Resets::default()),
    }
}

/// Reads the counters, and counts a reset if they prove one.
pub fn read(ctx: &Ctx) {
    if let Some(now) = server_counters(ctx) {
        count_if(RESETS.with(|resets| resets.observe(now)));
    }
}

fn count_if(reset: bool) {
    if reset {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

/// The server's counters. `None` if it does not show them.
fn server_counters(ctx: &Ctx) -> Option<ServerCounters> {
    let commands = ctx.server_info(c"stats", c"total_commands_processed")?;
    let commands = std::str::from_utf8(&commands).ok()?.parse().ok()?;
    let needs_multi_calls = RESETS.with(|resets| resets.needs_multi_calls());
    let transactions = needs_multi_calls.then(|| {
        // A command without calls is not listed.
        let text = ctx.server_info(c"commandstats", c"cmdstat_multi");
        text.map_or(Some(0), |text| calls(&text))
    });
    Some(ServerCounters {
        commands,
        transactions: transactions.flatten(),
    })
}
