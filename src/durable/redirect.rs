//! What a durable command is answered on a replica.
//!
//! A cluster client that has sent READONLY is served reads by a replica, and some clients send all their reads there.
//! A durable read needs the primary, so that it is answered MOVED, as a write is by the server itself. The server lets
//! such a read pass only where the slot belongs to this replica's primary. Host and port are those of the slot map,
//! which knows what this server's own MOVED tells this kind of connection.
//!
//! The server redirects a transaction when a command is queued; a durable read in one is answered when it is executed.
//! An address that a node has only just announced is told after `durable.slothint-max-age-ms`, as in slot hints. A
//! script or another module is told READONLY: what connection called it is not known.

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
    let is_believed = |map: &SlotMap| {
        let owner = map.owner(slot).map(|owner| &*owner.address.id);
        // Nothing to compare it with, or what the server itself goes by.
        primary.is_none() || owner == primary.as_ref().map(<[u8; NODE_ID]>::as_slice)
    };
    let mut map = look::map_for(ctx, connection)?;
    if !is_believed(&map) {
        // It is from before a failover or a move of the slot, and would send the client to where it is sent back from.
        look::once_a_turn(ctx, connection)?;
        map = look::map_for(ctx, connection)?;
    }
    Ok(map.owner(slot).map(|owner| owner.address.moved(slot)))
}
