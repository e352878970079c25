//! What a durable command is answered on a replica.
//!
//! After READONLY a replica of a cluster serves reads, and some clients send all their reads there.
//! A durable read needs the primary, so it is answered MOVED. The server answers so by itself for
//! durable writes, and for slots of other primaries; what it passes on is a read of a slot of this
//! replica's primary. Host and port come from the slot map, which has what this server's own MOVED
//! tells this kind of connection.
//!
//! Three things differ from the server's own redirection. In a transaction the answer comes when it
//! is executed, not when the command is queued. An address that a node has just announced is told
//! once the map is older than `durable.slothint-max-age-ms`. Scripts and other modules are told
//! READONLY: their caller's connection is not known.

use durable_core::options::Word;
use durable_core::slot;
use durable_core::slot_map::SlotMap;

use super::admission::Refusal;
use crate::ffi::cluster::NODE_ID;
use crate::ffi::Ctx;
use crate::slothint::{connection, look};

/// In the server's words.
const NO_OWNER: &str = "CLUSTERDOWN Hash slot not served";

/// Refuses `command`, whose first key is `key`.
pub fn reply(ctx: &Ctx, command: &str, key: &[u8]) {
    let situation = ctx.situation();
    if !situation.is_cluster() || situation.is_call() {
        return ctx.reply_error_text(&Refusal::Replica.text(command));
    }
    let slot = slot::of_key(key);
    match moved(ctx, slot) {
        Ok(Some(moved)) => ctx.reply_error_bytes(&moved),
        Ok(None) => ctx.reply_error_text(NO_OWNER),
        Err(reason) => {
            ctx.log_debug(&format!("no redirection for {}: {reason}", Word::new(key)));
            ctx.reply_error_text(&Refusal::Replica.text(command));
        }
    }
}

/// The redirection to the owner of the slot, if it has one.
fn moved(ctx: &Ctx, slot: u16) -> Result<Option<Vec<u8>>, String> {
    let connection = connection::of(ctx);
    let primary = ctx.primary_in_cluster();
    let is_current = |map: &SlotMap| {
        let owner = map.owner(slot).map(|owner| &*owner.address.id);
        // The server has passed the command on because its primary owns the slot.
        primary.is_none() || owner == primary.as_ref().map(<[u8; NODE_ID]>::as_slice)
    };
    let mut map = look::map_for(ctx, connection)?;
    if !is_current(&map) {
        // The map is older than a failover or a move of the slot. The former owner would send the
        // client back.
        look::once_a_turn(ctx, connection)?;
        map = look::map_for(ctx, connection)?;
    }
    Ok(map.owner(slot).map(|owner| owner.address.moved(slot)))
}
