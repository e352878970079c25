//! Executes an inner command. The server holds the reply until the requirement is met.

use std::ffi::CStr;

use durable_core::requirement::Requirement;

use super::call::registry;
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
    /// Whether the server has checked `maxmemory` for it.
    pub memory: Memory,
}

/// Executes an inner command for the client. The reply is sent once the requirement is met. An
/// error is sent at once. The caller has admitted the command.
pub fn run(ctx: &Ctx, inner: InnerCommand<'_>, requirement: Requirement) {
    run_replacing_error(ctx, inner, requirement, |_| None);
}

/// As [`run`]. `replacement` gets an error of the server, and returns the error to send instead of
/// it. If it returns `None`, the server's error is sent.
pub fn run_replacing_error(
    ctx: &Ctx,
    inner: InnerCommand<'_>,
    requirement: Requirement,
    replacement: impl FnOnce(&[u8]) -> Option<&'static CStr>,
) {
    let Some(reply) = ctx.call_for_client(inner.name, inner.args, inner.memory) else {
        ctx.reply_error(c"ERR the server did not execute the command");
        return;
    };
    if let Some(error) = reply.error() {
        match replacement(error) {
            Some(other) => ctx.reply_error(other),
            None => reply_error(ctx, inner, error, &reply),
        }
        return;
    }
    if requirement.need.is_nothing() {
        ctx.reply_with(&reply);
        return;
    }
    waiting::enqueue(ctx, requirement, Answer::Held, |blocked| {
        blocked.hold_reply(&reply);
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
