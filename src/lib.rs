//! redis-durable: durable writes and slot hints for Redis and Valkey, as a loadable module.
//!
//! This file is what the server calls when it loads and unloads the module. `ARCHITECTURE.md`
//! shows the way of one durable write and of one slot hint through the files.

#[macro_use]
mod ffi;
mod config;
mod durable;
mod info;
mod slothint;
mod state;
mod unload;

use std::ffi::{c_char, c_int, c_void, CStr};

use durable_core::servers::{Fact, Facts};
use redis_module::alloc::RedisAlloc;
use redis_module::raw;

use ffi::{api, guard, Args, ClientInfo, Ctx};

/// What the module allocates is counted in the server's `used_memory`.
#[global_allocator]
static ALLOCATOR: RedisAlloc = RedisAlloc;

const OK: c_int = raw::REDISMODULE_OK as c_int;
const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// The module's name: the prefix of its settings, its INFO fields and its ACL category.
const NAME: &CStr = c"durable";
/// 0.1.0 as one number, two digits a part.
const VERSION: c_int = 100;

/// The server itself logs only that the initialization failed. At startup it then exits.
const ALREADY_LOADED: &str = "durable is not loaded a second time: a module of that name \
     is already loaded and is left as it is. Usually redis.conf and a file that it includes both have \
     the loadmodule line, often since CONFIG REWRITE has added one to redis.conf: remove one of the \
     two lines";

/// Called by the server to load the module. Nothing may be allocated before the initializer has
/// looked up the server's allocator.
///
/// # Safety
/// Called by the server alone, on its main thread.
#[no_mangle]
#[allow(non_snake_case)]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // The crate's initializer takes the name as a mutable pointer and only reads it.
    let name = NAME.as_ptr().cast::<c_char>();
    // SAFETY: the context is the server's; this fills the table of its calls.
    if unsafe {
        raw::Export_RedisModule_Init(ctx, name, VERSION, raw::REDISMODULE_APIVER_1 as c_int)
    } == ERR
    {
        // The initializer fails only where the server has a module of that name: most likely this
        // library, whose state is then in use and must not be touched. SAFETY: the context is the
        // server's, and its table of calls has been filled.
        unsafe { guard::callback(ctx, |ctx| ctx.log_warning(ALREADY_LOADED)) };
        return ERR;
    }
    let mut status = ERR;
    // SAFETY: the context and the arguments are the server's.
    unsafe {
        guard::callback(ctx, |ctx| {
            let args = Args::new(argv, argc);
            match load(ctx, args) {
                Ok(()) => status = OK,
                Err(reason) => {
                    ctx.log_warning(&format!("not loaded: {reason}"));
                    state::unload();
                }
            }
        });
    }
    status
}

/// Called by the server to unload the module. The server has made sure that no client is blocked
/// and no timer armed.
///
/// # Safety
/// Called by the server alone, on its main thread.
#[no_mangle]
#[allow(non_snake_case)]
pub unsafe extern "C" fn RedisModule_OnUnload(ctx: *mut raw::RedisModuleCtx) -> c_int {
    let mut status = ERR;
    // SAFETY: the context is the server's.
    unsafe {
        guard::callback(ctx, |ctx| match unload::obstacle(ctx) {
            Some(obstacle) => ctx.log_warning(&format!("not unloaded: {obstacle}")),
            None => {
                state::unload();
                status = OK;
            }
        });
    }
    status
}

