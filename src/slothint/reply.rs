//! Writes replies, and the parts that several of the commands use. RESP2 and RESP3 clients get the
//! same types, except in the rows of SLOTHINT.SLOTS.

use std::iter;

use durable_core::slot_map::{Address, OwnedRange, Owner, SlotMap};

use crate::ffi::Ctx;

/// `[token, nodes, [[first slot, last slot, node index] …]]`
pub fn map(ctx: &Ctx, map: &SlotMap) {
    ctx.reply_array(3);
    ctx.reply_integer(map.token());
    nodes(ctx, map.owners().iter());
    ctx.reply_array(map.ranges().len());
    for range in map.ranges() {
        ctx.reply_array(3);
        ctx.reply_integer(range.first.into());
        ctx.reply_integer(range.last.into());
        ctx.reply_integer(range.owner.into());
    }
}

/// `[[host, port, id, [[host, port, id] …]] …]`
pub fn nodes<'m>(ctx: &Ctx, nodes: impl ExactSizeIterator<Item = &'m Owner>) {
    ctx.reply_array(nodes.len());
    for node in nodes {
        ctx.reply_array(4);
        address(ctx, &node.address);
        ctx.reply_array(node.replicas.len());
        for replica in &node.replicas {
            ctx.reply_array(3);
            address(ctx, replica);
        }
    }
}

fn address(ctx: &Ctx, address: &Address) {
    match &address.host {
        Some(host) => ctx.reply_bytes(host),
        None => ctx.reply_null(),
    }
    ctx.reply_integer(address.port.into());
    ctx.reply_bytes(&address.id);
}

/// Rows in the shape of `CLUSTER SLOTS`: `[[first slot, last slot, owner, replica …] …]`. A node
/// is `[host, port, id, metadata]`. The metadata is a map in RESP3 and a flat array in RESP2.
pub fn rows(ctx: &Ctx, map: &SlotMap, ranges: &[OwnedRange]) {
    ctx.reply_array(ranges.len());
    for range in ranges {
        let owner = map.owner(range.first).into_iter();
        let nodes = owner.flat_map(|owner| iter::once(&owner.address).chain(&owner.replicas));
        ctx.reply_array(nodes.clone().count().saturating_add(2));
        ctx.reply_integer(range.first.into());
        ctx.reply_integer(range.last.into());
        nodes.for_each(|node| listed(ctx, node));
    }
}

fn listed(ctx: &Ctx, node: &Address) {
    ctx.reply_array(4);
    match node.listed_host() {
        Some(host) => ctx.reply_bytes(host),
        None => ctx.reply_null(),
    }
    ctx.reply_integer(node.port.into());
    ctx.reply_bytes(&node.id);
    ctx.reply_map(node.metadata.pairs().count());
    for (name, value) in node.metadata.pairs() {
        ctx.reply_bytes(name);
        ctx.reply_bytes(value);
    }
}
