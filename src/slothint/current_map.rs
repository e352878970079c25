//! The map for a command: from the last look if that is still valid, otherwise from a new one.

use std::sync::Arc;

use durable_core::slot_map::{Connection, SlotMap};

use super::{refresh, state, topology};
use crate::event_loop;
use crate::ffi::Ctx;

/// The map for a connection of that kind.
///
/// # Errors
/// The error to reply with: see [`topology::look`].
pub fn of(ctx: &Ctx, connection: Connection) -> Result<Arc<SlotMap>, String> {
    hear_turns(ctx);
    if !state::with(|hints| hints.is_current(connection.family)) {
        topology::look(ctx, Some(connection))?;
        refresh::wake_if_changed(ctx);
    }
    state::with(|hints| hints.cache.map(connection))
        .ok_or_else(|| "ERR redis-durable is not loaded".into())
}

/// Takes a new look, for a command that has found the map to be outdated. There is at most one such
/// look in each turn of the event loop, for any number of commands; two if the module stops to hear
/// turns and begins again in it.
///
/// # Errors
/// The error to reply with: see [`topology::look`].
pub fn renew(ctx: &Ctx, connection: Connection) -> Result<(), String> {
    /// With this maximum age, a look is valid only in the turn in which it was taken.
    const THIS_TURN: u64 = 0;
    hear_turns(ctx);
    let is_of_this_turn = state::with(|hints| {
        let now = hints.moment();
        hints.cache.is_current(connection.family, now, THIS_TURN)
    });
    if !is_of_this_turn {
        topology::look(ctx, Some(connection))?;
        refresh::wake_if_changed(ctx);
    }
    Ok(())
}

/// Looks can be valid for one turn, so turns have to be counted. Those that were not heard count as
/// one.
fn hear_turns(ctx: &Ctx) {
    event_loop::hear(ctx);
    let begun = event_loop::begun();
    state::with(|hints| {
        if hints.hearing_begun != begun {
            hints.hearing_begun = begun;
            hints.turn = hints.turn.wrapping_add(1);
        }
    });
}
