//! What kind of connection asks: hosts and ports depend on it.

use durable_core::slot_map::{Connection, Family};

use crate::ffi::Ctx;

/// The kind of the connection whose command runs. A caller that has none counts as plain.
pub fn of(ctx: &Ctx) -> Connection {
    // Valkey 9.1 finds a client for a script that has no connection, and crashes on looking at it.
    if ctx.situation().is_call() {
        return Connection::default();
    }
    let Some(client) = ctx.client_info() else {
        return Connection::default();
    };
    // The path of a Unix socket may have a colon in it, an IPv4 address has none.
    let v6 = !client.is_unix_socket() && client.address().contains(&b':');
    Connection {
        tls: client.is_tls(),
        family: if v6 { Family::V6 } else { Family::V4 },
    }
}
