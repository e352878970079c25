//! `DURABLE.WAIT [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! Replies once the required replicas have acknowledged everything executed so far, by any client.
//! The reply is the number of replicas that have acknowledged it.

use durable_core::options;

use super::admission::{admit, Refusal};
use super::look;
use super::state::coordinator;
use super::waiter::Answer;
use super::waiting;
use crate::ffi::{Args, Command, Ctx};

/// The name in errors.
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
                ctx.reply_integer(acknowledged_now(ctx));
            }
            Ok(requirement) => waiting::enqueue(ctx, requirement, Answer::Count, |_| ()),
            Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
        }
    }
}

/// How many replicas have acknowledged everything executed so far.
fn acknowledged_now(ctx: &Ctx) -> i64 {
    // Inside a transaction or a script, its writes are not in the replication stream yet. No
    // replica can have acknowledged them.
    if ctx.situation().denies_waiting() {
        return 0;
    }
    look::look(ctx);
    coordinator(|coordinator| {
        let offset = coordinator.offset_to_reach();
        coordinator.acks().acknowledged(offset).into()
    })
}
