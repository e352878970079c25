//! `SLOTHINT.WATCH token timeout-ms`
//!
//! Replies as `SLOTHINT.MAP` once the map's token differs from `token`, or with nil after the
//! timeout. A timeout of 0 waits forever. Inside MULTI or a script a client cannot wait. There the
//! reply is nil at once, as for the server's own blocking commands.

use durable_core::options::Word;
use durable_core::requirement::{parse_timeout, MAX_TIMEOUT_MS};
use durable_core::slot_map::Connection;

use super::map::token;
use super::{connection, current_map, refresh, reply, state};
use crate::config;
use crate::docs;
use crate::event_loop;
use crate::ffi::spec::Arg;
use crate::ffi::wakeup::wake_event_loop;
use crate::ffi::{Args, Command, Ctx, HandleId, Waiting};

/// The command, for the table in `commands.rs`.
pub struct SlotHintWatch;

impl Command for SlotHintWatch {
    fn run(ctx: &Ctx, args: Args<'_>) {
        let (3, Some(known), Some(ms)) = (args.len(), args.get(1), args.get(2)) else {
            ctx.reply_wrong_arity();
            return;
        };
        state::with(|hints| hints.count_request(0));
        let connection = connection::of(ctx);
        let parsed = token(known).and_then(|known| {
            let ms = timeout(ms)?;
            let map = current_map::of(ctx, connection)?;
            Ok((known, ms, map))
        });
        match parsed {
            Err(error) => ctx.reply_error_text(&error),
            Ok((known, _, map)) if known != map.token() => reply::map(ctx, &map),
            // A call of another module may have the id of a client that waits.
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
    state::with(|hints| hints.watchers.contains(client))
}

fn wait(ctx: &Ctx, connection: Connection, known: i64, ms: u64) {
    let waiting = state::with(|hints| hints.watchers.len());
    if waiting >= config::read(|config| config.max_waiters) {
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
    let deadline = (ms > 0).then(|| state::now_ms().saturating_add(ms));
    let stale = state::with(|hints| {
        let watchers = &mut hints.watchers;
        watchers.add(client, connection, known, deadline, handle)
    });
    // Only a safeguard: a blocked client executes nothing, so it cannot wait twice. If it did, its
    // first handle would go back without a reply here, instead of leaking.
    if let Some(stale) = stale {
        stale.unblock();
    }
    if event_loop::hear(ctx) {
        wake_event_loop();
    }
    refresh::arm(ctx);
}

impl Waiting for SlotHintWatch {
    /// The timeout has passed, or an operator ended the wait.
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        ctx.reply_null();
        end(ctx, handle);
    }

    fn disconnected(ctx: &Ctx, handle: HandleId) {
        end(ctx, handle);
    }
}

/// Returns the handle of this context's client to the server. A watcher that was released has no
/// handle any more, even if it left or timed out before the server served it.
fn end(ctx: &Ctx, meant: HandleId) {
    let client = ctx.client_id();
    let watcher = state::with(|hints| {
        let watchers = &mut hints.watchers;
        let is_meant = watchers.handle(client)?.id() == meant;
        is_meant.then(|| watchers.remove(client)).flatten()
    });
    if let Some(handle) = watcher {
        handle.unblock();
        // Stops the timer if this was the last watcher.
        refresh::arm(ctx);
    }
}
