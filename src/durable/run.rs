//! Executes an inner command. The server holds the reply until the requirement is met.

use std::ffi::CStr;

use durable_core::common_reply::CommonReply;
use durable_core::requirement::Requirement;

use super::call::registry;
use super::state::coordinator;
use super::waiter::Answer;
use super::waiting;
use crate::ffi::{Args, CallReply, Ctx, Memory};

/// A command that runs inside a durable one.
#[derive(Clone, Copy)]
pub struct InnerCommand<'a> {
    /// Its name.
    pub name: &'a CStr,
    /// Its arguments.
    pub args: Args<'a>,
    /// The first argument is a key.
    pub key_first: bool,
    /// Whether the server has checked `maxmemory` for it.
    pub memory: Memory,
}

/// Executes an inner command for the client, and replies once the requirement is met. An error is
/// sent at once. The caller has admitted the command.
pub fn run(ctx: &Ctx, inner: InnerCommand<'_>, requirement: Requirement) {
    if let Some(reply) = execute(ctx, inner, |_| None) {
        answer(ctx, requirement, &reply);
    }
}

/// Executes an inner command for the client. Returns its reply, to be sent by [`answer`]. An error
/// is sent here, and `None` is returned: `replacement` returns the error to send instead of an
/// error of the server, or `None` to send that error itself.
pub fn execute<'ctx>(
    ctx: &'ctx Ctx,
    inner: InnerCommand<'_>,
    replacement: impl FnOnce(&[u8]) -> Option<&'static CStr>,
) -> Option<CallReply<'ctx>> {
    let Some(reply) = ctx.call_for_client(inner.name, inner.args, inner.key_first, inner.memory)
    else {
        ctx.reply_error(c"ERR the server did not execute the command");
        return None;
    };
    // The family's commands are the server's own, which do not serve others meanwhile.
    if !inner.key_first {
        coordinator(|coordinator| coordinator.may_have_missed());
    }
    let Some(error) = reply.error() else {
        return Some(reply);
    };
    match replacement(error) {
        Some(other) => ctx.reply_error(other),
        None => reply_error(ctx, inner, error, &reply),
    }
    None
}

/// Replies once the requirement is met.
pub fn answer(ctx: &Ctx, requirement: Requirement, reply: &CallReply<'_>) {
    if requirement.need.is_nothing() {
        return ctx.reply_with(reply);
    }
    let common = CommonReply::of(reply.protocol());
    let answer = common.map_or(Answer::Held, Answer::Common);
    waiting::enqueue(ctx, requirement, answer, |blocked| {
        blocked.hold_reply(reply);
    });
}

/// Replies with the error of the plain command. If access control denies a module's call, Redis 7.0
/// returns another text than for a client's command. This function translates it back.
fn reply_error(ctx: &Ctx, inner: InnerCommand<'_>, error: &[u8], reply: &CallReply<'_>) {
    let Some(why) = error.strip_prefix(b"ERR acl verification failed, ".as_slice()) else {
        return ctx.reply_with(reply);
    };
    let denied = if why.starts_with(b"can't run") {
        format!(
            "run the '{}' command",
            registry::full_name(inner.name, inner.args)
        )
    } else if why.starts_with(b"can't publish") {
        "access one of the channels used as arguments".into()
    } else {
        "access one of the keys used as arguments".into()
    };
    ctx.reply_error_text(&format!("NOPERM this user has no permissions to {denied}"));
}
