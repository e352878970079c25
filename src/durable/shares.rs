//! `durable.max-waiters-per-user`: so many waits of one user at once.
//!
//! Nothing is counted while the setting is 0. When it is set, waits that are there already are
//! attributed to their users by the first command that is to wait after that.

use durable_core::stats::bump;

use super::admission::Refusal;
use crate::ffi::Ctx;
use crate::state;

/// Refuses a command whose user has as many waits already as its share is.
pub fn admit(ctx: &Ctx, client: u64) -> Result<(), Refusal> {
    let share = state::with(|state| state.config.max_waiters_per_user);
    let Some(share) = share.filter(|&share| share > 0) else {
        return Ok(());
    };
    for client in state::with(|state| state.ledger.unattributed()).unwrap_or_default() {
        attribute(ctx, client);
    }
    let user = ctx.user_name(client);
    let waiting = state::with(|state| {
        let waiting = state.ledger.waits_of(&user);
        let full = waiting >= share;
        if full {
            bump(&mut state.stats.counters.overloaded);
        }
        full.then_some(waiting)
    });
    match waiting.flatten() {
        Some(waiting) => Err(Refusal::ShareUsedUp { waiting }),
        None => Ok(()),
    }
}

/// A client has begun to wait.
pub fn begun(ctx: &Ctx, client: u64) {
    if state::with(|state| state.config.max_waiters_per_user > 0) == Some(true) {
        attribute(ctx, client);
    }
}

fn attribute(ctx: &Ctx, client: u64) {
    let user = ctx.user_name(client);
    state::with(|state| state.ledger.attribute(client, &user));
}
