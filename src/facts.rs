//! The facts of the running server, computed once at load. The table of facts for all servers is in
//! `core/src/servers/`.

use std::sync::OnceLock;

use durable_core::servers::{Fact, Facts};

use crate::ffi::{api, Ctx};

static FACTS: OnceLock<Facts> = OnceLock::new();

/// Computes the facts of the running server from the table.
///
/// Some facts say that the server has an optional API call. For these the server itself overrides
/// the table: the table may have a wrong row, and a fork may have a call that its version does not
/// promise.
pub fn load(ctx: &Ctx) {
    let server = ctx.server();
    let mut facts = Facts::of(server);
    for (fact, has_call) in api::optional() {
        if facts.replace(fact, has_call) {
            ctx.log_warning(&format!(
                "the module's table of servers is wrong on {fact:?} for {server:?}, \
                 it goes by what the server has"
            ));
        }
    }
    FACTS.get_or_init(|| facts);
}

/// Whether a fact holds on the running server.
pub fn has(fact: Fact) -> bool {
    FACTS.get().is_some_and(|facts| facts.has(fact))
}
