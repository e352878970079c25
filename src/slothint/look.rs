//! The look at the topology: two calls, safe inside and outside command handlers, on every server.

use std::sync::Arc;

use durable_core::slot_map::{Connection, Family, SlotMap};
use durable_core::topology::Topology;

use super::{is_current, moment, rhythm};
use crate::ffi::Ctx;
use crate::state;

/// The map for a connection of that kind, from a look that is still current or else a new one.
///
/// # Errors
/// The error to reply with: the server's own where it gave one, as with cluster mode off.
pub fn map_for(ctx: &Ctx, connection: Connection) -> Result<Arc<SlotMap>, String> {
    if state::with(|state| is_current(state, connection.family)) != Some(true) {
        look(ctx, connection.family)?;
        rhythm::wake_if_changed(ctx);
    }
    state::with(|state| state.slothint.cache.map(connection))
        .flatten()
        .ok_or_else(|| "ERR redis-durable is not loaded".into())
}

/// Takes a look, for connections of that family: inside a command that of its client, since Valkey
/// shows each client the addresses that are announced to its family; elsewhere always [`Family::V4`].
///
/// # Errors
/// As [`map_for`].
pub fn look(ctx: &Ctx, family: Family) -> Result<(), String> {
    // The two replies agree, because nothing else runs between the calls.
    let shards = ask(ctx, c"SHARDS")?;
    let nodes = ask(ctx, c"NODES")?;
    let topology = Topology::read(shards.protocol(), nodes.protocol())
        .map_err(|unreadable| format!("ERR {unreadable}"))?;
    state::with(|state| {
        let now = moment(state);
        let hints = &mut state.slothint;
        let changed = hints.cache.accept(topology, family, now);
        hints.signal_due |= hints.tracked && !changed.is_empty();
        for connection in changed {
            if !hints.changed.contains(&connection) {
                hints.changed.push(connection);
            }
        }
    });
    Ok(())
}

fn ask<'ctx>(ctx: &'ctx Ctx, what: &std::ffi::CStr) -> Result<crate::ffi::CallReply<'ctx>, String> {
    let reply = ctx
        .ask(c"CLUSTER", &[what])
        .ok_or("ERR the server has no CLUSTER command")?;
    match reply.error() {
        Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
        None => Ok(reply),
    }
}
