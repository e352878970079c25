//! Durable writes: commands that answer once the required replicas have acknowledged them.
//!
//! A command is [admitted](admission), executed, and its client put into the [`wait_queue`]. The
//! [event loop's turn](turn) then asks the replicas, hears them, and lets clients go.

pub mod admission;
pub mod alarms;
pub mod call;
pub mod call_keys;
pub mod cluster_state;
pub mod docs;
pub mod family;
pub mod fsync;
pub mod give_up;
pub mod help;
pub mod inner;
pub mod latency;
pub mod look;
pub mod overhear;
pub mod redirect;
pub mod replicas;
pub mod resetstat;
pub mod run;
pub mod set;
pub mod shares;
pub mod turn;
pub mod wait;
pub mod wait_queue;

use durable_core::servers::Fact;

use crate::ffi::Ctx;
use crate::state;

/// On such a server `+@all -@dangerous` allows every command of the module.
const NO_CATEGORIES: &str = "this server puts the commands of modules into no ACL categories: \
     rules such as -@dangerous and +@write do not apply to them. DURABLE.REPLICAS tells the \
     addresses of the replicas; to deny it to a user: ACL SETUSER <user> -durable.replicas";

/// Registers every DURABLE command; `category` is the module's own ACL category, where the server
/// could add it.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    family::register(ctx, category)?;
    call::register(ctx, category)?;
    wait::register(ctx, category)?;
    replicas::register(ctx, category)?;
    help::register(ctx, category)?;
    if state::with(|state| state.facts.has(Fact::CategorizesModuleCommands)) == Some(false) {
        ctx.log_warning(NO_CATEGORIES);
    }
    Ok(())
}
