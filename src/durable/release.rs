//! Releases waits: each client gets its reply.

use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::common_reply::CommonReply;
use durable_core::ledger::Released;
use durable_core::units::{Micros, Offset};

use super::latency;
use super::state::{self, coordinator};
use super::waiter::{Answer, Waiter};
use crate::ffi::Ctx;
use crate::unserved;

/// Waits were released, and none of their clients was served since.
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Whether waits were released, and no client was served since.
pub fn is_released() -> bool {
    RELEASED.load(Ordering::Relaxed)
}

/// True once after waits were released.
pub fn take_released() -> bool {
    RELEASED.swap(false, Ordering::Relaxed)
}

/// Unblocks the clients of released waits. `longest` is the longest time that one of them waited.
pub fn release(ctx: &Ctx, released: Released<Waiter>, longest: Micros) {
    unserved::note(released.iter().map(|&(client, _)| client));
    latency::record(ctx, longest);
    serve(released);
}

/// Releases the waits that an acknowledgement has satisfied, which the command filter has just
/// heard. A filter has no context.
pub fn release_in_filter(now: Micros) {
    let actions = coordinator(|coordinator| coordinator.release_heard(now));
    state::note_released_in_filter(actions.longest);
    serve(actions.released);
}

fn serve(released: Released<Waiter>) {
    RELEASED.store(true, Ordering::Relaxed);
    for (_, wait) in released {
        let Waiter { handle, answer } = wait.payload;
        match answer {
            Answer::Held => handle.unblock(),
            Answer::Common(reply) => handle.unblock_with(reply),
            Answer::Count => {
                let offset = wait.offset.unwrap_or(Offset::MAX);
                let count = coordinator(|coordinator| coordinator.acks().acknowledged(offset));
                handle.unblock_with(CommonReply::Integer(count.into()));
            }
        }
    }
}
