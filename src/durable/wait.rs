//! `DURABLE.WAIT [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! A fence: answers once everything executed so far, by anyone, is acknowledged, with the number of
//! replicas that have acknowledged it.

use std::ffi::c_int;

use durable_core::options;
use redis_module::raw;

use super::admission::{admit, Refusal};
use super::turn;
use super::wait_queue::{self, Answer};
use crate::ffi::{guard, Args, Ctx};
use crate::state;

/// The name under which the command is registered and named in errors.
pub const NAME: &str = "DURABLE.WAIT";

/// The command's handler.
///
/// # Safety
/// Called by the server, as a command handler.
pub unsafe extern "C" fn handler(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are the server's own.
    unsafe { guard::command(ctx, argv, argc, wait) }
}

fn wait(ctx: &Ctx, args: Args<'_>) {
    let admitted = options::only(args.skip(1).iter())
        .map_err(Refusal::from)
        .and_then(|options| admit(ctx, options));
    match admitted {
        Ok(requirement) if requirement.need.is_nothing() => {
            turn::look(ctx);
            ctx.reply_integer(acknowledged_now());
        }
        Ok(requirement) => wait_queue::enqueue(ctx, requirement, Answer::Count, |_| ()),
        Err(Refusal::CannotWait) => ctx.reply_error(
            c"ERR DURABLE.WAIT cannot wait inside MULTI or a script; nothing was executed, use it after them",
        ),
        Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
    }
}

/// How many replicas have acknowledged the stream's end as it is at this moment.
fn acknowledged_now() -> i64 {
    state::with(|state| {
        let target = state.requests.target(state.replicas.offset());
        state.replicas.acks().acknowledged(target).into()
    })
    .unwrap_or(0)
}
