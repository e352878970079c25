//! The least possible module that lets a write wait for an acknowledgement. **It exists for
//! benchmarks only. It loses data. Never use it for data.**
//!
//! `LEAST.SET key value` is SET, with the reply sent when an acknowledgement arrives: any one. It
//! may be from a replica that lacks the write, or from a client that is no replica. There are no
//! offsets, no replicas, no timeouts and no permissions here. So the benchmarks show what the
//! server's module API costs by itself, and how far redis-durable is from that floor. Each step is
//! the cheapest that was found on Redis 7.0.15.

#![warn(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

mod state;

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::{mem, slice};

use redis_module::raw;

use state::STATE;

const OK: c_int = raw::REDISMODULE_OK as c_int;
const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// The function behind a call of the server's API. If the server lacks it, the caller returns. All
/// servers have it that tell the turns of their event loop, which the load requires.
macro_rules! api {
    ($name:ident $(or $otherwise:expr)?) => {{
        // SAFETY: the initializer writes the table of calls before any other code of the module
        // runs. Later code only reads it.
        #[allow(unused_unsafe)]
        let function = unsafe { raw::$name };
        match function {
            Some(function) => function,
            None => return $($otherwise)?,
        }
    }};
}

/// Loads the module.
///
/// # Safety
/// Called by the server alone.
#[no_mangle]
#[allow(non_snake_case)]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    let version = raw::REDISMODULE_APIVER_1 as c_int;
    // SAFETY: the context is the server's, and the name is static. This fills the table of calls.
    let status = unsafe { raw::Export_RedisModule_Init(ctx, c"least".as_ptr(), 1, version) };
    if status != OK {
        return ERR;
    }
    let (id, dataver) = (raw::REDISMODULE_EVENT_EVENTLOOP, 1);
    let turns = raw::RedisModuleEvent { id, dataver };
    let (name, flags) = (c"LEAST.SET".as_ptr(), c"write deny-oom".as_ptr());
    // With this flag the server does not show the filter the module's own calls.
    let noself = raw::REDISMODULE_CMDFILTER_NOSELF as c_int;
    // SAFETY: the context is that of the load. The server copies the texts, and drops the functions
    // when it unloads the module. Null is no blocked client, and the context that is made for it is
    // never freed, because the kept reply refers to it.
    let (set, turns, filter, ok) = unsafe {
        let own = api!(RedisModule_GetThreadSafeContext or ERR)(ptr::null_mut());
        (
            api!(RedisModule_CreateCommand or ERR)(ctx, name, Some(set), flags, 1, 1, 1),
            api!(RedisModule_SubscribeToServerEvent or ERR)(ctx, turns, Some(on_turn)),
            api!(RedisModule_RegisterCommandFilter or ERR)(ctx, Some(on_command), noself),
            api!(RedisModule_Call or ERR)(own, c"UNWATCH".as_ptr(), c"".as_ptr()),
        )
    };
    STATE.with(|state| state.ok = NonNull::new(ok));
    if set == OK && turns == OK && !filter.is_null() && !ok.is_null() {
        OK
    } else {
        ERR
    }
}

