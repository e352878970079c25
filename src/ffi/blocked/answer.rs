//! Common replies to clients that waited: the server calls back for the reply when it serves the
//! client. The private data of the handle is the number of the reply.
//!
//! The server does not call back for a client that has left, timed out, or got an error from the
//! server: by then the handle has no client (`moduleHandleBlockedClients` in `module.c`).

use std::ffi::{c_int, c_void, CStr};
use std::ptr;

use durable_core::common_reply::CommonReply;
use redis_module::raw;

use super::super::{guard, Ctx};
use super::Waiting;

/// The reply to a client whose handle went back without a reply. This is only a safeguard: a
/// handle that goes back so belongs to a client that has already got an error.
const NO_REPLY: &CStr =
    c"UNACKED the wait ended early; applied on the primary, may still reach the replicas";

/// The reply as private data.
pub(super) fn private_data(reply: CommonReply) -> *mut c_void {
    // On a processor of 32 bits, a number that does not fit is no reply.
    let number = isize::try_from(reply.number()).unwrap_or(0);
    ptr::without_provenance_mut(number.cast_unsigned())
}

/// # Safety
/// Called by the server alone.
pub(super) unsafe extern "C" fn on_reply<W: Waiting>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this callback. The private data is
    // only read as a number.
    let status = unsafe {
        guard::command(ctx, argv, argc, |ctx, _| {
            let data = api!(RedisModule_GetBlockedClientPrivateData)(ctx.raw());
            let number = data.addr().cast_signed();
            let reply = i64::try_from(number).ok().and_then(CommonReply::of_number);
            send(ctx, reply);
        })
    };
    if W::awaits_serving() {
        // Guarded apart: after a panic here, the client must not get a second reply.
        // SAFETY: the context is the one that the server gave to this callback.
        unsafe { guard::callback(ctx, W::served) };
    }
    status
}

fn send(ctx: &Ctx, reply: Option<CommonReply>) {
    match reply {
        Some(CommonReply::Ok) => ctx.reply_ok(),
        Some(CommonReply::Null) => ctx.reply_null(),
        Some(CommonReply::Integer(value)) => ctx.reply_integer(value),
        None => ctx.reply_error(NO_REPLY),
    }
}
