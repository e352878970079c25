//! `SLOTHINT key [key …]`
//!
//! Answers with the token of the map, the nodes that own these keys, and for each key its slot and
//! the index of its node, -1 where the slot has no owner.
//!
//! The keys are only hashed, never read, and are not declared as keys.

use std::ffi::c_int;

use redis_module::raw;

use super::{categories, connection, look, reply};
use crate::durable::docs;
use crate::ffi::command::Spec;
use crate::ffi::{guard, Args, Ctx};
use crate::state;

/// Registers the command.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let spec = Spec {
        name: c"slothint".into(),
        flags: c"fast allow-loading allow-stale".into(),
        arity: -2,
        categories: categories(&["fast"], category),
        summary: c"Tells which nodes own the slots of some keys.".into(),
        complexity: c"O(N) where N is the number of keys".into(),
        args: vec![docs::string(c"key"), docs::any_number(docs::string(c"key"))],
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
    unsafe { guard::command(ctx, argv, argc, hint) }
}

fn hint(ctx: &Ctx, args: Args<'_>) {
    let keys = args.skip(1);
    if keys.len() == 0 {
        ctx.reply_wrong_arity();
        return;
    }
    state::with(|state| state.slothint.count(keys.len()));
    let map = match look::map_for(ctx, connection::of(ctx)) {
        Ok(map) => map,
        Err(error) => return ctx.reply_error_text(&error),
    };
    let hint = map.hint(keys.iter());
    ctx.reply_array(3);
    ctx.reply_integer(hint.token);
    reply::nodes(ctx, hint.nodes.into_iter());
    ctx.reply_array(hint.keys.len());
    for key in &hint.keys {
        ctx.reply_array(2);
        ctx.reply_integer(key.slot.into());
        ctx.reply_integer(key.node.map_or(-1, Into::into));
    }
}
