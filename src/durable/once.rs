//! `DURABLE.ONCE id [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms] command [arg …]`
//!
//! A write that is safe to send again. The first time it does what DURABLE.CALL does, and in the
//! same transaction keeps a record of the reply, as a plain key. Sent again with the same id it
//! executes nothing, and repeats the recorded reply once its requirement is met for everything
//! executed so far.
//!
//! The record is looked up before the admission, because a retry may be refused for reasons of its
//! own (NOREPLICAS). It is written after the execution (`durable/records.rs`). A script runs later,
//! and its record is looked up then (`durable/scripts/`).

use durable_core::once::record::{self, NoReply};
use durable_core::stats::bump;

use super::admission::{admit, Refusal};
use super::call::execute::{read, Call};
use super::call::{self, keys, Outer, Replacement};
use super::records::{self, repeat, Found, Record, MAY_BE_ELSEWHERE, NO_PERMISSION};
use super::run::{answer, execute};
use super::state::coordinator;
use super::waiter::Answer;
use super::waiting;
use crate::docs;
use crate::ffi::spec::{Arg, Spec};
use crate::ffi::{Args, Command, Ctx, Handler, Situation};
use crate::server_command::ServerCommand;

/// The command, for the table in `commands.rs`.
pub struct DurableOnce;

impl Outer for DurableOnce {
    const NAME: &'static str = "DURABLE.ONCE";
    const BEFORE_OPTIONS: usize = 1;

    fn execute(ctx: &Ctx, words: Args<'_>, replacement: Replacement) {
        let situation = ctx.situation();
        if !situation.is_primary() {
            return ctx.reply_error_text(&Refusal::Replica.text(Self::NAME));
        }
        let id = words.get(0).unwrap_or_default();
        let Some(call) = read(ctx, words.skip(1), Self::NAME) else {
            return;
        };
        let Some(record) = record_of(ctx, id, &call) else {
            return;
        };
        if call.is_script {
            return call.arrive(ctx, Self::NAME, Some(record));
        }
        match record.look_up(ctx) {
            Found::Nothing => first_time(ctx, situation, &call, &record, replacement),
            Found::Recorded(value) => again(ctx, &call, &record, &value),
            Found::NoRecord => ctx.reply_error_text(&format!("ERR {}", NoReply::Unreadable)),
        }
    }
}

impl Command for DurableOnce {
    fn run(ctx: &Ctx, args: Args<'_>) {
        call::run::<Self>(ctx, args);
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    let mut args = vec![docs::string(c"id")];
    args.extend(call::args());
    args
}

/// Registers the command, if the server has the commands that it needs: SET replicates records, and
/// EXISTS finds out whether a slot is moving.
///
/// # Errors
/// Which command the server does not accept.
pub fn create(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    for needed in ["SET", "EXISTS"] {
        if ServerCommand::of(ctx, needed).is_none() {
            ctx.log_notice(&format!(
                "no {}: this server has no {needed}",
                DurableOnce::NAME
            ));
            return Ok(());
        }
    }
    call::create::<DurableOnce>(ctx, spec, handler)
}

/// Prepares for records. Logs whether they can be evicted.
pub fn load(ctx: &Ctx) {
    records::load();
    let setting = |name| ctx.setting(name).unwrap_or_default();
    let (limit, policy) = (setting(c"maxmemory"), setting(c"maxmemory-policy"));
    if !matches!(limit.as_slice(), b"" | b"0") && policy != b"noeviction" {
        ctx.log_notice(&format!(
            "maxmemory-policy {} may evict records of DURABLE.ONCE before they expire; a command \
             that is sent again after that is executed again",
            String::from_utf8_lossy(&policy)
        ));
    }
}

/// Frees the memory.
pub fn unload() {
    records::unload();
}

/// The record of a command. Replies with an error and returns `None` if the id is bad or the
/// command has no key.
fn record_of(ctx: &Ctx, id: &[u8], call: &Call<'_>) -> Option<Record> {
    let keys = keys::of_inner(call.words);
    let first = keys.into_iter().map(|(place, _)| place).min();
    let Some(key) = first.and_then(|place| call.words.get(place)) else {
        ctx.reply_error(c"ERR DURABLE.ONCE needs a command with a key; nothing was executed");
        return None;
    };
    match Record::of(id, key, call.words) {
        Ok(record) => Some(record),
        Err(bad) => {
            ctx.reply_error_text(&format!("ERR {bad}"));
            None
        }
    }
}

/// The id is new here: executes the command, and writes the record.
fn first_time(
    ctx: &Ctx,
    situation: Situation,
    call: &Call<'_>,
    record: &Record,
    replacement: Replacement,
) {
    let requirement = match admit(ctx, call.options) {
        Ok(requirement) => requirement,
        Err(refusal) => return ctx.reply_error_text(&refusal.text(DurableOnce::NAME)),
    };
    if record.may_be_elsewhere(ctx, situation) {
        return ctx.reply_error(MAY_BE_ELSEWHERE);
    }
    let Some(reply) = execute(ctx, call.inner(), replacement) else {
        return;
    };
    record.write(ctx, situation.is_resp3(), reply.protocol());
    answer(ctx, requirement, &reply);
}

/// The id is known here: repeats the recorded reply, once the requirement is met for everything
/// executed so far.
fn again(ctx: &Ctx, call: &Call<'_>, record: &Record, value: &[u8]) {
    // The server checks permissions when a command is executed. Here none is, and the reply must
    // not reach a user who may not run the command.
    if !ctx.may_run(call.words) {
        return ctx.reply_error(NO_PERMISSION);
    }
    let recorded = match record::decode(value, record.digest) {
        Ok(recorded) => recorded,
        Err(why) => return ctx.reply_error_text(&format!("ERR {why}")),
    };
    let requirement = match admit(ctx, call.options) {
        Ok(requirement) => requirement,
        Err(refusal) => return ctx.reply_error_text(&refusal.text(DurableOnce::NAME)),
    };
    coordinator(|coordinator| bump(&mut coordinator.stats.counters.once_repeated));
    let reply = |ctx: &Ctx| repeat(ctx, recorded);
    if requirement.need.is_nothing() {
        return reply(ctx);
    }
    waiting::enqueue(ctx, requirement, Answer::Held, |blocked| {
        blocked.hold(reply)
    });
}
