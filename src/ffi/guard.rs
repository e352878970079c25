//! Stops panics before they reach the server. Unwinding into C is undefined behaviour; since Rust
//! 1.81 it aborts the process, and with it the user's data would go.

use std::ffi::{c_int, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};

use redis_module::raw;

use super::{Args, Ctx};

/// The reply to a command that met a bug of ours.
const BROKEN: &CStr = c"ERR internal error in redis-durable, please report it; it is not known whether the command was executed";

/// Runs a callback that has to reply: a command or the timeout of a blocked client. After a panic
/// the reply is an error.
///
/// # Safety
/// The arguments are those that the server gave to such a callback, which has not returned yet.
pub(super) unsafe fn command(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    body: impl FnOnce(&Ctx, Args<'_>),
) -> c_int {
    // SAFETY: promised by the caller. The arguments cannot leave `body`.
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

/// Runs any other callback that gets a context. Does nothing if that is null.
///
/// # Safety
/// `ctx` is null or the context that the server gave to the callback, which has not returned yet.
pub(super) unsafe fn callback(ctx: *mut raw::RedisModuleCtx, body: impl FnOnce(&Ctx)) {
    plain((), || {
        // SAFETY: promised by the caller. The context cannot leave `body`.
        if let Some(ctx) = unsafe { Ctx::new(ctx) } {
            body(&ctx);
        }
    });
}

/// Runs a callback that gets no context. Returns `otherwise` after a panic.
pub(super) fn plain<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}
