//! Tells the cluster who is primary, where its own messages have failed to
//! (`core/failover/src/shard/cluster.rs`).

use std::ffi::CString;

use durable_core::topology::epochs;
use durable_failover::{MemberId, NodeId, Shard};

use super::state;
use crate::ffi::Ctx;

/// Takes a new epoch if another member has a higher one than this primary. CLUSTER BUMPEPOCH asks
/// nobody. It is safe here: the group has elected this primary, or an operator has opened it.
pub fn claim(ctx: &Ctx) {
    let Some(reply) = ctx.ask(c"CLUSTER", &[c"NODES"]) else {
        return;
    };
    let Ok(epochs) = epochs(reply.protocol()) else {
        return;
    };
    let members: Vec<NodeId> = state::with(|state| {
        let definition = state.shard.as_ref().map(Shard::definition);
        definition.map_or_else(Vec::new, |definition| definition.members.clone())
    });
    let own = state::with(|state| state.node);
    let epoch_of = |node: NodeId| {
        let digits = node.digits();
        let mut epochs = epochs.iter();
        epochs
            .find(|(id, _)| id[..] == digits[..])
            .map(|&(_, epoch)| epoch)
    };
    let Some(own_epoch) = own.and_then(epoch_of) else {
        return;
    };
    let highest = members.into_iter().filter_map(epoch_of).max();
    if highest <= Some(own_epoch) {
        return;
    }
    let reply = ctx.ask(c"CLUSTER", &[c"BUMPEPOCH"]);
    let is_done = reply.is_some_and(|reply| reply.error().is_none());
    ctx.log_notice(&format!(
        "failover: another member has a higher epoch in the cluster than this primary, so nodes may \
         not follow it: CLUSTER BUMPEPOCH {}",
        if is_done { "is done" } else { "has failed" }
    ));
}

/// Makes this replica one of the member that holds the term.
pub fn follow(ctx: &Ctx, member: MemberId) {
    let node = state::with(|state| state.shard.as_ref()?.definition().node(member));
    let Some(node) = node else { return };
    let Ok(id) = CString::new(node.to_string()) else {
        return;
    };
    let reply = ctx.ask(c"CLUSTER", &[c"REPLICATE", &id]);
    let error = reply.as_ref().and_then(|reply| reply.error());
    let outcome = error.map_or("is done".into(), String::from_utf8_lossy);
    ctx.log_notice(&format!(
        "failover: the group has elected {node}, and this replica follows another one that has failed: \
         CLUSTER REPLICATE {outcome}"
    ));
}
