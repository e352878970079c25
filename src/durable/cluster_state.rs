//! A cluster that fails while clients wait.
//!
//! Redis then answers waiting clients CLUSTERDOWN, which cluster clients take for "not executed", and send the command
//! again. So the module looks at the cluster's state just before the server does, and gives the waits up first. Valkey
//! leaves such clients waiting; they are told the same.
//!
//! The server visits its clients at the beginning of its cron. The state changes at the end of that, or when a turn of
//! the event loop ends. A timer of no time fires before the cron of the same turn, because the event loop has its latest
//! timer first.
//!
//! | when | why then |
//! |---|---|
//! | the end of the server's cron | the state may have changed in it, and most of a period is left to give up many waits |
//! | the timer of a turn in which the cron is due | whatever has changed since |
//!
//! Nobody looks while nobody waits, nor outside of cluster mode.

use durable_core::ledger::Loss;

use super::give_up::give_up;
use super::turn;
use crate::ffi::Ctx;
use crate::state;

/// The cron counts as due so many microseconds before it is: what the timer still has to do takes
/// its time.
const EARLY: u64 = 2000;

/// The server's cron has run, as it does so many times a second.
pub fn cron(ctx: &Ctx, hz: u64) {
    state::with(|state| {
        // As the server reckons it.
        let period_ms = 1000_u64.checked_div(hz).unwrap_or(0);
        state.next_cron = state.now().saturating_add(period_ms.saturating_mul(1000));
    });
    if is_lost(ctx) {
        turn::wake();
    }
}

/// To be called from a timer, before waits are released: those that are released now are still
/// visited by the cron of this turn. True if the cluster has failed; then waits have been given up,
/// as many as one turn bears.
pub fn before_cron(ctx: &Ctx) -> bool {
    let due = state::with(|state| state.now().saturating_add(EARLY) >= state.next_cron);
    let lost = due == Some(true) && is_lost(ctx);
    if lost {
        give_up(ctx);
    }
    lost
}

/// Looks whether the cluster has failed while somebody waits.
fn is_lost(ctx: &Ctx) -> bool {
    let look = state::with(|state| state.is_cluster && !state.ledger.is_empty());
    if look != Some(true) || !has_failed(ctx) {
        return false;
    }
    state::with(|state| state.ledger.lose(Loss::Cluster));
    true
}

/// Some ten microseconds, however large the cluster is.
fn has_failed(ctx: &Ctx) -> bool {
    let reply = ctx.ask(c"CLUSTER", &[c"INFO"]);
    let text = reply.as_ref().and_then(|reply| reply.root().bytes());
    let mut lines = text.unwrap_or_default().split(|&byte| byte == b'\n');
    lines.any(|line| line.trim_ascii() == b"cluster_state:fail")
}
