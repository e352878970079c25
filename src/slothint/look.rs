//! The look at the topology: two calls, safe inside and outside command handlers, on every server.

use std::ffi::CStr;
use std::sync::Arc;

use durable_core::servers::Fact;
use durable_core::slot_map::{Connection, Family, SlotMap};
use durable_core::topology::{Endpoints, Preferred, Topology};

use super::{moment, rhythm};
use crate::ffi::{CallReply, Ctx};
use crate::state;

/// The map for a connection of that kind, from a look that is still current or else a new one.
///
/// # Errors
/// The error to reply with: the server's own where it gave one, as with cluster mode off.
pub fn map_for(ctx: &Ctx, connection: Connection) -> Result<Arc<SlotMap>, String> {
    let is_current = state::with(|state| {
        let now = moment(state);
        let max_age_ms = state.config.slothint_max_age_ms;
        let cache = &state.slothint.cache;
        cache.is_current(connection.family, now, max_age_ms)
    });
    if is_current != Some(true) {
        look(ctx, Some(connection))?;
        rhythm::wake_if_changed(ctx);
    }
    state::with(|state| state.slothint.cache.map(connection))
        .flatten()
        .ok_or_else(|| "ERR redis-durable is not loaded".into())
}

/// Takes a look for a command whose client knows more than the map does, unless there was one in
/// this turn of the event loop: no number of such commands makes for more than one.
///
/// # Errors
/// As [`map_for`].
pub fn once_a_turn(ctx: &Ctx, connection: Connection) -> Result<(), String> {
    const THIS_TURN: u64 = 0;
    let had_one = state::with(|state| {
        let now = moment(state);
        let cache = &state.slothint.cache;
        cache.is_current(connection.family, now, THIS_TURN)
    });
    if had_one != Some(true) {
        look(ctx, Some(connection))?;
        rhythm::wake_if_changed(ctx);
    }
    Ok(())
}

/// Takes a look: inside a command as its client, since Valkey shows each client the addresses that are announced to
/// its family; elsewhere as nobody, who counts as [`Family::V4`].
///
/// # Errors
/// As [`map_for`].
pub fn look(ctx: &Ctx, asker: Option<Connection>) -> Result<(), String> {
    if state::with(|state| state.facts.has(Fact::TopologyCrashesCalls)) == Some(true) {
        return Err("ERR slot hints need Valkey 8.0.1 or later, earlier ones crash".into());
    }
    // The two replies agree, because nothing else runs between the calls.
    let shards = ask(ctx, c"SHARDS")?;
    let nodes = ask(ctx, c"NODES")?;
    let endpoints = || Endpoints {
        preferred: match setting(ctx, c"cluster-preferred-endpoint-type").as_deref() {
            Some(b"hostname") => Preferred::HostName,
            Some(b"unknown-endpoint") => Preferred::Unknown,
            _ => Preferred::Ip,
        },
        tls: asker.map_or_else(
            || setting(ctx, c"tls-cluster").as_deref() == Some(b"yes"),
            |asker| asker.tls,
        ),
    };
    let topology = Topology::read(shards.protocol(), nodes.protocol(), endpoints)
        .map_err(|unreadable| format!("ERR {unreadable}"))?;
    let family = asker.map_or(Family::V4, |asker| asker.family);
    state::with(|state| {
        let now = moment(state);
        let hints = &mut state.slothint;
        let changed = hints.cache.accept(topology, family, now);
        hints.signal_due |= !changed.is_empty() && hints.trackers.is_possible(now.ms);
        for connection in changed {
            if !hints.changed.contains(&connection) {
                hints.changed.push(connection);
            }
        }
    });
    Ok(())
}

/// One of the server's own settings.
fn setting(ctx: &Ctx, name: &CStr) -> Option<Vec<u8>> {
    let reply = ctx.ask(c"CONFIG", &[c"GET", name])?;
    let value = reply.root().get(1)?.bytes()?.to_vec();
    Some(value)
}

fn ask<'ctx>(ctx: &'ctx Ctx, what: &CStr) -> Result<CallReply<'ctx>, String> {
    let reply = ctx
        .ask(c"CLUSTER", &[what])
        .ok_or("ERR the server has no CLUSTER command")?;
    match reply.error() {
        Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
        None => Ok(reply),
    }
}
