//! Loading and unloading the module: what is checked and registered, and in which order.

use std::ffi::CStr;

use durable_core::servers::{Fact, Facts};

use crate::events::Events;
use crate::ffi::{api, Args, Ctx};
use crate::info::DurableSection;
use crate::slothint::connection;
use crate::{commands, config, durable, state, unload, NAME};

/// The server itself logs only that the initialization failed. At startup it then exits.
const ALREADY_LOADED: &str = "durable is not loaded a second time: a module of that name \
     is already loaded and is left as it is. Usually redis.conf and a file that it includes both have \
     the loadmodule line, often since CONFIG REWRITE has added one to redis.conf: remove one of the \
     two lines";

/// Logs why a second load is refused. Touches nothing: the module that is loaded may be this very
/// library.
pub fn refuse_second(ctx: &Ctx) {
    ctx.log_warning(ALREADY_LOADED);
}

/// Loads the module. False if that failed; then the log says why.
pub fn load(ctx: &Ctx, args: Args<'_>) -> bool {
    match register(ctx, args) {
        Ok(()) => true,
        Err(reason) => {
            ctx.log_warning(&format!("not loaded: {reason}"));
            state::unload();
            false
        }
    }
}

/// Unloads the module. False if that is refused; then the log says why.
pub fn unload(ctx: &Ctx) -> bool {
    match unload::obstacle(ctx) {
        Some(obstacle) => {
            ctx.log_warning(&format!("not unloaded: {obstacle}"));
            false
        }
        None => {
            state::unload();
            true
        }
    }
}

fn register(ctx: &Ctx, args: Args<'_>) -> Result<(), String> {
    let missing = api::missing();
    if !missing.is_empty() {
        return Err(format!(
            "this server lacks {}; Redis 7.0 and later and Valkey have them",
            missing.join(", ")
        ));
    }
    let facts = facts(ctx);
    if facts.has(Fact::CallsLackMemoryCheck) {
        return Err("Redis 7.0.1 or later is needed, this is 7.0.0".into());
    }
    let defaults = config::from_arguments(args, facts)?;
    state::load(defaults.clone(), facts);
    needs_command(ctx, c"ROLE", &[])?;
    needs_command(ctx, c"CLIENT", &[c"ID"])?;
    needs_command(ctx, c"COMMAND", &[c"COUNT"])?;
    let is_cluster = ctx.situation().is_cluster();
    state::with(|state| state.is_cluster = is_cluster);
    ctx.declare_options(facts.has(Fact::MovesSlotsAtomically));
    config::register(ctx, &defaults)?;
    let adds_category = facts.has(Fact::AddsModuleCategories) && ctx.add_acl_category(NAME);
    let category = adds_category.then_some("durable");
    commands::register(ctx, category)?;
    connection::begin();
    durable::overhear::register(ctx)?;
    if !ctx.register_info::<DurableSection>() {
        return Err("INFO was not accepted by the server".into());
    }
    ctx.subscribe_to_events::<Events>()
}

/// Fails if a command was renamed or disabled. The module reads the replicas' acknowledgements with
/// ROLE, ends waits with CLIENT UNBLOCK and judges commands with COMMAND. Without one of these,
/// waits would never end or nothing would be refused.
fn needs_command(ctx: &Ctx, name: &CStr, words: &[&CStr]) -> Result<(), String> {
    let reply = ctx.ask(name, words);
    if reply.is_some_and(|reply| reply.error().is_none()) {
        return Ok(());
    }
    let name = name.to_string_lossy();
    Err(format!(
        "the module needs the server's command {name}, which was renamed or disabled"
    ))
}

/// The facts of the running server. Where the table and the server disagree about an optional call,
/// the server is right: a call that is not there cannot be made, and a fork may have one that its
/// version does not promise.
fn facts(ctx: &Ctx) -> Facts {
    let server = ctx.server();
    let mut facts = Facts::of(server);
    for (fact, has_call) in api::optional() {
        if facts.correct(fact, has_call) {
            ctx.log_warning(&format!(
                "the module's table of servers is wrong on {fact:?} for {server:?}, \
                 it goes by what the server has"
            ));
        }
    }
    facts
}
