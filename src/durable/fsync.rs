//! Receives the fsync reports of replicas (`Fact::TellsFsyncs`), and finds out which of the
//! reporting clients are replicas.

use std::collections::HashMap;

use durable_core::client_list::ClientLine;

use super::release::release_in_filter;
use super::state::coordinator;
use crate::ffi::{Ctx, IncomingCommand};
use crate::{clock, event_loop, resets};

/// A client sent REPLCONF: an acknowledgement, or its port or address. Any client can send it.
pub fn replconf_sent(command: &IncomingCommand) {
    let client = command.client_id();
    let is = |word: &[u8]| {
        let first = command.word(1);
        first.is_some_and(|first| first.eq_ignore_ascii_case(word))
    };
    // ACK is compared first, because it is the most frequent.
    let (is_ack, now) = (is(b"ACK"), clock::now());
    // The link may now be listed with another address.
    let is_introduction = !is_ack && (is(b"listening-port") || is(b"ip-address"));
    if is_introduction {
        event_loop::hear_in_filter();
    }
    let release = coordinator(|coordinator| {
        if is_ack {
            coordinator.acknowledgement_seen();
        } else if is_introduction {
            coordinator.replicas.require_listing();
        }
        // 0 if the server does not say which client sent a command.
        if client == 0 {
            return false;
        }
        let words = (1..command.len()).filter_map(|index| command.word(index));
        let acked = coordinator.fsyncs.replconf(client, words);
        acked.is_some_and(|acked| coordinator.acknowledgement_heard(client, acked, now))
    });
    // If the statistics may have been reset, a turn finds that out before it counts the waits.
    if release && !resets::is_pending() {
        release_in_filter(now);
    }
}

/// A client left.
pub fn client_left(client: u64) {
    coordinator(|coordinator| coordinator.fsyncs.client_left(client));
}

/// Looks up which of the reporting clients are replicas, if the coordinator requests it.
pub fn identify(ctx: &Ctx) {
    let asked = coordinator(|coordinator| coordinator.fsyncs.clients_to_look_up());
    if asked.is_empty() {
        return;
    }
    if let Some(listed) = listed(ctx, &asked) {
        coordinator(|coordinator| coordinator.looked_up(&asked, &listed));
    }
}

/// The clients of `asked` that are still connected, each with the host that it connects from if it
/// is a replica. Only these clients are listed: the cost of a full list grows with all clients.
fn listed(ctx: &Ctx, asked: &[u64]) -> Option<HashMap<u64, Option<Vec<u8>>>> {
    let reply = ctx.ask_for_clients(asked)?;
    let line = |client: ClientLine<'_>| {
        let host = client.is_replica().then(|| client.host()).flatten();
        Some((client.id()?, host))
    };
    let lines = ClientLine::all(reply.root().bytes()?);
    Some(lines.filter_map(line).collect())
}
