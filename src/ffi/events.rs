//! Subscribes to the server's events, and decodes their data.

use std::ffi::{c_void, CStr};
use std::sync::OnceLock;

use redis_module::raw;

use super::{guard, ClientInfo, Ctx};

/// What the module does at each event.
pub trait ServerEvents {
    /// The event loop woke: a turn begins.
    fn turn_begins(ctx: &Ctx);
    /// The event loop is about to sleep: the turn ends.
    fn turn_ends(ctx: &Ctx);
    /// The server's cron has run. It runs `hz` times a second.
    fn cron(ctx: &Ctx, hz: u64);
    /// A replica came online, or went offline.
    fn replica_changed(ctx: &Ctx, online: bool);
    /// A client connected.
    fn client_connected(client: &ClientInfo);
    /// A client disconnected.
    fn client_disconnected(client: &ClientInfo);
    /// Another module was loaded or unloaded.
    fn modules_changed(ctx: &Ctx);
    /// A setting of the server changed.
    fn config_changed();
    /// This server became a primary, or a replica.
    fn role_changed(ctx: &Ctx, primary: bool);
    /// A full synchronization begins to replace the data.
    fn data_replaced(ctx: &Ctx);
    /// A database or all are being emptied: by FLUSHALL, FLUSHDB or CLUSTER RESET.
    fn data_flushed(ctx: &Ctx);
}

/// The version of the records that events come with.
const RECORDS: u64 = 1;

impl Ctx {
    /// Subscribes to the events that the module always hears. To be called while the module is
    /// being loaded.
    ///
    /// The turns of the event loop come before the cron, and the cron is not the last one: see
    /// [`ignore_turns`](Self::ignore_turns).
    ///
    /// # Errors
    /// Which event the server does not have.
    pub fn subscribe_to_events<E: ServerEvents>(&self) -> Result<(), String> {
        // The function is the same at each load.
        let _ = TURNS.set(on_event::<E, { raw::REDISMODULE_EVENT_EVENTLOOP }>);
        self.hear_turns()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_CRON_LOOP }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_REPLICA_CHANGE }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_CLIENT_CHANGE }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_MODULE_CHANGE }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_CONFIG }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED }>()
    }

    /// Subscribes to the events that tell when data are replaced or emptied. Safe at any time, as
    /// [`hear_turns`](Self::hear_turns). Only failover groups need them, and the server searches
    /// its list of subscriptions twice in each turn: three more cost a plain SET one in a hundred
    /// of its instructions.
    ///
    /// # Errors
    /// Which event the server does not have.
    pub fn hear_data_changes<E: ServerEvents>(&self) -> Result<(), String> {
        self.subscribe::<E, { raw::REDISMODULE_EVENT_LOADING }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_FLUSHDB }>()?;
        self.subscribe::<E, { raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD }>()
    }

    fn subscribe<E: ServerEvents, const ID: u64>(&self) -> Result<(), String> {
        self.set_callback(ID, Some(on_event::<E, ID>))
    }

    /// Subscribes to the turns of the event loop, after [`ignore_turns`](Self::ignore_turns). Safe
    /// at any time: the server appends to its list of subscriptions. Possible only in a context
    /// that the server gave to the module.
    ///
    /// # Errors
    /// If the server does not have this event.
    pub fn hear_turns(&self) -> Result<(), String> {
        self.set_callback(raw::REDISMODULE_EVENT_EVENTLOOP, TURNS.get().copied())
    }

    /// Ends the subscription to the turns of the event loop. To be called only while there is one:
    /// without one, most servers would add a subscription without a function, and crash in the
    /// next turn. To be called in one of two places:
    ///
    /// * [`Waiting::served`](super::Waiting::served). No event is being told then.
    /// * [`ServerEvents::cron`].
    ///
    /// The server frees the subscription at once (`RM_SubscribeToServerEvent` in `module.c`). While
    /// it tells an event, it holds pointers to two subscriptions of its list: the present one, and
    /// the next one (`moduleFireServerEvent`). In the cron these are the module's own for the cron
    /// and for replicas. The one for turns is before them or, if it was made again, behind all that
    /// are made at load.
    pub fn ignore_turns(&self) {
        // Fails for no event that was subscribed to.
        let _ = self.set_callback(raw::REDISMODULE_EVENT_EVENTLOOP, None);
    }

    /// Subscribes to an event, or with `None` ends the subscription.
    fn set_callback(&self, id: u64, callback: raw::RedisModuleEventCallback) -> Result<(), String> {
        let event = raw::RedisModuleEvent {
            id,
            dataver: RECORDS,
        };
        // SAFETY: the context is valid, and the function is that of this event.
        let status =
            unsafe { api!(RedisModule_SubscribeToServerEvent)(self.raw(), event, callback) };
        if isize::try_from(status) != Ok(raw::REDISMODULE_OK) {
            return Err(format!("this server does not tell event {id}"));
        }
        Ok(())
    }
}

