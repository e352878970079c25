//! Redirections of DURABLE.CALL where the server cannot give them: in a cluster of Valkey, or of Redis 8.2 and later.
//!
//! Elsewhere the server asks the command for its keys and redirects before the handler runs. These servers ask on their
//! I/O threads, and crash (see `ffi/keys.rs`). There DURABLE.CALL declares no keys, and answers MOVED, ASK,
//! CROSSSLOT, TRYAGAIN and CLUSTERDOWN in the server's place: before anything is admitted where the server would
//! refuse the inner call, and else when it refuses it, which executes nothing either. Whether this node serves the keys
//! is always the server's own word; the slot map only says who does instead.

use std::ffi::CStr;

use durable_core::slot;
use durable_core::slot_map::{Address, SlotMap};
use durable_core::topology::Migration;

use crate::ffi::{Args, Ctx};
use crate::slothint::{connection, look};
use crate::state;

/// Whether DURABLE.CALL has to do this here.
pub fn is_ours(ctx: &Ctx) -> bool {
    let asks_on_threads =
        state::with(|state| state.valkey.is_some() || state.server.is_at_least(8, 2));
    asks_on_threads == Some(true) && ctx.situation().is_cluster()
}

/// Whether DURABLE.CALL may say which of its words are keys. From Redis 8.4 on I/O threads ask without a cluster, too.
pub fn may_declare_keys(ctx: &Ctx) -> bool {
    let asks_everywhere =
        state::with(|state| state.valkey.is_none() && state.server.is_at_least(8, 4));
    asks_everywhere == Some(false) && !is_ours(ctx)
}

const CROSSSLOT: &[u8] = b"CROSSSLOT Keys in request don't hash to the same slot";
const TRYAGAIN: &[u8] = b"TRYAGAIN Multiple keys request during rehashing of slot";
const UNBOUND: &[u8] = b"CLUSTERDOWN Hash slot not served";
const DOWN: &[u8] = b"CLUSTERDOWN The cluster is down";
const DOWN_FOR_WRITES: &[u8] = b"CLUSTERDOWN The cluster is down and only accepts read commands";

/// The keys of the inner command, all of one slot.
struct Keys<'a> {
    slot: u16,
    names: Vec<&'a [u8]>,
}

/// Whose a slot is.
enum Owner {
    Nobody,
    ThisNode,
    Other(Address),
}

/// The error for an inner command, its name first, that is certain not to run on this node.
pub fn before(ctx: &Ctx, command: &CStr, inner: Args<'_>) -> Option<Vec<u8>> {
    let keys = match keys(ctx, inner) {
        Ok(keys) => keys?,
        Err(crossslot) => return Some(crossslot.to_vec()),
    };
    // The call itself will tell where it is likely to be executed. Elsewhere the server is asked beforehand: the
    // map may be old, and who sent ASKING is served while the slot arrives.
    let map = look::map_for(ctx, connection::of(ctx)).ok()?;
    if matches!(owner(ctx, &map, keys.slot)?, Owner::ThisNode) {
        return None;
    }
    let refusal = ctx.would_refuse(command, inner.skip(1))?;
    after(ctx, inner, refusal.error()?)
}

/// The error in place of one with which the server refused the inner call because of the cluster; none for any
/// other error.
pub fn after(ctx: &Ctx, inner: Args<'_>, error: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(error);
    if text.starts_with("ERR Can not execute a write command ")
        && text.ends_with("down and readonly")
    {
        return Some(DOWN_FOR_WRITES.to_vec());
    }
    if text.starts_with("ERR Can not execute a command ") && text.ends_with("cluster is down") {
        return Some(DOWN.to_vec());
    }
    if !text.starts_with("ERR Attempted to access a non local key") {
        return None;
    }
    let keys = keys(ctx, inner).ok().flatten()?;
    let map = look::map_of_this_turn(ctx, connection::of(ctx)).ok()?;
    Some(match owner(ctx, &map, keys.slot)? {
        Owner::Nobody => UNBOUND.to_vec(),
        Owner::Other(_) if keys.names.len() > 1 && is_asking(ctx, &keys) => TRYAGAIN.to_vec(),
        Owner::Other(address) => redirection("MOVED", keys.slot, &address),
        Owner::ThisNode => match look::migration(ctx, keys.slot) {
            Some(Migration::To(target)) if !is_split(ctx, &keys) => {
                redirection("ASK", keys.slot, &address(ctx, &target)?)
            }
            _ => TRYAGAIN.to_vec(),
        },
    })
}

/// Whether the client has sent ASKING, and the slot arrives here: then one of the keys alone would be served.
fn is_asking(ctx: &Ctx, keys: &Keys<'_>) -> bool {
    let refused = keys.names.first().map(|name| ctx.would_refuse_key(name));
    refused == Some(false)
}

/// None for a command without keys.
fn keys<'a>(ctx: &Ctx, inner: Args<'a>) -> Result<Option<Keys<'a>>, &'static [u8]> {
    let positions = ctx.keys_of(inner);
    let names: Vec<&[u8]> = positions
        .iter()
        .filter_map(|&(position, _)| inner.get(position))
        .collect();
    let mut slots = names.iter().map(|name| slot::of_key(name));
    let Some(slot) = slots.next() else {
        return Ok(None);
    };
    if slots.any(|other| other != slot) {
        return Err(CROSSSLOT);
    }
    Ok(Some(Keys { slot, names }))
}

/// Some of the keys are here and some are not.
fn is_split(ctx: &Ctx, keys: &Keys<'_>) -> bool {
    keys.names.len() > 1 && keys.names.iter().any(|name| ctx.key_exists(name))
}

fn owner(ctx: &Ctx, map: &SlotMap, slot: u16) -> Option<Owner> {
    let Some(owner) = map.owner_of(slot) else {
        return Some(Owner::Nobody);
    };
    let owner = &map.owners().get(usize::from(owner))?.address;
    if ctx.node_id().as_deref() == Some(&owner.id) {
        Some(Owner::ThisNode)
    } else {
        Some(Owner::Other(owner.clone()))
    }
}

fn address(ctx: &Ctx, id: &[u8]) -> Option<Address> {
    let connection = connection::of(ctx);
    state::with(|state| state.slothint.cache.address(connection, id)).flatten()
}

/// As the server writes it: an IPv6 address without brackets, and nothing for the address that the client is
/// connected to.
fn redirection(what: &str, slot: u16, to: &Address) -> Vec<u8> {
    let host = to.host.as_deref().unwrap_or_default();
    let (start, port) = (format!("{what} {slot} "), format!(":{}", to.port));
    [start.as_bytes(), host, port.as_bytes()].concat()
}
