//! Releases waits: the server sends each client the reply that it has held.

use durable_core::ledger::{Wait, WaitId};
use durable_core::units::{Micros, Offset};

use super::latency;
use super::state::coordinator;
use super::waiter::{Answer, Waiter};
use crate::ffi::Ctx;
use crate::unserved;

/// Unblocks the clients of released waits. `longest` is the longest time that one of them waited.
pub fn release(ctx: &Ctx, released: Vec<(WaitId, Wait<Waiter>)>, longest: Micros) {
    unserved::note(released.iter().map(|&(client, _)| client));
    latency::record(ctx, longest);
    for (_, wait) in released {
        if wait.payload.answer == Answer::Count {
            let offset = wait.offset.unwrap_or(Offset::MAX);
            let count = coordinator(|coordinator| coordinator.acks().acknowledged(offset));
            wait.payload.handle.hold_integer(count.into());
        }
        wait.payload.handle.unblock();
    }
}
