//! Whom a primary serves: PSYNC and SYNC pass the command filter.
//!
//! A primary that is refused looks for no other: replicas that get NOMASTERLINK wait and ask again
//! (`slaveTryPartialResynchronization` in `replication.c`). So the refused command becomes one of
//! the module that replies with it.

use std::ffi::CStr;
use std::sync::atomic::Ordering;

use durable_failover::Position;

use super::{state, view, CLOSED, MEMBER};
use crate::ffi::{Ctx, IncomingCommand, OwnString};

/// The words after DURABLE.FAILOVER in a refused command of a replica.
pub const NOT_SERVED: [&[u8]; 2] = [b"PSYNC", b"SYNC"];

/// The reply to a refused PSYNC.
pub const REFUSAL: &CStr =
    c"NOMASTERLINK this primary does not serve this replica now (durable.failover)";

/// A client sent PSYNC or SYNC.
pub fn sent(command: &mut IncomingCommand) {
    let is_member = MEMBER.load(Ordering::Relaxed);
    let is_closed = CLOSED.load(Ordering::Relaxed);
    if (is_member || is_closed) && !serves(command) {
        command.insert_word(0, OwnString::new(b"durable.failover"));
    }
}

fn serves(command: &IncomingCommand) -> bool {
    let is_primary = state::read(|state| {
        state
            .shard
            .as_ref()
            .map(|shard| shard.member().is_primary())
    });
    match is_primary {
        // A replica serves replicas of its own as it always does.
        Some(Some(false)) => return true,
        Some(Some(true)) => {}
        // Without a readable file, only a server that is no replica is closed.
        Some(None) | None => {
            let is_replica = Ctx::detached(|ctx| !ctx.situation().is_primary());
            return is_replica.unwrap_or(false);
        }
    }
    let asked = asked(command);
    let streams = Ctx::detached(|ctx| view::streams(ctx, true)).unwrap_or_default();
    let own: Vec<Position> = streams.own.into_iter().chain(streams.former).collect();
    state::with(|state| {
        let Some(shard) = &state.shard else {
            return true;
        };
        match shard.serves(asked, &own) {
            Ok(()) => true,
            Err(acts) => {
                // A filter has no context to send messages with.
                state.later = acts;
                false
            }
        }
    })
}

/// The last position that the replica has: it asks for the byte after it. `None` for a replica
/// without data.
fn asked(command: &IncomingCommand) -> Option<Position> {
    let stream = view::stream_id(command.word(1)?)?;
    let next = std::str::from_utf8(command.word(2)?).ok()?;
    let next: u64 = next.parse().ok()?;
    Some(Position {
        stream,
        offset: next.saturating_sub(1),
    })
}