/// The function that hears the turns of the event loop.
type OnEvent =
    unsafe extern "C" fn(*mut raw::RedisModuleCtx, raw::RedisModuleEvent, u64, *mut c_void);
static TURNS: OnceLock<OnEvent> = OnceLock::new();

/// The function for event `ID`. The id is a constant, so that the choice by id costs nothing at run
/// time: the event loop has two events in each turn.
///
/// # Safety
/// Called by the server alone, for event `ID`. `data` is that event's record.
unsafe extern "C" fn on_event<E: ServerEvents, const ID: u64>(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    data: *mut c_void,
) {
    let decode = |ctx: &Ctx| match ID {
        raw::REDISMODULE_EVENT_EVENTLOOP => match which {
            raw::REDISMODULE_SUBEVENT_EVENTLOOP_AFTER_SLEEP => E::turn_begins(ctx),
            raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP => E::turn_ends(ctx),
            _ => (),
        },
        raw::REDISMODULE_EVENT_CRON_LOOP => {
            // SAFETY: the record of this event, in the version that was subscribed to.
            E::cron(ctx, unsafe { hz(data) });
        }
        raw::REDISMODULE_EVENT_REPLICA_CHANGE => {
            E::replica_changed(
                ctx,
                which == raw::REDISMODULE_SUBEVENT_REPLICA_CHANGE_ONLINE,
            );
        }
        raw::REDISMODULE_EVENT_CLIENT_CHANGE => {
            // SAFETY: the record of this event, in the version that was subscribed to.
            let client = unsafe { ClientInfo::of_event(data) };
            match (client, which) {
                (Some(client), raw::REDISMODULE_SUBEVENT_CLIENT_CHANGE_DISCONNECTED) => {
                    E::client_disconnected(&client);
                }
                (Some(client), _) => E::client_connected(&client),
                (None, _) => (),
            }
        }
        // SAFETY: the record of this event, in the version that was subscribed to.
        raw::REDISMODULE_EVENT_MODULE_CHANGE if unsafe { is_this_module(data) } => (),
        raw::REDISMODULE_EVENT_MODULE_CHANGE => E::modules_changed(ctx),
        raw::REDISMODULE_EVENT_CONFIG => E::config_changed(),
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED => {
            E::role_changed(
                ctx,
                which == raw::REDISMODULE_EVENT_REPLROLECHANGED_NOW_MASTER,
            );
        }
        raw::REDISMODULE_EVENT_FLUSHDB if which == raw::REDISMODULE_SUBEVENT_FLUSHDB_START => {
            E::data_flushed(ctx);
        }
        raw::REDISMODULE_EVENT_LOADING if which == raw::REDISMODULE_SUBEVENT_LOADING_REPL_START => {
            E::data_replaced(ctx);
        }
        // A synchronization that is loaded beside the old data, which go when it is complete.
        raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD
            if which == raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_STARTED =>
        {
            E::data_replaced(ctx);
        }
        _ => (),
    };
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, decode) };
}

/// The frequency in the record of the server's cron; 0 where there is no record.
///
/// # Safety
/// `data` is null or the record of
/// [`REDISMODULE_EVENT_CRON_LOOP`](raw::REDISMODULE_EVENT_CRON_LOOP).
unsafe fn hz(data: *mut c_void) -> u64 {
    // SAFETY: promised by the caller.
    let cron = unsafe { data.cast::<raw::RedisModuleCronLoopInfo>().as_ref() };
    cron.map_or(0, |cron| u64::try_from(cron.hz).unwrap_or(0))
}

/// Whether the record of a module's load or unload names this module. The server reports a load to
/// the loaded module as well.
///
/// # Safety
/// `data` is null or the record of
/// [`REDISMODULE_EVENT_MODULE_CHANGE`](raw::REDISMODULE_EVENT_MODULE_CHANGE).
unsafe fn is_this_module(data: *mut c_void) -> bool {
    // SAFETY: promised by the caller.
    let change = unsafe { data.cast::<raw::RedisModuleModuleChange>().as_ref() };
    let name = change.map_or(std::ptr::null(), |change| change.module_name);
    if name.is_null() {
        return false;
    }
    // SAFETY: the server's name of the module ends in a null byte, and is valid during the event.
    let name = unsafe { CStr::from_ptr(name) };
    name == crate::NAME
}
