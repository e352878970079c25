//! Which links of replicas have changed, and which count.
//!
//! A confirmation is bound to the link over which the replica is connected: a new link may be that
//! of a replica that has lost its data meanwhile. So each time the server reports that a replica
//! came or went, the online links are compared with those before. If none differs although one came
//! or went, any may be the one.

use std::sync::atomic::Ordering;

use durable_core::replicas::Role;
use durable_failover::{MemberId, NodeId};

use super::{state, MEMBER};
use crate::durable::{state as durable_state, turn};
use crate::ffi;
use crate::ffi::cluster::NODE_ID;
use crate::ffi::Ctx;

/// A host and a port.
pub type Address = (Vec<u8>, u16);

/// A member, and its address if the cluster knows one.
pub type MemberAddress = (MemberId, Option<Address>);

/// The server reported that a replica came online or went.
pub fn links_changed(ctx: &Ctx) {
    if MEMBER.load(Ordering::Relaxed) {
        compare(ctx, true);
        count(ctx);
    }
}

/// Looks whether links have changed without a report, as when this server has just become a
/// primary.
pub fn look(ctx: &Ctx) {
    compare(ctx, false);
}

fn compare(ctx: &Ctx, reported: bool) {
    let links = online_links(ctx);
    let addresses = member_addresses(ctx);
    state::with(|state| {
        let Some(shard) = &mut state.shard else {
            return;
        };
        // Without a list nothing is known: nobody counts until the next one.
        let (links, is_known) = match links {
            Some(links) => (links, true),
            None => (Vec::new(), false),
        };
        let number = |links: &[Address], address: &Address| {
            links.iter().filter(|&link| link == address).count()
        };
        let mut changed = Vec::new();
        let mut linked = vec![false; addresses.len()];
        for (index, ((place, address), is_linked)) in addresses.iter().zip(&mut linked).enumerate()
        {
            let before = state
                .addresses
                .get(index)
                .and_then(|(_, address)| address.as_ref());
            let now = address
                .as_ref()
                .map_or(0, |address| number(&links, address));
            *is_linked = now > 0 && *place != shard.me();
            let then = before.map_or(0, |before| number(&state.links, before));
            // A link cannot be told from another one while its member's address is not known.
            if address.is_none() || before != address.as_ref() || now != then {
                changed.push(*place);
            }
        }
        if !is_known || (reported && links == state.links) {
            changed = addresses.iter().map(|&(place, _)| place).collect();
        }
        state.links = links;
        state.addresses = addresses;
        shard.links_changed(&changed, &linked);
    });
}

/// Passes on which addresses may count: those of the members that have confirmed.
pub fn count(ctx: &Ctx) {
    let addresses = member_addresses(ctx);
    let confirmed = state::with(|state| {
        // By a server that was exchanged, or is beside a group, nobody's acknowledgement counts.
        let nobody = state.is_beside.then(Vec::new);
        let counting = state.shard.as_ref().map(|shard| {
            let counting = shard.counting();
            let counts = |(place, _): &&MemberAddress| counting.contains(*place);
            let counting = addresses.iter().filter(counts);
            counting
                .filter_map(|(_, address)| address.clone())
                .collect()
        });
        let confirmed = counting.or(nobody);
        let has_changed = state.confirmed != confirmed;
        state.confirmed.clone_from(&confirmed);
        has_changed.then_some(confirmed)
    });
    if let Some(confirmed) = confirmed {
        durable_state::restrict_to(confirmed);
        // Waits may be satisfied now, and a replica that is new here has to be asked what it has.
        turn::used(ctx);
        ffi::wakeup::wake_event_loop();
    }
}

/// The replicas of a node, as the cluster knows them.
pub fn replicas_of(ctx: &Ctx, primary: [u8; NODE_ID]) -> Vec<NodeId> {
    let nodes = ctx.cluster_nodes();
    let replicas = nodes.iter().filter(|id| {
        let known = ctx.cluster_node(id);
        known.is_some_and(|known| known.primary == Some(primary))
    });
    replicas.filter_map(|id| NodeId::parse(id)).collect()
}

/// Says which of these replicas has no link under the address that the cluster knows. Its
/// confirmations could never count.
pub fn not_linked(ctx: &Ctx, replicas: &[NodeId]) -> Option<String> {
    let links = online_links(ctx).unwrap_or_default();
    let is_linked =
        |node: &&NodeId| address(ctx, **node).is_some_and(|address| links.contains(&address));
    let missing = replicas.iter().find(|node| !is_linked(node))?;
    let listed: Vec<String> = links
        .iter()
        .map(|(host, port)| format!("{}:{port}", String::from_utf8_lossy(host)))
        .collect();
    Some(format!(
        "replica {missing} has no link under the address that the cluster knows; the links are {}. \
         Are replica-announce-ip and cluster-announce-ip the same?",
        listed.join(", ")
    ))
}

/// The hosts and ports of the online links.
fn online_links(ctx: &Ctx) -> Option<Vec<Address>> {
    let reply = ctx.ask(c"ROLE", &[])?;
    let role = Role::read(reply.protocol())?;
    let links = role.links.iter();
    Some(links.map(|link| (link.host.to_vec(), link.port)).collect())
}

/// The addresses of all members, as the cluster knows them.
pub fn member_addresses(ctx: &Ctx) -> Vec<MemberAddress> {
    let nodes: Vec<(MemberId, NodeId)> = state::with(|state| {
        let Some(shard) = &state.shard else {
            return Vec::new();
        };
        let definition = shard.definition();
        let members = definition.members.iter();
        let placed = members.filter_map(|&node| Some((definition.place(node)?, node)));
        placed.collect()
    });
    nodes
        .into_iter()
        .map(|(place, node)| (place, address(ctx, node)))
        .collect()
}

/// The address of a node, if the cluster knows it.
fn address(ctx: &Ctx, node: NodeId) -> Option<Address> {
    let known = ctx.cluster_node(&node.digits())?;
    Some((known.ip, known.port))
}
