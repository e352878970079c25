//! What the server calls when it loads and unloads the module, and the allocator.

use std::ffi::{c_char, c_int};

use redis_module::alloc::RedisAlloc;
use redis_module::raw;

use super::{guard, main_thread, settings, Args};
use crate::{load, NAME, VERSION};

/// What the module allocates is counted in the server's `used_memory`.
#[global_allocator]
static ALLOCATOR: RedisAlloc = RedisAlloc;

/// Loads the module. The server's allocator is unknown until the initializer has run, so nothing is
/// allocated before.
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
    // The initializer takes the name as a mutable pointer and only reads it.
    let name = NAME.as_ptr().cast::<c_char>();
    let version = raw::REDISMODULE_APIVER_1 as c_int;
    // SAFETY: the context is the server's, and the name is static. This fills the table of the
    // server's calls. A second load fills it again with the same functions.
    let status = unsafe { raw::Export_RedisModule_Init(ctx, name, VERSION, version) };
    if status != raw::REDISMODULE_OK as c_int {
        main_thread::load();
        // The initializer fails only where the server has a module of that name. Most likely that
        // is this very library: its variables are in use and must not be touched.
        // SAFETY: the context is the server's, and the table of its calls is filled.
        unsafe { guard::callback(ctx, load::refuse_second) };
        return raw::REDISMODULE_ERR as c_int;
    }
    main_thread::load();
    let mut loaded = false;
    // SAFETY: the context and the arguments are the server's, valid until this function returns.
    unsafe {
        guard::callback(ctx, |ctx| loaded = load::load(ctx, Args::new(argv, argc)));
    }
    if !loaded {
        guard::plain((), settings::forget);
    }
    status_of(loaded)
}

/// Unloads the module, or refuses to. The server calls this only while no client is blocked by the
/// module and none of its timers is armed.
///
/// # Safety
/// Called by the server alone, on its main thread.
#[no_mangle]
#[allow(non_snake_case)]
pub unsafe extern "C" fn RedisModule_OnUnload(ctx: *mut raw::RedisModuleCtx) -> c_int {
    let mut unloaded = false;
    // SAFETY: the context is the server's, valid until this function returns.
    unsafe { guard::callback(ctx, |ctx| unloaded = load::unload(ctx)) };
    if unloaded {
        guard::plain((), settings::forget);
    }
    status_of(unloaded)
}

fn status_of(done: bool) -> c_int {
    let status = if done {
        raw::REDISMODULE_OK
    } else {
        raw::REDISMODULE_ERR
    };
    status as c_int
}
