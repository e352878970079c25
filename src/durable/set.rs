//! `DURABLE.SET key value [SET's own options] [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! SET, answered when the requirement is met. SET's own options are whatever the running server's
//! SET takes; they are handed through untouched. The requirement options are the last ones.

use std::ffi::c_int;

use durable_core::options;
use redis_module::raw;

use super::admission::{admit, Refusal};
use super::run::run;
use crate::ffi::{guard, Args, Ctx};

/// The name under which the command is registered and named in errors.
pub const NAME: &str = "DURABLE.SET";

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
    unsafe { guard::command(ctx, argv, argc, set) }
}

fn set(ctx: &Ctx, args: Args<'_>) {
    if args.len() < 3 {
        ctx.reply_wrong_arity();
        return;
    }
    let own = args.skip(3);
    let start = options::trailing_start_in_set(own.iter());
    let admitted = options::only(own.skip(start).iter())
        .map_err(Refusal::from)
        .and_then(|options| admit(ctx, options));
    match admitted {
        // The key, the value, and SET's own options.
        Ok(requirement) => run(
            ctx,
            c"SET",
            args.skip(1).take(start.saturating_add(2)),
            requirement,
        ),
        Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
    }
}
