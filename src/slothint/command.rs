//! `SLOTHINT key [key …]`
//!
//! Replies with the token of the map, the nodes that own these keys, and for each key its slot and
//! the index of its node, or -1 if the slot has no owner.
//!
//! The keys are hashed and never read. They are not declared as keys: see `commands.rs`.

use super::{connection, current_map, pairs, reply, state};
use crate::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx};

/// The command, for the table in `commands.rs`.
pub struct SlotHint;

impl Command for SlotHint {
    fn run(ctx: &Ctx, args: Args<'_>) {
        if pairs::reply_to_own_call(ctx, args) {
            return;
        }
        let keys = args.skip(1);
        state::with(|hints| hints.count_request(keys.len()));
        let map = match current_map::of(ctx, connection::of(ctx)) {
            Ok(map) => map,
            Err(error) => return ctx.reply_error_text(&error),
        };
        let hint = map.hint(keys.iter());
        ctx.reply_array(3);
        ctx.reply_integer(hint.token);
        reply::nodes(ctx, hint.nodes.iter().copied());
        let is_whole = hint.nodes.len() == map.owners().len();
        pairs::reply(
            ctx,
            &hint.keys,
            is_whole && !ctx.situation().denies_waiting(),
        );
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![docs::string(c"key"), docs::any_number(docs::string(c"key"))]
}
