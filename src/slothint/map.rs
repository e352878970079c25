//! `SLOTHINT.MAP [token]`
//!
//! Replies with the whole map, or with nil if `token` is still current.

use durable_core::options::Word;
use durable_core::slot_map::parse_token;

use super::{connection, current_map, reply, state};
use crate::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx};

/// The command, for the table in `commands.rs`.
pub struct SlotHintMap;

impl Command for SlotHintMap {
    fn run(ctx: &Ctx, args: Args<'_>) {
        if args.len() > 2 {
            ctx.reply_wrong_arity();
            return;
        }
        state::with(|hints| hints.count_request(0));
        let answer = args.get(1).map(token).transpose().and_then(|known| {
            let map = current_map::of(ctx, connection::of(ctx))?;
            Ok((map, known))
        });
        match answer {
            Err(error) => ctx.reply_error_text(&error),
            Ok((map, known)) if known == Some(map.token()) => ctx.reply_null(),
            Ok((map, _)) => reply::map(ctx, &map),
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![docs::optional(docs::integer(c"token"))]
}

/// Reads a token.
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
