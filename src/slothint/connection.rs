//! What kind of connection asks: hosts and ports depend on it.

use durable_core::slot_map::{Connection, Family};

use crate::ffi::Ctx;

/// The kind of the connection whose command runs. A caller without one, as a script is, counts as
/// plain.
pub fn of(ctx: &Ctx) -> Connection {
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