fn load(ctx: &Ctx, args: Args<'_>) -> Result<(), String> {
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
    durable::register(ctx, category)?;
    slothint::register(ctx, category)?;
    durable::overhear::register(ctx)?;
    // SAFETY: the context is that of the load, and the handler is the server's kind.
    if unsafe { api!(RedisModule_RegisterInfoFunc)(ctx.raw(), Some(info::handler)) } == ERR {
        return Err("INFO was not accepted by the server".into());
    }
    subscribe(ctx, raw::REDISMODULE_EVENT_EVENTLOOP, on_event_loop)?;
    subscribe(ctx, raw::REDISMODULE_EVENT_CRON_LOOP, on_cron)?;
    subscribe(
        ctx,
        raw::REDISMODULE_EVENT_REPLICA_CHANGE,
        on_replica_change,
    )?;
    subscribe(ctx, raw::REDISMODULE_EVENT_CLIENT_CHANGE, on_client_change)?;
    subscribe(ctx, raw::REDISMODULE_EVENT_MODULE_CHANGE, on_module_change)?;
    subscribe(ctx, raw::REDISMODULE_EVENT_CONFIG, on_config_change)?;
    subscribe(
        ctx,
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        on_role_change,
    )
}

/// The module hears the replicas by ROLE, ends waits by CLIENT UNBLOCK, and judges commands by COMMAND. Where one
/// of them was renamed away, waits would never end, or nothing would be refused, so that the load is.
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

type EventHandler =
    unsafe extern "C" fn(*mut raw::RedisModuleCtx, raw::RedisModuleEvent, u64, *mut c_void);

fn subscribe(ctx: &Ctx, id: u64, handler: EventHandler) -> Result<(), String> {
    let event = raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the context is that of the load, and the handler is of the server's kind.
    let status =
        unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx.raw(), event, Some(handler)) };
    if status == OK {
        Ok(())
    } else {
        Err(format!("this server does not tell event {id}"))
    }
}

unsafe extern "C" fn on_event_loop(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    _data: *mut c_void,
) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe {
        guard::callback(ctx, |ctx| match which {
            raw::REDISMODULE_SUBEVENT_EVENTLOOP_AFTER_SLEEP => {
                durable::turn::begins(ctx);
                durable::call_keys::turn_begins(ctx);
                slothint::rhythm::turn_begins(ctx);
            }
            raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP => {
                durable::resetstat::settle(ctx);
                durable::turn::ends(ctx);
                slothint::rhythm::turn_ends(ctx);
            }
            _ => (),
        });
    }
}

unsafe extern "C" fn on_cron(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _which: u64,
    data: *mut c_void,
) {
    let cron = data.cast::<raw::RedisModuleCronLoopInfo>();
    // SAFETY: for this event the server's record of its cron, of the version that was subscribed
    // for.
    let hz = unsafe { cron.as_ref() }.map_or(0, |cron| cron.hz);
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe {
        guard::callback(ctx, |ctx| {
            durable::cluster_state::cron(ctx, u64::try_from(hz).unwrap_or(0));
            slothint::rhythm::cron(ctx);
            durable::alarms::cron(ctx);
        });
    }
}

unsafe extern "C" fn on_replica_change(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    _data: *mut c_void,
) {
    guard::plain((), || {
        durable::turn::replica_changed(which == raw::REDISMODULE_SUBEVENT_REPLICA_CHANGE_ONLINE);
    });
}

unsafe extern "C" fn on_client_change(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    data: *mut c_void,
) {
    guard::plain((), || {
        // SAFETY: the data is that of this event, of the version that was subscribed for.
        let Some(client) = (unsafe { ClientInfo::of_event(data) }) else {
            return;
        };
        state::with(|state| {
            if which == raw::REDISMODULE_SUBEVENT_CLIENT_CHANGE_DISCONNECTED {
                state.fsyncs.left(client.id());
                state.resets.left(client.id());
                state.slothint.left(client.id());
            } else {
                state.slothint.connected(&client);
            }
        });
    });
}

unsafe extern "C" fn on_config_change(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _which: u64,
    _data: *mut c_void,
) {
    guard::plain((), durable::latency::forget_threshold);
}

/// Another module's commands came or went.
unsafe extern "C" fn on_module_change(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _which: u64,
    _data: *mut c_void,
) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, durable::call::learn_all) };
}

unsafe extern "C" fn on_role_change(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    _data: *mut c_void,
) {
    guard::plain((), || {
        durable::turn::role_changed(which == raw::REDISMODULE_EVENT_REPLROLECHANGED_NOW_MASTER);
    });
}
