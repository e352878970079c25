//! Loads and unloads the module: the order of checks and registrations.

use std::ffi::CStr;

use durable_core::servers::Fact;

use crate::config::{self, Config};
use crate::events::{self, Events};
use crate::ffi::{api, ok_reply, own_context, Args, Ctx};
use crate::info::DurableSection;
use crate::slothint::connection;
use crate::{
    commands, durable, event_loop, facts, failover, filter, resets, slothint, unload, unserved,
    NAME,
};

/// The log line for a second load. The server itself logs only that the initialization failed, and
/// a server that is starting exits then.
const ALREADY_LOADED: &str = "durable is not loaded a second time: a module of that name \
     is already loaded and is left as it is. Usually redis.conf and a file that it includes both have \
     the loadmodule line, often since CONFIG REWRITE has added one to redis.conf: remove one of the \
     two lines";

/// Logs why a second load is refused. Changes no state: the loaded module may be this very library,
/// and the state is then in use.
pub fn refuse_second(ctx: &Ctx) {
    ctx.log_warning(ALREADY_LOADED);
}

/// Loads the module. If that fails, logs the reason and returns false.
pub fn load(ctx: &Ctx, args: Args<'_>) -> bool {
    match register(ctx, args) {
        Ok(()) => true,
        Err(reason) => {
            ctx.log_warning(&format!("not loaded: {reason}"));
            unload_state();
            false
        }
    }
}

/// Unloads the module. If that is not safe now, logs the reason and returns false.
pub fn unload(ctx: &Ctx) -> bool {
    match unload::obstacle(ctx) {
        Some(obstacle) => {
            ctx.log_warning(&format!("not unloaded: {obstacle}"));
            false
        }
        None => {
            unload_state();
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
    facts::load(ctx);
    if facts::has(Fact::CallsLackMemoryCheck) {
        return Err("Redis 7.0.1 or later is needed, this is 7.0.0".into());
    }
    let defaults = config::from_arguments(args)?;
    load_state(ctx, defaults.clone());
    needs_command(ctx, c"ROLE", &[])?;
    needs_command(ctx, c"CLIENT", &[c"ID"])?;
    needs_command(ctx, c"COMMAND", &[c"COUNT"])?;
    ctx.declare_options(facts::has(Fact::MovesSlotsAtomically));
    config::register(ctx, &defaults)?;
    durable::call::load(ctx);
    durable::once::load(ctx);
    let adds_category = facts::has(Fact::AddsModuleCategories) && ctx.add_acl_category(NAME);
    commands::register(ctx, adds_category.then_some("durable"))?;
    connection::load();
    filter::register(ctx)?;
    if !ctx.register_info::<DurableSection>() {
        return Err("INFO was not accepted by the server".into());
    }
    ctx.subscribe_to_events::<Events>()?;
    event_loop::load(ctx, events::need_turns);
    failover::load(ctx);
    Ok(())
}

fn load_state(ctx: &Ctx, config: Config) {
    config::load(config);
    failover::state::load();
    resets::load();
    unserved::load();
    ok_reply::load();
    own_context::load(ctx);
    durable::state::load(ctx.situation().is_cluster());
    durable::scripts::load();
    slothint::load();
}

fn unload_state() {
    failover::unload();
    durable::state::unload();
    durable::call::unload();
    durable::once::unload();
    durable::scripts::unload();
    slothint::unload();
    unserved::unload();
    resets::unload();
    config::unload();
    ok_reply::unload();
    own_context::unload();
}

/// Fails if the server's command was renamed or disabled. The module reads acknowledgements with
/// ROLE: without it no replica would count. It ends waits with CLIENT UNBLOCK: without it no
/// timeout would work. (`CLIENT ID` is tried; it shows a renamed CLIENT.) It reads descriptions of
/// commands with COMMAND: without it the family would be missing, and DURABLE.CALL would know no
/// command.
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
