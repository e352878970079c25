//! The way of every durable command that carries an inner one: execute it, and hold its reply
//! until the requirement is met.

use std::ffi::CStr;

use durable_core::requirement::Requirement;

use super::call;
use super::wait_queue::{self, Answer};
use crate::ffi::{Args, CallReply, Ctx, Memory};

/// An inner command.
#[derive(Clone, Copy)]
pub struct Inner<'a> {
    /// Its name.
    pub command: &'a CStr,
    /// Its arguments.
    pub args: Args<'a>,
    /// Whether the server has looked at `maxmemory` already.
    pub memory: Memory,
    /// Whether the server was told of two of its keys only, which stand for all.
    pub may_be_split: bool,
}

/// Executes the inner command for the client and answers with its reply, at once where nothing has
/// to be waited for. The caller has admitted it.
pub fn run(ctx: &Ctx, inner: Inner<'_>, requirement: Requirement) {
    let Some(reply) = ctx.call_for_client(inner.command, inner.args, inner.memory) else {
        ctx.reply_error(c"ERR the server did not execute the command");
        return;
    };
    if let Some(error) = reply.error() {
        reply_error_of_call(ctx, inner, error, &reply);
        return;
    }
    if requirement.need.is_nothing() {
        ctx.reply_with(&reply);
        return;
    }
    wait_queue::enqueue(ctx, requirement, Answer::Held, |blocked| {
        blocked.hold_reply(&reply);
    });
}

/// Hands an error through as the plain command would have given it. A module's call is worded otherwise where some of
/// the keys are here and some are not, and on Redis 7.0 for a denial of access control.
fn reply_error_of_call(ctx: &Ctx, inner: Inner<'_>, error: &[u8], reply: &CallReply<'_>) {
    // By the keys that it was told of this node is the right one. So there are others, of the same slot, which moves.
    if inner.may_be_split && error.starts_with(b"ERR Attempted to access a non local key") {
        return ctx.reply_error(c"TRYAGAIN Multiple keys request during rehashing of slot");
    }
    let Some(why) = error.strip_prefix(b"ERR acl verification failed, ".as_slice()) else {
        return ctx.reply_with(reply);
    };
    let denied = if why.starts_with(b"can't run") {
        format!(
            "run the '{}' command",
            call::full_name(inner.command, inner.args)
        )
    } else if why.starts_with(b"can't publish") {
        "access one of the channels used as arguments".into()
    } else {
        "access one of the keys used as arguments".into()
    };
    ctx.reply_error_text(&format!("NOPERM this user has no permissions to {denied}"));
}
