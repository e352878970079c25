//! `SLOTHINT.WATCH token timeout-ms`
//!
//! Answers as `SLOTHINT.MAP` once the map's token differs from `token`, or with nil when the time is
//! over; a timeout of 0 never is. Where a client cannot wait, inside MULTI or a script, the time is
//! over at once, as with the server's own blocking commands.

use durable_core::options::Word;
use durable_core::requirement::{parse_timeout, MAX_TIMEOUT_MS};
use durable_core::slot_map::Connection;

use super::map::token;
use super::{connection, look, reply, rhythm};
use crate::durable::docs;
use crate::ffi::spec::Arg;
use crate::ffi::{Args, Command, Ctx, HandleId, Waiting};
use crate::state;

/// The command, for the table in `commands.rs`.
pub struct SlotHintWatch;

impl Command for SlotHintWatch {
    fn run(ctx: &Ctx, args: Args<'_>) {
        let (3, Some(known), Some(ms)) = (args.len(), args.get(1), args.get(2)) else {
            ctx.reply_wrong_arity();
            return;
        };
        state::with(|state| state.slothint.count(0));
        let connection = connection::of(ctx);
        let asked = token(known).and_then(|known| {
            let ms = timeout(ms)?;
            let map = look::map_for(ctx, connection)?;
            Ok((known, ms, map))
        });
        match asked {
            Err(error) => ctx.reply_error_text(&error),
            Ok((known, _, map)) if known != map.token() => reply::map(ctx, &map),
            // A module's call may come under the id of a client that waits.
            Ok(_) if ctx.situation().denies_waiting() || is_watching(ctx) => ctx.reply_null(),
            Ok((known, ms, _)) => wait(ctx, connection, known, ms),
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    vec![docs::integer(c"token"), docs::integer(c"timeout-ms")]
}

fn timeout(word: &[u8]) -> Result<u64, String> {
    parse_timeout(word).ok_or_else(|| {
        let word = Word::new(word);
        format!(
            "ERR invalid timeout-ms '{word}', accepted are 0 to {MAX_TIMEOUT_MS} milliseconds, 0 for ever"
        )
    })
}

fn is_watching(ctx: &Ctx) -> bool {
    let client = ctx.client_id();
    state::with(|state| state.slothint.watchers.contains(client)) == Some(true)
}

fn wait(ctx: &Ctx, connection: Connection, known: i64, ms: u64) {
    let full = state::with(|state| {
        let waiting = state.slothint.watchers.len();
        (waiting >= state.config.max_waiters).then_some(waiting)
    });
    if let Some(Some(waiting)) = full {
        ctx.reply_error_text(&format!(
            "OVERLOADED {waiting} clients are already watching; nothing was executed"
        ));
        return;
    }
    let client = ctx.client_id();
    let Some(handle) = ctx.block::<SlotHintWatch>() else {
        ctx.reply_error(c"ERR the server could not block the client");
        return;
    };
    let stale = state::with(|state| {
        let now = state.now() / 1000;
        let deadline = (ms > 0).then(|| now.saturating_add(ms));
        let watchers = &mut state.slothint.watchers;
        watchers.add(client, connection, known, deadline, handle)
    });
    // A blocked client executes nothing, so that it cannot come a second time. If it did, its
    // first handle would go back unanswered rather than leak.
    if let Some(Some(stale)) = stale {
        stale.unblock();
    }
    rhythm::arm(ctx);
}

impl Waiting for SlotHintWatch {
    /// The time is over, or an operator ended the wait.
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        ctx.reply_null();
        end(ctx, handle);
    }

    fn disconnected(ctx: &Ctx, handle: HandleId) {
        end(ctx, handle);
    }
}

/// Gives the handle of this context's client back. There is none for one that was released and left, or was
/// timed out, before it was served.
fn end(ctx: &Ctx, about: HandleId) {
    let client = ctx.client_id();
    let watcher = state::with(|state| {
        let watchers = &mut state.slothint.watchers;
        let is_meant = watchers.handle(client)?.id() == about;
        is_meant.then(|| watchers.remove(client)).flatten()
    });
    if let Some(Some(handle)) = watcher {
        handle.unblock();
        // With nobody left the timer is stopped at once.
        rhythm::arm(ctx);
    }
}
