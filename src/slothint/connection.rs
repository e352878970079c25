//! What kind of connection asks: hosts and ports depend on it.

use durable_core::client_list::ClientLine;
use durable_core::servers::Fact;
use durable_core::slot_map::{Connection, Connections, Family};

use crate::ffi::{ClientInfo, Ctx};
use crate::state;

/// Begins to take note of connections, on servers that cannot be asked for the one whose command
/// runs.
///
/// Valkey 9 looks for a client's connection where another module's call inside EXEC has none, and
/// no property of the context tells these apart.
pub fn begin() {
    let crashes = state::with(|state| state.facts.has(Fact::ClientInfoCrashesInCalls));
    if crashes == Some(true) {
        // A context of its own gets a client of its own, whose id is the next one.
        let next = Ctx::detached(Ctx::client_id).unwrap_or(u64::MAX);
        state::with(|state| state.slothint.connections = Some(Connections::since(next)));
    }
}

/// The kind of the connection whose command runs. A caller that has none counts as plain.
pub fn of(ctx: &Ctx) -> Connection {
    if ctx.situation().is_call() {
        return Connection::default();
    }
    let client = ctx.client_id();
    let noted = state::with(|state| {
        let connections = state.slothint.connections.as_ref();
        connections.map(|connections| connections.of(client))
    });
    match noted.flatten() {
        None => ctx
            .client_info()
            .as_ref()
            .map_or_else(Connection::default, of_info),
        Some(Some(known)) => known,
        Some(None) => listed(ctx, client),
    }
}

/// The kind of that connection.
pub fn of_info(client: &ClientInfo) -> Connection {
    Connection {
        tls: client.is_tls(),
        family: family(client.address(), client.is_unix_socket()),
    }
}

/// The path of a Unix socket may have a colon in it, an IPv4 address has none.
fn family(host: &[u8], is_unix_socket: bool) -> Family {
    if !is_unix_socket && host.contains(&b':') {
        Family::V6
    } else {
        Family::V4
    }
}

/// A client that had connected before the module was loaded is looked up in the list, once: what a
/// connection is it stays.
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
    state::with(|state| {
        if let Some(connections) = &mut state.slothint.connections {
            connections.found(client, connection);
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
