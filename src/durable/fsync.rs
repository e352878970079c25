//! Hearing what replicas have fsynced (Redis 7.2 and later, Valkey), and finding out who they are.

use std::collections::HashMap;
use std::ffi::CString;
use std::net::SocketAddr;

use crate::ffi::{filter, Ctx};
use crate::state;

/// Takes a `REPLCONF` that a client sends: a replica's report, or how it presented itself.
pub fn hear(command: &filter::Command) {
    // 0 is no client's: before 7.2 the server cannot tell.
    let client = command.client_id();
    if client == 0 {
        return;
    }
    let words = (1..command.len()).filter_map(|index| command.word(index));
    state::with(|state| state.fsyncs.heard(client, words));
}

/// Looks up who is who among the clients that report, if there is a reason to.
pub fn identify(ctx: &Ctx) {
    let asked = state::with(|state| state.fsyncs.to_identify()).unwrap_or_default();
    if asked.is_empty() {
        return;
    }
    let Some(listed) = listed(ctx, &asked) else {
        return;
    };
    state::with(|state| state.fsyncs.identified(&asked, &listed));
}

/// Those of the clients that the server still has, with the address that each replica comes from.
/// Only they are listed: a list of all clients is as long as there are clients.
fn listed(ctx: &Ctx, asked: &[u64]) -> Option<HashMap<u64, Option<Vec<u8>>>> {
    let ids: Vec<CString> = asked
        .iter()
        .filter_map(|id| CString::new(id.to_string()).ok())
        .collect();
    let reply = ctx.ask_for_clients(&ids)?;
    let text = reply.root().bytes()?;
    let lines = text.split(|&byte| byte == b'\n');
    Some(lines.filter_map(line).collect())
}

/// One line of CLIENT LIST: `id=7 addr=127.0.0.1:40000 … flags=S …`.
fn line(line: &[u8]) -> Option<(u64, Option<Vec<u8>>)> {
    let field = |name: &[u8]| {
        line.split(|&byte| byte == b' ')
            .find_map(|word| word.strip_prefix(name))
    };
    let id = std::str::from_utf8(field(b"id=")?).ok()?.parse().ok()?;
    let is_replica = field(b"flags=")?.contains(&b'S');
    let address = std::str::from_utf8(field(b"addr=")?).ok()?;
    // Both [::1]:40000 and ::1:40000 have been seen.
    let host = match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string().into_bytes(),
        Err(_) => address.rsplit_once(':')?.0.as_bytes().to_vec(),
    };
    Some((id, is_replica.then_some(host)))
}
