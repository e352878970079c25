//! Looks at the topology by `CLUSTER SHARDS` and `CLUSTER NODES`. Both calls are safe inside and
//! outside of command handlers, except on servers with `Fact::TopologyCrashesCalls`.

use std::ffi::CStr;

use durable_core::servers::Fact;
use durable_core::slot_map::{AddressFamily, Connection};
use durable_core::topology::{PreferredEndpoint, Topology};

use super::state;
use crate::facts;
use crate::ffi::{CallReply, Ctx};

/// Looks at the topology, and notes the kinds of connection whose map has changed.
///
/// `client` is the connection of the command that runs, `None` outside of commands. Valkey shows
/// each client the addresses that are announced to its address family. Outside of commands these
/// are the addresses for [`AddressFamily::V4`].
///
/// # Errors
/// The error to reply with. If the server replied with an error, for example because cluster mode
/// is off, it is that error.
pub fn look(ctx: &Ctx, client: Option<Connection>) -> Result<(), String> {
    if facts::has(Fact::TopologyCrashesCalls) {
        return Err("ERR slot hints need Valkey 8.0.1 or later, earlier ones crash".into());
    }
    // No other code runs between the calls, so the replies agree.
    let shards = ask(ctx, c"SHARDS")?;
    let nodes = ask(ctx, c"NODES")?;
    let preferred = ctx.setting(c"cluster-preferred-endpoint-type");
    let preferred = preferred.map(|value| match value.as_slice() {
        b"hostname" => PreferredEndpoint::HostName,
        b"unknown-endpoint" => PreferredEndpoint::Unknown,
        _ => PreferredEndpoint::Ip,
    });
    let has_tls_ports = || {
        client.map_or_else(
            || ctx.setting(c"tls-cluster").as_deref() == Some(b"yes"),
            |client| client.tls,
        )
    };
    let topology = Topology::read(
        shards.protocol(),
        nodes.protocol(),
        preferred,
        has_tls_ports,
    )
    .map_err(|unreadable| format!("ERR {unreadable}"))?;
    let family = client.map_or(AddressFamily::V4, |client| client.family);
    state::with(|hints| {
        let now = hints.moment();
        let changed = hints.cache.take_look(topology, family, now);
        hints.signal_due |= !changed.is_empty() && hints.trackers.is_possible(now.ms);
        for connection in changed {
            if !hints.changed.contains(&connection) {
                hints.changed.push(connection);
            }
        }
    });
    Ok(())
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
