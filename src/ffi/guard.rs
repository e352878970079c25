//! What stands between the server and a panic. Unwinding into C is undefined behaviour, and since
//! Rust 1.81 it aborts: with it would go the process that holds the user's data.

use std::ffi::{c_int, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};

use redis_module::raw;

use super::{Args, Ctx};

/// Said to a client whose command met a bug of ours.
const BROKEN: &CStr = c"ERR internal error in redis-durable, please report it; it is not known whether the command was executed";

/// Runs a command handler.
///
/// # Safety
/// The arguments are those that the server gave to a command handler or a callback of a blocked
/// client, which has not returned yet.
pub unsafe fn command(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    body: impl FnOnce(&Ctx, Args<'_>),
) -> c_int {
    // SAFETY: promised by the caller.
    unsafe {
        callback(ctx, |ctx| {
            let args = Args::new(argv, argc);
            if catch_unwind(AssertUnwindSafe(|| body(ctx, args))).is_err() {
                ctx.log_warning("a command handler panicked, this is a bug");
                ctx.reply_error(BROKEN);
            }
        });
    }
    raw::REDISMODULE_OK as c_int
}

/// Runs any other callback that gets a context.
///
/// # Safety
/// `ctx` is the context that the server gave to the callback, which has not returned yet.
pub unsafe fn callback(ctx: *mut raw::RedisModuleCtx, body: impl FnOnce(&Ctx)) {
    plain((), || {
        // SAFETY: promised by the caller.
        if let Some(ctx) = unsafe { Ctx::new(ctx) } {
            body(&ctx);
        }
    });
}

/// Runs a callback that gets no context; `otherwise` is its answer after a panic.
pub fn plain<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}
