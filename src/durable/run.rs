//! The way of every durable command that carries an inner one: execute it, and hold its reply
//! until the requirement is met.

use std::ffi::CStr;

use durable_core::requirement::Requirement;

use super::wait_queue::{self, Answer};
use crate::ffi::{Args, Ctx};

/// Executes the inner command for the client and answers with its reply, at once where nothing has
/// to be waited for. The caller has admitted it.
pub fn run(ctx: &Ctx, inner: &CStr, args: Args<'_>, requirement: Requirement) {
    let Some(reply) = ctx.call_for_client(inner, args) else {
        ctx.reply_error(c"ERR the server did not execute the command");
        return;
    };
    if let Some(error) = reply.root().error() {
        reply_error_of_call(ctx, error, &reply);
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

/// Hands an error through as the plain command would have given it. Redis 7.0 words a denial of
/// its access control differently when a module calls.
fn reply_error_of_call(ctx: &Ctx, error: &[u8], reply: &crate::ffi::CallReply<'_>) {
    if error.starts_with(b"ERR acl verification failed") {
        ctx.reply_error(
            c"NOPERM this user has no permissions to run the command or to access its keys",
        );
    } else {
        ctx.reply_with(reply);
    }
}
