//! `SLOTHINT.MAP [token]`
//!
//! Answers with the whole map, or with nil when `token` is that of the map as it is.

use std::ffi::c_int;

use durable_core::options::Word;
use durable_core::slot_map::parse_token;
use redis_module::raw;

use super::{categories, connection, look, reply};
use crate::durable::docs;
use crate::ffi::command::{Arg, Spec};
use crate::ffi::{guard, Args, Ctx};
use crate::state;

/// Registers the command.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let known = Arg {
        flags: c_int::try_from(raw::REDISMODULE_CMD_ARG_OPTIONAL).unwrap_or(0),
        ..docs::integer(c"token")
    };
    let spec = Spec {
        name: c"slothint.map".into(),
        flags: c"allow-loading allow-stale".into(),
        arity: -1,
        categories: categories(&["slow"], category),
        summary: c"Tells which nodes own which slots, unless the caller knows.".into(),
        complexity: c"O(N) where N is the number of ranges and nodes".into(),
        args: vec![known],
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
    unsafe { guard::command(ctx, argv, argc, map) }
}

fn map(ctx: &Ctx, args: Args<'_>) {
    if args.len() > 2 {
        ctx.reply_wrong_arity();
        return;
    }
    state::with(|state| state.slothint.count(0));
    let answer = args.get(1).map(token).transpose().and_then(|known| {
        let map = look::map_for(ctx, connection::of(ctx))?;
        Ok((map, known))
    });
    match answer {
        Err(error) => ctx.reply_error_text(&error),
        Ok((map, known)) if known == Some(map.token()) => ctx.reply_null(),
        Ok((map, _)) => reply::map(ctx, &map),
    }
}

/// Reads a token that a client gives back.
///
/// # Errors
/// The error to reply with.
pub fn token(word: &[u8]) -> Result<i64, String> {
    parse_token(word).ok_or_else(|| {
        let max = i64::MAX;
        let word = Word::new(word);
        format!("ERR invalid token '{word}', accepted are 0 to {max}")
    })
}
