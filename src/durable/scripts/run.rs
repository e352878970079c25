//! Runs one script from a timer, for a client that is blocked.
//!
//! Everything that was checked when the script arrived is checked again: time has passed since.

use std::ffi::CStr;

use durable_core::once::record::{self, NoReply};
use durable_core::once::Digest;
use durable_core::requirement::Requirement;
use durable_core::scripts::errors;
use durable_core::stats::bump;

use super::{answer, take_caller, take_script, Script};
use crate::clock;
use crate::durable::admission::enough_replicas;
use crate::durable::records::{repeat, Found, MAY_BE_ELSEWHERE, NO_PERMISSION};
use crate::durable::state::coordinator;
use crate::durable::waiter::{Answer, Waiter};
use crate::durable::waiting;
use crate::ffi::{CallReply, Ctx, Timer, User};

/// The error after a demotion, in the server's words for blocked clients.
const DEMOTED: &CStr =
    c"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// The server's error for a write beyond `maxmemory`.
const OUT_OF_MEMORY: &CStr = c"OOM command not allowed when used memory > 'maxmemory'.";

/// The zero-delay timer of one script.
pub struct ScriptTimer;

impl Timer for ScriptTimer {
    fn fire(ctx: &Ctx) {
        let paused = ctx.is_traffic_paused();
        let next = coordinator(|coordinator| coordinator.scripts.timer_fired(paused));
        if let Some(client) = next {
            let began = clock::now();
            let running = Running(client);
            run(ctx, client);
            drop(running);
            let took = clock::now().since(began);
            coordinator(|coordinator| coordinator.scripts.ran(took));
        }
    }
}

/// Replies to the client if `run` has not, because it panicked. Otherwise the client would wait for
/// ever.
struct Running(u64);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            answer(self.0, |ctx| {
                ctx.reply_error(c"ERR internal error in redis-durable, please report it; it is not known whether the script was executed");
            });
        }
    }
}

/// What became of a script.
enum Outcome<'ctx> {
    /// It was not run.
    Refused(Vec<u8>),
    /// It was run, or the server refused to run it.
    Ran {
        reply: CallReply<'ctx>,
        executed_commands: bool,
    },
    /// An id was used before. The value of its record, and the digest of this command.
    RanBefore(Vec<u8>, Digest),
}

fn run(ctx: &Ctx, client: u64) {
    let Some(script) = take_script(client) else {
        return;
    };
    ctx.select_db(script.db);
    let outcome = outcome(ctx, &script);
    let Script {
        outer,
        requirement,
        db,
        words,
        ..
    } = *script;
    // While the client is still blocked: see `KeptWords::of`.
    drop(words);
    match outcome {
        Outcome::Refused(error) => answer(client, |ctx| ctx.reply_error_bytes(&error)),
        Outcome::Ran {
            reply,
            executed_commands,
        } => match reply.error() {
            None => finish(ctx, client, db, requirement, |ctx| ctx.reply_with(&reply)),
            Some(error) => match errors::plain_error(error, executed_commands) {
                Some(plain) if ctx.situation().is_cluster() => {
                    answer(client, |ctx| ctx.reply_error_text(plain));
                }
                _ => answer(client, |ctx| ctx.reply_with(&reply)),
            },
        },
        Outcome::RanBefore(value, digest) => match record::decode(&value, digest) {
            Err(why) => answer(client, |ctx| ctx.reply_error_text(&format!("ERR {why}"))),
            Ok(recorded) => match enough_replicas(ctx, requirement.need.replicas) {
                Err(refusal) => answer(client, |ctx| ctx.reply_error_text(&refusal.text(outer))),
                Ok(()) => {
                    coordinator(|coordinator| bump(&mut coordinator.stats.counters.once_repeated));
                    finish(ctx, client, db, requirement, |ctx| repeat(ctx, recorded));
                }
            },
        },
    }
}

/// Runs a script, unless it must not run now.
fn outcome<'ctx>(ctx: &'ctx Ctx, script: &Script) -> Outcome<'ctx> {
    let refused = |error: &CStr| Outcome::Refused(error.to_bytes().to_vec());
    let situation = ctx.situation();
    if !situation.is_primary() {
        coordinator(|coordinator| bump(&mut coordinator.stats.counters.demoted));
        return refused(DEMOTED);
    }
    let words = script.words.args();
    // Asked before the call: Redis 7.0 crashes if access control denies a call outside of a
    // handler.
    let user = User::named(&script.user).filter(|user| user.may_run(words));
    let Some(user) = user else {
        return refused(NO_PERMISSION);
    };
    let found = script.record.as_ref().map(|record| record.look_up(ctx));
    match (&script.record, found) {
        (Some(_), Some(Found::NoRecord)) => {
            return Outcome::Refused(format!("ERR {}", NoReply::Unreadable).into_bytes());
        }
        (Some(record), Some(Found::Recorded(value))) => {
            return Outcome::RanBefore(value, record.digest);
        }
        _ => {}
    }
    if let Err(refusal) = enough_replicas(ctx, script.requirement.need.replicas) {
        return Outcome::Refused(refusal.text(script.outer).into_bytes());
    }
    let record = script.record.as_ref();
    if record.is_some_and(|record| record.may_be_elsewhere(ctx, situation)) {
        return refused(MAY_BE_ELSEWHERE);
    }
    if script.would_exceed_memory(ctx) {
        return refused(OUT_OF_MEMORY);
    }
    let result = ctx.run_script(&user, &script.name, words.skip(1), script.is_resp3);
    let Some(reply) = result.reply else {
        return refused(c"ERR the server did not execute the command");
    };
    if let Some(record) = record {
        let error = reply.error();
        if error.is_none_or(|error| errors::had_begun(error, result.executed_commands)) {
            record.write(ctx, script.is_resp3, reply.protocol());
        }
    }
    Outcome::Ran {
        reply,
        executed_commands: result.executed_commands,
    }
}

impl Script {
    /// Scripts of the same turn have filled the memory since this one arrived. The server does not
    /// notice that: it looks at the memory before it executes a command of a client, and a timer is
    /// none. If it may evict keys, it does so before the next command of a client.
    fn would_exceed_memory(&self, ctx: &Ctx) -> bool {
        let only_reads = self.name.as_bytes().to_ascii_lowercase().ends_with(b"_ro");
        !only_reads
            && self.arrived_within_memory
            && ctx.is_beyond_maxmemory()
            && ctx.setting(c"maxmemory-policy").as_deref() == Some(b"noeviction")
    }
}

/// Replies once the requirement is met for everything executed so far.
fn finish(ctx: &Ctx, client: u64, db: i32, requirement: Requirement, reply: impl FnOnce(&Ctx)) {
    if requirement.need.is_nothing() {
        return answer(client, reply);
    }
    let Some(caller) = take_caller(client, |_| true) else {
        return;
    };
    caller.handle.hold(reply);
    let waiter = Waiter {
        handle: caller.handle,
        answer: Answer::Held,
    };
    waiting::begin(ctx, client, db, requirement, waiter);
}
