//! Hearing of CONFIG RESETSTAT, so that the module's own counters are reset with the server's. The
//! rules are in `core/resets.rs`: a command that was heard is only a reason to look at the server's
//! counters.
//!
//! A look is INFO of one section, some ten microseconds, and of the commands' own where a
//! transaction is looked at. It is taken when such a command is heard, before whatever can happen
//! next, and in INFO. What can happen next is another command, the turn's end, and each end of a
//! wait.

use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::resets::{calls, Marks, Resets};

use crate::ffi::{Ctx, IncomingCommand};
use crate::state;

/// The next command that is heard is to be preceded by a look. It stands outside the state because
/// every command of every client asks for it.
static LOOK_BEFORE_THE_NEXT: AtomicBool = AtomicBool::new(false);

/// A command is about to be executed.
pub fn before_command() {
    if LOOK_BEFORE_THE_NEXT.load(Ordering::Relaxed) {
        LOOK_BEFORE_THE_NEXT.store(false, Ordering::Relaxed);
        Ctx::detached(settle);
    }
}

/// A client sends `CONFIG RESETSTAT`.
pub fn asked(command: &IncomingCommand) {
    state::with(|state| state.resets.asks(command.client_id()));
    expect();
}

/// A client sends EXEC.
pub fn queue_executed(command: &IncomingCommand) {
    if state::with(|state| state.resets.executes(command.client_id())) == Some(true) {
        expect();
    }
}

/// Takes the look that the next one is compared with.
fn expect() {
    Ctx::detached(look);
    LOOK_BEFORE_THE_NEXT.store(true, Ordering::Relaxed);
}

/// A wait is about to end, which is counted. A transaction may be in its midst, so nothing is
/// settled.
pub fn before_counting(ctx: &Ctx) {
    if is_pending() {
        look(ctx);
    }
}

fn is_pending() -> bool {
    state::with(|state| state.resets.is_pending()) == Some(true)
}

/// The turn ends, or a command does: what was heard has had its effect, or none.
pub fn settle(ctx: &Ctx) {
    if !is_pending() {
        return;
    }
    let paused = ctx.is_traffic_paused();
    let Some(now) = marks(ctx) else {
        // It would be asked for again in every turn.
        state::with(|state| state.resets = Resets::default());
        return;
    };
    let reset = state::with(|state| state.resets.settle(now, paused));
    begin_anew_if(reset);
}

/// Whether the server was reset since the last look.
pub fn look(ctx: &Ctx) {
    if let Some(now) = marks(ctx) {
        let reset = state::with(|state| state.resets.observe(now));
        begin_anew_if(reset);
    }
}

fn begin_anew_if(reset: Option<bool>) {
    if reset == Some(true) {
        state::with(|state| {
            let waiting = state.ledger.len();
            state.stats.reset(waiting);
            state.slothint.reset_figures();
            state.replicas.statistics_reset();
        });
    }
}

/// The server's counters. None where it does not show them.
fn marks(ctx: &Ctx) -> Option<Marks> {
    let commands = ctx.server_info(c"stats", c"total_commands_processed")?;
    let commands = std::str::from_utf8(&commands).ok()?.parse().ok()?;
    let transactions = state::with(|state| state.resets.needs_transactions())?.then(|| {
        // A command without calls is not listed.
        let text = ctx.server_info(c"commandstats", c"cmdstat_multi");
        text.map_or(Some(0), |text| calls(&text))
    });
    Some(Marks {
        commands,
        transactions: transactions.flatten(),
    })
}
