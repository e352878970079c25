//! Giving up waits: those whose time is over, and those that are lost.
//!
//! The server is asked to do it, so that to it this is the same as an operator's CLIENT UNBLOCK: it
//! runs the wait's callback, which replies, and drops the reply that it holds. It is done in
//! portions, a turn of the event loop each.

use durable_core::ledger::{Loss, WaitId};

use super::turn;
use crate::ffi::Ctx;
use crate::state;

/// So many waits whose time is over are given up in one turn at the most: a few milliseconds of
/// work, so that a host of them does not hold up the rest.
pub const IN_ONE_TURN: usize = 250;

/// So many that are lost: as many as may wait by default. The server would answer them CLUSTERDOWN,
/// which sends a write twice, and is to be the second. It ends all blocked clients at once itself
/// when it is demoted.
const LOST_IN_ONE_TURN: usize = 10_000;

/// Gives up what has to be given up, as much of it as one turn bears. The rest has the next turn,
/// which begins at once.
pub fn give_up(ctx: &Ctx) {
    let overdue = expire(ctx);
    let lost = end_lost(ctx);
    if overdue || lost {
        turn::wake();
    }
}

/// Gives up waits whose time is over; true if more are left.
fn expire(ctx: &Ctx) -> bool {
    let expired = state::with(|state| {
        let expired = state.ledger.expired(state.now());
        expired.take(IN_ONE_TURN).collect::<Vec<WaitId>>()
    });
    let expired = expired.unwrap_or_default();
    let waiting = ctx.waiting_here(&expired);
    for client in expired {
        if !waiting.end_as_timed_out(client) {
            // A client that the server cannot find by its id cannot be told. It must not be told
            // that its write is safe either, so it goes on waiting.
            state::with(|state| state.ledger.forget_deadline(client));
        }
    }
    state::with(|state| state.ledger.expired(state.now()).next().is_some()) == Some(true)
}

/// Ends waits that are lost; true if more are left.
///
/// Where this server stopped being a primary, the client is turned away. Redis does so by itself,
/// before it tells of the new role. Valkey 9 does not in cluster mode, where it would redirect
/// clients that wait for keys, nor otherwise for clients that take redirections. Where the cluster
/// has failed, the wait is given up.
fn end_lost(ctx: &Ctx) -> bool {
    let lost = state::with(|state| {
        let next = std::iter::from_fn(|| state.ledger.next_lost());
        next.take(LOST_IN_ONE_TURN).collect::<Vec<(WaitId, Loss)>>()
    });
    let lost = lost.unwrap_or_default();
    let clients: Vec<WaitId> = lost.iter().map(|&(client, _)| client).collect();
    let waiting = ctx.waiting_here(&clients);
    for (client, loss) in lost {
        state::with(|state| state.ending = Some(loss));
        // One that the server does not find is not told that its write is safe: its deadline ends
        // it.
        match loss {
            Loss::Stream => waiting.end_with_error(client),
            Loss::Cluster => waiting.end_as_timed_out(client),
        };
    }
    state::with(|state| {
        state.ending = None;
        state.ledger.has_lost()
    }) == Some(true)
}
