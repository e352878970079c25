//! What the server shows: its role, its link to the primary, and its place in the stream.

use std::ffi::CStr;

use durable_failover::{Definition, NodeId, Position, Role, Start, StreamId, View};

use super::state;
use crate::clock;
use crate::ffi::{Ctx, ServerInfo};

/// What INFO shows of the streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streams {
    /// The own stream: written by a primary, read by a replica. `None` if its place is unknown.
    pub own: Option<Position>,
    /// Where a replica would continue.
    pub asks_from: Option<Position>,
    /// The stream that a primary followed before it was promoted, and how far.
    pub former: Option<Position>,
    /// The link to the primary is up, and no synchronization is under way.
    pub is_linked: bool,
}

/// Looks at the server.
pub fn read(ctx: &Ctx) -> View {
    let is_primary = is_primary(ctx);
    let streams = streams(ctx, is_primary);
    let role = if is_primary {
        Role::Primary
    } else {
        replica(ctx, streams.is_linked)
    };
    View {
        now: now(),
        role,
        position: streams.own,
        asks_from: streams.asks_from,
        node_timeout: node_timeout(ctx),
    }
}

/// The clock, in milliseconds.
pub fn now() -> u64 {
    clock::now().to_millis().get()
}

/// By the server and by the cluster: a replica that has just started is no replica yet for the
/// server.
pub fn is_primary(ctx: &Ctx) -> bool {
    let own = ctx.own_node().and_then(|own| ctx.cluster_node(&own));
    ctx.situation().is_primary() && own.is_some_and(|own| own.is_primary)
}

/// A new random number for this start.
pub fn start(ctx: &Ctx) -> Start {
    let digits = ctx.random_hex::<16>();
    let digits = std::str::from_utf8(&digits).unwrap_or_default();
    Start(u64::from_str_radix(digits, 16).unwrap_or_default())
}

fn replica(ctx: &Ctx, is_linked: bool) -> Role {
    let primary = ctx.primary_in_cluster();
    let known = primary.and_then(|primary| ctx.cluster_node(&primary));
    let of = primary.and_then(|primary| {
        let node = NodeId::parse(&primary)?;
        state::with(|state| definition(state)?.place(node))
    });
    Role::Replica {
        of,
        is_linked,
        has_failed: known.is_some_and(|known| known.has_failed),
    }
}

fn definition(state: &state::State) -> Option<&Definition> {
    state
        .shard
        .as_ref()
        .map(durable_failover::Shard::definition)
}

/// Reads the streams in INFO, which shows a replica's place also after its link was cut.
pub fn streams(ctx: &Ctx, is_primary: bool) -> Streams {
    let read = |info: &ServerInfo| {
        let id = stream(info, c"master_replid");
        if is_primary {
            let end = info.number(c"master_repl_offset");
            let former = info
                .number(c"second_repl_offset")
                .and_then(|end| end.checked_sub(1));
            return Streams {
                own: position(id, end),
                asks_from: None,
                former: position(stream(info, c"master_replid2"), former),
                is_linked: false,
            };
        }
        let is_up = info.field(c"master_link_status") == Some(b"up");
        let is_synchronizing = info.number(c"master_sync_in_progress") == Some(1);
        let shown = info
            .number(c"slave_repl_offset")
            .filter(|_| !is_synchronizing);
        // A replica that has lost its place shows 1, as does one that has read one byte.
        let end = shown.filter(|&end| is_up || end != 1);
        Streams {
            own: position(id, end),
            asks_from: position(id, shown),
            former: None,
            is_linked: is_up && !is_synchronizing,
        }
    };
    ctx.with_server_info(c"replication", read)
        .unwrap_or_default()
}

fn position(stream: Option<StreamId>, offset: Option<u64>) -> Option<Position> {
    Some(Position {
        stream: stream?,
        offset: offset?,
    })
}

fn stream(info: &ServerInfo, field: &CStr) -> Option<StreamId> {
    stream_id(info.field(field)?)
}

/// A replication id of 40 hexadecimal digits. Its first 32 tell streams apart.
pub fn stream_id(text: &[u8]) -> Option<StreamId> {
    let digits = std::str::from_utf8(text.get(..32)?).ok()?;
    u128::from_str_radix(digits, 16).ok().map(StreamId)
}

/// `cluster-node-timeout`, looked up after each CONFIG SET.
fn node_timeout(ctx: &Ctx) -> u64 {
    if let Some(known) = state::with(|state| state.node_timeout) {
        return known;
    }
    let text = ctx.setting(c"cluster-node-timeout").unwrap_or_default();
    let found = String::from_utf8_lossy(&text).parse().unwrap_or(15_000);
    state::with(|state| state.node_timeout = Some(found));
    found
}
