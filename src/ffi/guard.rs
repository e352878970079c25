//! What every callback passes on its way from the server into the module.
//!
//! * Panics stop here. A panic that unwinds into C aborts the process (before Rust 1.81 it was
//!   undefined behaviour), and the user's data would be lost with it.
//! * Callbacks on other threads than the server's main thread stop here: see `main_thread`.

use std::ffi::{c_int, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};

use redis_module::raw;

use super::{main_thread, Args, Ctx};

/// The reply to a command that met a bug of ours.
const BROKEN: &CStr = c"ERR internal error in redis-durable, please report it; it is not known whether the command was executed";

/// The reply to a command on another thread than the main one.
const NOT_HERE: &CStr = c"ERR redis-durable is not loaded; nothing was executed";

/// Runs a callback that has to reply: a command or the timeout of a blocked client. After a panic
/// and on another thread the reply is an error.
///
/// # Safety
/// The arguments are those that the server gave to such a callback, which has not returned yet.
pub(super) unsafe fn command(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    body: impl FnOnce(&Ctx, Args<'_>),
) -> c_int {
    if !main_thread::is_here() {
        // SAFETY: promised by the caller.
        unsafe { refuse(ctx) };
        return raw::REDISMODULE_OK as c_int;
    }
    let run = || {
        // SAFETY: promised by the caller. The context and the arguments cannot leave `body`.
        if let (Some(ctx), args) = unsafe { (Ctx::new(ctx), Args::new(argv, argc)) } {
            body(&ctx, args);
        }
    };
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        // SAFETY: promised by the caller.
        unsafe { callback(ctx, report) };
    }
    raw::REDISMODULE_OK as c_int
}

#[cold]
#[inline(never)]
fn report(ctx: &Ctx) {
    ctx.log_warning("a command handler panicked, this is a bug");
    ctx.reply_error(BROKEN);
}

/// Replies that the command cannot run on this thread.
///
/// # Safety
/// As for [`command`].
#[cold]
#[inline(never)]
unsafe fn refuse(ctx: *mut raw::RedisModuleCtx) {
    // SAFETY: promised by the caller.
    if let Some(ctx) = unsafe { Ctx::new(ctx) } {
        // A question for keys has no reply.
        if !ctx.asks_for_keys() {
            ctx.reply_error(NOT_HERE);
        }
    }
}

/// Runs any other callback that gets a context. Does nothing if that is null, or on another thread.
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

/// Runs a callback that gets no context. Returns `otherwise` after a panic, and on another thread.
pub(super) fn plain<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    if !main_thread::is_here() {
        return otherwise;
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}