/// `LEAST.SET key value`: writes, and lets the client wait.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn set(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server gives a handler this many words, at least the command's name.
    let words = unsafe { slice::from_raw_parts(argv, usize::try_from(argc).unwrap_or(0)) };
    let &[_, key, value] = words else {
        // SAFETY: the context is that of a running command.
        return unsafe { api!(RedisModule_WrongArity or ERR)(ctx) };
    };
    let (name, format) = (c"SET".as_ptr(), c"!ss".as_ptr());
    // The value is the client's own string. A copy would cost 500 instructions more. redis-durable
    // has to copy: the client would share the string with the data for as long as it waits, and a
    // thread of the server that frees data must not free a shared string.
    // SAFETY: the words are valid, and each `s` takes a string of the server. `!` replicates.
    let reply = unsafe { api!(RedisModule_Call or ERR)(ctx, name, format, key, value) };
    if reply.is_null() {
        let error = c"ERR the server did not execute SET".as_ptr();
        // SAFETY: the context is valid, and the server copies the text.
        return unsafe { api!(RedisModule_ReplyWithError or ERR)(ctx, error) };
    }
    // SAFETY: the reply was just made. The context is that of a running command. There is no
    // timeout and no private data.
    let (handle, db) = unsafe {
        api!(RedisModule_FreeCallReply or ERR)(reply);
        let block = api!(RedisModule_BlockClient or ERR);
        let handle = block(ctx, Some(on_unblocked), None, None, 0);
        (handle, api!(RedisModule_GetSelectedDb or ERR)(ctx))
    };
    // If there is none, the server has replied by itself.
    if let Some(handle) = NonNull::new(handle) {
        STATE.with(|state| {
            state.waiting.push(handle);
            state.unasked = Some(db);
        });
    }
    OK
}

/// The event loop is about to sleep: requests acknowledgements if clients began to wait.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_turn(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    which: u64,
    _data: *mut c_void,
) {
    if which != raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP {
        return;
    }
    let Some(db) = STATE.with(|state| state.unasked).flatten() else {
        return;
    };
    let (name, format) = (c"REPLCONF".as_ptr(), c"Acc".as_ptr());
    // SAFETY: the context is valid, and each `c` takes a text that ends in a null byte. While
    // traffic to the replicas is paused, the server aborts if a module replicates. `A` keeps the
    // request out of the append-only file. In another database than that of the last write it would
    // need a SELECT.
    unsafe {
        if api!(RedisModule_AvoidReplicaTraffic)() != 0 {
            return;
        }
        api!(RedisModule_SelectDb)(ctx, db);
        api!(RedisModule_Replicate)(ctx, name, format, c"GETACK".as_ptr(), c"*".as_ptr());
    }
    STATE.with(|state| state.unasked = None);
}

/// A command is about to be executed. At an acknowledgement all clients that wait are unblocked.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_command(command: *mut raw::RedisModuleCommandFilterCtx) {
    let waits = STATE.with(|state| !state.waiting.is_empty());
    if waits != Some(true) || !is(command, 0, b"REPLCONF") || !is(command, 1, b"ACK") {
        return;
    }
    let unblock = api!(RedisModule_UnblockClient);
    let Some(mut waiting) = STATE.with(|state| mem::take(&mut state.waiting)) else {
        return;
    };
    for handle in waiting.drain(..) {
        // SAFETY: the handle goes back once, because it is taken out of the only list.
        unsafe { unblock(handle.as_ptr(), ptr::null_mut()) };
    }
    // The memory of the list is used again.
    STATE.with(|state| state.waiting = waiting);
}

/// Whether this word of a command that the filter sees is `word`, in any case.
fn is(command: *mut raw::RedisModuleCommandFilterCtx, index: c_int, word: &[u8]) -> bool {
    let mut len = 0;
    // SAFETY: the filter's context is valid. The server returns null for an index beyond the end,
    // stores a length and returns as many bytes, which stay while the filter runs.
    let found = unsafe {
        let string = api!(RedisModule_CommandFilterArgGet or false)(command, index);
        if string.is_null() {
            return false;
        }
        let bytes = api!(RedisModule_StringPtrLen or false)(string, &mut len);
        slice::from_raw_parts(bytes.cast::<u8>(), len)
    };
    found.eq_ignore_ascii_case(word)
}

/// The server serves a client that was unblocked. To send the reply of a call costs less than to
/// send a simple string, whose text Redis 7.0.15 copies first.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_unblocked(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    let Some(ok) = STATE.with(|state| state.ok).flatten() else {
        return ERR;
    };
    // SAFETY: the context is valid, and the reply is never freed. The server copies it.
    unsafe { api!(RedisModule_ReplyWithCallReply or ERR)(ctx, ok.as_ptr()) }
}
