//! `DURABLE.WAIT [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! A fence: answers once everything executed so far, by anyone, is acknowledged, with the number of
//! replicas that have acknowledged it.

use durable_core::options;

use super::admission::{admit, Refusal};
use super::look;
use super::wait_queue::{self, Answer};
use crate::ffi::{Args, Command, Ctx};
use crate::state;

/// As errors name it.
const NAME: &str = "DURABLE.WAIT";

/// The command, for the table in `commands.rs`.
pub struct DurableWait;

impl Command for DurableWait {
    fn run(ctx: &Ctx, args: Args<'_>) {
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
}

/// How many replicas have acknowledged the stream's end as it is at this moment.
fn acknowledged_now() -> i64 {
    state::with(|state| {
        let target = state.requests.target(state.replicas.offset());
        state.replicas.acks().acknowledged(target).into()
    })
    .unwrap_or(0)
}
