//! Failover that keeps every acknowledged write: the module's part in a failover group.
//!
//! The rules, the messages and the file's format are in `core/failover/`. This folder shows the
//! server to them and does what they say. `ARCHITECTURE.md` has the decisions, `docs/failover.md`
//! is for operators.
//!
//! | file | subject |
//! |---|---|
//! | `state` | what this server knows of its group |
//! | `switch` | turning `durable.failover` on and off, and settings that must agree with the group |
//! | `view` | what the server shows: role, link, place in the stream |
//! | `acts` | doing what the rules say |
//! | `bus` | messages of other members |
//! | `others` | nodes with another version of the module |
//! | `cluster` | telling the cluster who is primary, where it has not noticed |
//! | `links` | which links of replicas have changed, and which count |
//! | `psync` | whom a primary serves |
//! | `disk` | the file, and the thread that writes it |
//! | `conditions` | what START needs |
//! | `founding`, `invitation` | forming a group: the primary's part, a replica's part |
//! | `replace`, `joining` | exchanging a member: the primary's part, and that of servers that are no members |
//! | `command`, `status` | `DURABLE.FAILOVER` |
//!
//! Without `durable.failover` nothing here runs, but for a look at the setting in the server's cron.

pub mod acts;
mod bus;
mod cluster;
pub mod command;
mod conditions;
mod disk;
mod founding;
mod invitation;
mod joining;
mod links;
mod others;
pub mod psync;
mod replace;
pub mod state;
pub mod status;
mod switch;
mod view;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::config;
use crate::durable::admission::Refusal;
use crate::ffi::Ctx;

pub use links::links_changed;
pub use switch::{load, may_set_number, may_set_text, unload};

/// `durable.failover` is on, and was applied.
static ON: AtomicBool = AtomicBool::new(false);
/// This server is a member of a group.
static MEMBER: AtomicBool = AtomicBool::new(false);
/// This server is a primary without a term.
static CLOSED: AtomicBool = AtomicBool::new(false);
/// K, while this server is a member.
static NEEDED: AtomicU32 = AtomicU32::new(0);

/// Whether the setting was applied.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Whether a durable command that requires so many replicas may run.
///
/// # Errors
/// Why not.
#[inline]
pub fn admits(replicas: u32) -> Result<(), Refusal> {
    // Each durable command comes by here, also without a group.
    if CLOSED.load(Ordering::Relaxed) || replicas < NEEDED.load(Ordering::Relaxed) {
        return considered(replicas);
    }
    Ok(())
}

#[cold]
fn considered(replicas: u32) -> Result<(), Refusal> {
    if CLOSED.load(Ordering::Relaxed) {
        return Err(Refusal::Closed);
    }
    let needed = NEEDED.load(Ordering::Relaxed);
    if replicas < needed && config::read(|config| config.failover_strict) {
        return Err(Refusal::NotStrict {
            required: replicas,
            needed,
        });
    }
    Ok(())
}

/// The server's cron ran.
pub fn cron(ctx: &Ctx) {
    switch::apply(ctx);
    if !is_on() {
        switch::restore_settings(ctx);
    } else {
        founding::cron(ctx);
        acts::tick(ctx);
        replace::cron(ctx);
        joining::tell_beside(ctx);
        joining::look_for_group(ctx);
    }
}

/// A turn of the event loop ends: what was written to disk meanwhile takes effect.
pub fn turn_ends(ctx: &Ctx) {
    if disk::has_news() {
        acts::after_writing(ctx);
    }
}

/// Whether the turns of the event loop are needed: the end of a writing is noticed in one.
pub fn needs_turns() -> bool {
    state::read(|state| state.is_writing || state.founding.is_some()).unwrap_or(false)
}

/// A setting of the server changed, perhaps the node timeout.
pub fn config_changed() {
    if is_on() {
        state::with(|state| state.node_timeout = None);
    }
}

/// This server became a primary or a replica.
pub fn role_changed(ctx: &Ctx, is_primary: bool) {
    if MEMBER.load(Ordering::Relaxed) {
        acts::role_changed(ctx, is_primary);
    }
}

/// A full synchronization begins to replace the data.
pub fn data_replaced() {
    if MEMBER.load(Ordering::Relaxed) {
        state::with(|state| {
            if let Some(shard) = &mut state.shard {
                shard.data_replaced();
            }
        });
    }
}

/// A database is being emptied. A primary with a term does that for a client, and it is in its
/// stream. On a replica it may be in the stream too; then the primary confirms it again within a
/// second. But it may also be CLUSTER RESET, and the data are gone.
pub fn data_flushed() {
    if MEMBER.load(Ordering::Relaxed) {
        state::with(|state| {
            if let Some(shard) = &mut state.shard {
                if shard.member().term().is_none() {
                    shard.data_replaced();
                }
            }
        });
    }
}

/// Sets the flags that other parts read, from the state. To be called after every change of it.
fn show(state: &state::State) {
    let shard = state.shard.as_ref();
    let is_closed = match shard {
        Some(shard) => shard.is_closed(),
        // Nothing is known of what was promised, or the group of the shard does not know this
        // server.
        None => state.problem.is_some() || state.is_beside,
    };
    let needed = shard.map_or(0, |shard| u32::from(shard.group().acknowledgements()));
    MEMBER.store(shard.is_some(), Ordering::Relaxed);
    CLOSED.store(is_closed, Ordering::Relaxed);
    NEEDED.store(needed, Ordering::Relaxed);
}
