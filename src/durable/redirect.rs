//! The reply of a durable command on a replica.
//!
//! A client that sends READONLY to a replica of a cluster may read there. Some clients send all
//! their reads to replicas. A durable read needs the primary, so the reply is MOVED.
//!
//! The server itself replies MOVED to durable writes, and to reads of slots of other primaries. So
//! only reads of slots of this replica's primary reach the module. Host and port come from the slot
//! map. They equal those of the server's own MOVED for this kind of connection.
//!
//! Three things differ from the server's own redirection:
//! * In a transaction the error comes at EXEC, not when the command is queued.
//! * A new address of a node is shown only once the map is older than
//!   `durable.slothint-max-age-ms`.
//! * Scripts and other modules get READONLY, because the connection of their caller is not known.

use durable_core::options::Word;
use durable_core::slot;
use durable_core::slot_map::SlotMap;

use super::admission::Refusal;
use crate::ffi::cluster::NODE_ID;
use crate::ffi::Ctx;
use crate::slothint::{connection, current_map};

/// The server's own error for a slot without an owner.
const NO_OWNER: &str = "CLUSTERDOWN Hash slot not served";

/// Refuses `command`, whose first key is `key`.
pub fn reply(ctx: &Ctx, command: &str, key: &[u8]) {
    let situation = ctx.situation();
    if !situation.is_cluster() || situation.is_call() {
        return ctx.reply_error_text(&Refusal::Replica.text(command));
    }
    let slot = slot::of_key(key);
    match redirection(ctx, slot) {
        Ok(Some(moved)) => ctx.reply_error_bytes(&moved),
        Ok(None) => ctx.reply_error_text(NO_OWNER),
        Err(reason) => {
            ctx.log_debug(&format!("no redirection for {}: {reason}", Word::new(key)));
            ctx.reply_error_text(&Refusal::Replica.text(command));
        }
    }
}

/// The redirection to the owner of the slot. `None` if the slot has no owner.
///
/// # Errors
/// Why there is no map.
fn redirection(ctx: &Ctx, slot: u16) -> Result<Option<Vec<u8>>, String> {
    let connection = connection::of(ctx);
    let primary = ctx.primary_in_cluster();
    let is_current = |map: &SlotMap| {
        let owner = map.owner(slot).map(|owner| &*owner.address.id);
        // The command has reached the module, so in the server's view the primary of this replica
        // owns the slot.
        primary.is_none() || owner == primary.as_ref().map(<[u8; NODE_ID]>::as_slice)
    };
    let mut map = current_map::of(ctx, connection)?;
    if !is_current(&map) {
        // The map is older than a failover or a move of the slot. The former owner would redirect
        // the client back.
        current_map::renew(ctx, connection)?;
        map = current_map::of(ctx, connection)?;
    }
    Ok(map.owner(slot).map(|owner| owner.address.moved(slot)))
}
