//! Writes the parts of replies that several of the three commands use. RESP2 and RESP3 clients get
//! the same types.

use durable_core::slot_map::{Address, Owner, SlotMap};

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
