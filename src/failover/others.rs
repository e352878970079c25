//! Nodes whose module has another version of the messages. They cannot vote for this member, and
//! cannot confirm to it. So an upgrade may leave a group without enough voters, and the log and
//! STATUS have to name the cause.

use std::collections::BTreeMap;

use durable_failover::{NodeId, WIRE_VERSION};

use super::{state, view};
use crate::ffi::cluster::NODE_ID;
use crate::ffi::Ctx;

/// Nodes that were heard. The server delivers only messages of nodes of its cluster.
pub type Others = BTreeMap<NodeId, Other>;

/// What was heard of one node, by this server's clock in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    version: u8,
    heard_at: u64,
    logged_at: u64,
}

/// Older messages say nothing about now.
const FRESH: u64 = 3000;
/// One node gets no more than one line in this time. Members send once a second at least.
const BETWEEN_LINES: u64 = 3_600_000;

/// A message of another version has arrived.
pub fn heard(ctx: &Ctx, from: [u8; NODE_ID], version: u8) {
    let Some(node) = NodeId::parse(&from) else {
        return;
    };
    let now = view::now();
    let is_new = state::with(|state| {
        let known = state.others.get(&node).map(|other| other.logged_at);
        let is_due = known.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_LINES);
        let other = Other {
            version,
            heard_at: now,
            logged_at: known.filter(|_| !is_due).unwrap_or(now),
        };
        state.others.insert(node, other);
        is_due
    });
    if is_new {
        ctx.log_warning(&format!(
            "failover: {node} has another version of the module: its messages are of version {version}, \
             this server reads version {WIRE_VERSION} only. The two do not vote for each other, and do \
             not count for each other. See docs/failover.md"
        ));
    }
}

/// The version of a node's messages, if it is another one.
pub fn version_of(others: &Others, node: NodeId, now: u64) -> Option<u8> {
    let other = others.get(&node)?;
    (now.saturating_sub(other.heard_at) < FRESH).then_some(other.version)
}
