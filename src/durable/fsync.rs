//! Hearing what replicas have fsynced (Redis 7.2 and later, Valkey), and finding out who they are.

use std::collections::HashMap;

use durable_core::client_list::ClientLine;

use crate::ffi::{Ctx, IncomingCommand};
use crate::state;

/// Takes a `REPLCONF` that a client sends: a replica's report, or how it presented itself.
pub fn hear(command: &IncomingCommand) {
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
    let reply = ctx.ask_for_clients(asked)?;
    let line = |client: ClientLine<'_>| {
        let host = client.is_replica().then(|| client.host()).flatten();
        Some((client.id()?, host))
    };
    Some(
        ClientLine::all(reply.root().bytes()?)
            .filter_map(line)
            .collect(),
    )
}
