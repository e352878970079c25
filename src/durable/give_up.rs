//! Gives up overdue and lost waits (`core/src/coordinator/outcomes.rs` defines both). Each kind has
//! a budget. If waits are left, the module wakes the event loop, and the next turn continues.
//!
//! The module ends each wait as an operator would with CLIENT UNBLOCK. The server drops the reply
//! that it holds. After a timeout or a failure of the cluster the callback of the wait replies
//! UNACKED. After a demotion the server replies UNBLOCKED.

use durable_core::ledger::{Loss, WaitId};

use super::state::coordinator;
use crate::clock;
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::Ctx;

/// Gives up overdue and lost waits, each up to its budget.
pub fn give_up(ctx: &Ctx) {
    let now = clock::now();
    if !coordinator(|coordinator| coordinator.may_have_to_give_up(now)) {
        return;
    }
    end_overdue(ctx, coordinator(|coordinator| coordinator.overdue(now)));
    end_lost(ctx, coordinator(|coordinator| coordinator.take_lost()));
    if coordinator(|coordinator| coordinator.has_more_to_give_up(now)) {
        wake_event_loop();
    }
}

fn end_overdue(ctx: &Ctx, overdue: Vec<WaitId>) {
    if overdue.is_empty() {
        return;
    }
    let waiting = ctx.waiting_here(&overdue);
    for client in overdue {
        if !waiting.end_as_timed_out(client) {
            coordinator(|coordinator| coordinator.cannot_end(client));
        }
    }
}

/// Ends lost waits. After a failure of the cluster the client gets UNACKED.
///
/// After a demotion the client gets the error UNBLOCKED. Redis replies it to all waiting clients
/// before it reports the new role. Valkey leaves some of them to the module: clients that accept
/// redirections, and from Valkey 9 on all clients of a cluster.
fn end_lost(ctx: &Ctx, lost: Vec<(WaitId, Loss)>) {
    if lost.is_empty() {
        return;
    }
    let clients: Vec<WaitId> = lost.iter().map(|&(client, _)| client).collect();
    let waiting = ctx.waiting_here(&clients);
    for (client, loss) in lost {
        // If the server does not find the client, the wait stays. If the wait has a deadline, the
        // module tries once more then.
        match loss {
            Loss::Stream => waiting.end_with_error(client),
            Loss::Cluster => waiting.end_as_timed_out(client),
        };
    }
}
