//! `DURABLE.WAIT [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! A fence: answers once everything executed so far, by anyone, is acknowledged, with the number of
//! replicas that have acknowledged it.

use std::ffi::c_int;

use durable_core::options;
use redis_module::raw;

use super::admission::{admit, Refusal};
use super::docs;
use super::inner::Inner;
use super::look;
use super::wait_queue::{self, Answer};
use crate::ffi::command::Spec;
use crate::ffi::{guard, Args, Ctx};
use crate::state;

/// As errors name it.
const NAME: &str = "DURABLE.WAIT";

/// Registers the command. Its categories are those of the server's own WAIT.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let mut categories = Inner::of(ctx, "wait").unwrap_or_default().categories;
    categories.extend(category.map(str::to_owned));
    let spec = Spec {
        name: c"durable.wait".into(),
        flags: c"blocking".into(),
        arity: -1,
        categories,
        summary:
            c"Blocks until everything executed so far is acknowledged by the required replicas."
                .into(),
        complexity: c"O(1)".into(),
        args: docs::requirement(),
        ..Spec::default()
    };
    ctx.create_command(&spec, handler)
}

unsafe extern "C" fn handler(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this handler.
    unsafe { guard::command(ctx, argv, argc, wait) }
}

fn wait(ctx: &Ctx, args: Args<'_>) {
    let admitted = options::only(args.skip(1).iter())
        .map_err(Refusal::from)
        .and_then(|options| admit(ctx, options));
    match admitted {
        Ok(requirement) if requirement.need.is_nothing() => {
            // What a transaction or a script has written so far is not in the stream yet, so that nobody
            // can have acknowledged it.
            let count = if ctx.situation().denies_waiting() {
                0
            } else {
                look::look(ctx);
                acknowledged_now()
            };
            ctx.reply_integer(count);
        }
        Ok(requirement) => wait_queue::enqueue(ctx, requirement, Answer::Count, |_| ()),
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
