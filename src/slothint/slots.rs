//! `SLOTHINT.SLOTS [key …]`
//!
//! Replies with the owners of these keys' slots, without keys with those of all slots, in the shape
//! of `CLUSTER SLOTS`. So clients can read the reply with the parser that they have for that. A row
//! is a range of slots; slots without an owner have none.
//!
//! The keys are hashed and never read. They are not declared as keys: see `commands.rs`.

use super::{connection, current_map, reply, state};
use crate::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx};

/// The command, for the table in `commands.rs`.
pub struct SlotHintSlots;

impl Command for SlotHintSlots {
    fn run(ctx: &Ctx, args: Args<'_>) {
        let keys = args.skip(1);
        state::with(|hints| hints.count_request(keys.len()));
        let map = match current_map::of(ctx, connection::of(ctx)) {
            Ok(map) => map,
            Err(error) => return ctx.reply_error_text(&error),
        };
        if keys.len() == 0 {
            reply::rows(ctx, &map, map.ranges());
        } else {
            reply::rows(ctx, &map, &map.ranges_of(keys.iter()));
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![docs::any_number(docs::string(c"key"))]
}
