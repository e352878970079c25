//! Finds the kind of the connection that sent a command: TLS or not, and its address family. The
//! hosts and ports of a slot hint depend on it.

use durable_core::client_list::ClientLine;
use durable_core::servers::Fact;
use durable_core::slot_map::{AddressFamily, Connection, Connections};

use super::state;
use crate::facts;
use crate::ffi::{ClientInfo, Ctx};

/// Begins to remember connections, on servers that may crash when a module reads the connection of
/// a running command (`Fact::ClientInfoCrashesInCalls`).
pub fn load() {
    if facts::has(Fact::ClientInfoCrashesInCalls) {
        // The detached context has a client of its own. All earlier clients have lower ids.
        let next = Ctx::detached(Ctx::client_id).unwrap_or(u64::MAX);
        state::with(|hints| hints.connections = Some(Connections::noted_after(next)));
    }
}

/// The kind of the connection whose command runs. Scripts and other modules have no connection, and
/// count as a plain IPv4 connection.
pub fn of(ctx: &Ctx) -> Connection {
    if ctx.situation().is_call() {
        return Connection::default();
    }
    let client = ctx.client_id();
    let remembered = state::with(|hints| {
        let connections = hints.connections.as_ref();
        connections.map(|connections| connections.of(client))
    });
    match remembered {
        None => ctx
            .client_info()
            .as_ref()
            .map_or_else(Connection::default, of_info),
        Some(Some(known)) => known,
        Some(None) => listed(ctx, client),
    }
}

/// The kind of a connection.
pub fn of_info(client: &ClientInfo) -> Connection {
    Connection {
        tls: client.is_tls(),
        family: family(client.address(), client.is_unix_socket()),
    }
}

/// Only IPv6 addresses and paths of Unix sockets can contain a colon.
fn family(host: &[u8], is_unix_socket: bool) -> AddressFamily {
    if !is_unix_socket && host.contains(&b':') {
        AddressFamily::V6
    } else {
        AddressFamily::V4
    }
}

/// Looks up a client that had connected before the module was loaded, and remembers the result. The
/// kind of a connection does not change.
fn listed(ctx: &Ctx, client: u64) -> Connection {
    let list = ctx.ask_for_clients(&[client]);
    let list = list.as_ref().and_then(|list| list.root().bytes());
    let Some(line) = list.and_then(|list| ClientLine::all(list).next()) else {
        return Connection::default();
    };
    let host = line.host().unwrap_or_default();
    let connection = Connection {
        tls: line
            .local_port()
            .is_some_and(|port| Some(port) == tls_port(ctx)),
        family: family(&host, line.is_unix_socket()),
    };
    state::with(|hints| {
        if let Some(connections) = &mut hints.connections {
            connections.looked_up(client, connection);
        }
    });
    connection
}

/// The port for TLS connections, if the server has one.
fn tls_port(ctx: &Ctx) -> Option<u16> {
    let reply = ctx.ask(c"CONFIG", &[c"GET", c"tls-port"])?;
    let port = reply.root().get(1)?.number()?;
    u16::try_from(port).ok().filter(|&port| port != 0)
}
