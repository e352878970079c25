//! Hearing what replicas have fsynced (Redis 7.2 and later, Valkey).
//!
//! A command filter sees every command of every client before it is executed, so it looks at the
//! length of the first word, then at the word, and has done with all but `REPLCONF`.

use std::collections::HashMap;
use std::ffi::CString;
use std::net::SocketAddr;

use redis_module::raw;

use crate::ffi::{filter, guard, Ctx};
use crate::state;

/// Registers the filter. False where the server cannot tell a command's client, which is before 7.2.
pub fn register(ctx: &Ctx) -> bool {
    ctx.register_filter(on_command)
}

unsafe extern "C" fn on_command(filter: *mut raw::RedisModuleCommandFilterCtx) {
    const REPLCONF: &[u8] = b"REPLCONF";
    guard::plain((), || {
        // SAFETY: the context is the one that the server gave to this callback.
        let Some(command) = (unsafe { filter::Command::new(filter) }) else {
            return;
        };
        let is_replconf = command.word(0).is_some_and(|word| {
            word.len() == REPLCONF.len() && word.eq_ignore_ascii_case(REPLCONF)
        });
        if is_replconf {
            let client = command.client_id();
            let words = (1..command.len()).filter_map(|index| command.word(index));
            state::with(|state| state.fsyncs.heard(client, words));
        }
    });
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
