//! `SLOTHINT.WATCH token timeout-ms`
//!
//! Answers as `SLOTHINT.MAP` once the map's token differs from `token`, or with nil when the time is
//! over; a timeout of 0 never is. Where a client cannot wait, inside MULTI or a script, the time is
//! over at once, as with the server's own blocking commands.

use std::ffi::c_int;

use durable_core::options::Word;
use durable_core::requirement::{parse_timeout, MAX_TIMEOUT_MS};
use durable_core::slot_map::Connection;
use redis_module::raw;

use super::map::token;
use super::{categories, connection, look, reply, rhythm};
use crate::durable::docs;
use crate::ffi::command::Spec;
use crate::ffi::{guard, Args, Ctx};
use crate::state;

/// Registers the command.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let spec = Spec {
        name: c"slothint.watch".into(),
        flags: c"blocking allow-loading allow-stale".into(),
        arity: 3,
        categories: categories(&["slow", "blocking"], category),
        summary: c"Blocks until other nodes own the slots than the caller knows.".into(),
        complexity: c"O(N) where N is the number of ranges and nodes".into(),
        args: vec![docs::integer(c"token"), docs::integer(c"timeout-ms")],
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
    unsafe { guard::command(ctx, argv, argc, watch) }
}

fn watch(ctx: &Ctx, args: Args<'_>) {
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
    let Some(handle) = ctx.block(Some(on_timeout), Some(on_disconnect)) else {
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

/// The time is over, or an operator ended the wait. The server expects a reply.
unsafe extern "C" fn on_timeout(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this callback.
    unsafe {
        guard::command(ctx, argv, argc, |ctx, _| {
            ctx.reply_null();
            end(ctx, ctx.blocked_handle());
        })
    }
}

/// A watcher left, was killed, or is being answered by the server itself.
unsafe extern "C" fn on_disconnect(
    ctx: *mut raw::RedisModuleCtx,
    handle: *mut raw::RedisModuleBlockedClient,
) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, |ctx| end(ctx, handle)) };
}

/// Gives the handle of this context's client back. There is none for one that was released and left, or was
/// timed out, before it was served.
fn end(ctx: &Ctx, about: *mut raw::RedisModuleBlockedClient) {
    let client = ctx.client_id();
    let watcher = state::with(|state| {
        let watchers = &mut state.slothint.watchers;
        let is_meant = watchers.handle(client)?.is(about);
        is_meant.then(|| watchers.remove(client)).flatten()
    });
    if let Some(Some(handle)) = watcher {
        handle.unblock();
        // With nobody left the timer is stopped at once.
        rhythm::arm(ctx);
    }
}
