//! `DURABLE.CALL [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms] command [arg …]`
//!
//! Runs any data command of the server durably. The options end at the first word that is not one.

use std::collections::HashMap;
use std::ffi::{c_int, CStr, CString};

use durable_core::callable::{is_allowed, is_ours, judge, Properties, Verdict};
use durable_core::options::{self, Word};
use redis_module::raw;

use super::admission::{admit, Refusal};
use super::docs;
use super::inner::Inner;
use super::run::run;
use crate::ffi::command::Spec;
use crate::ffi::{guard, Args, Ctx};
use crate::state;

const NAME: &str = "DURABLE.CALL";

/// Registers the command. It counts as a write whatever it runs, because a call from a module gets
/// past the server's checks for writes: on a read-only replica it would write, and under CLIENT
/// PAUSE WRITE with the append-only file on the server would abort.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let mut categories = vec!["write".to_owned(), "slow".to_owned()];
    categories.extend(category.map(str::to_owned));
    let mut args = docs::requirement();
    args.push(docs::string(c"command"));
    args.push(docs::any_number(docs::string(c"arg")));
    let spec = Spec {
        name: c"durable.call".into(),
        flags: c"write getkeys-api no-mandatory-keys".into(),
        arity: -2,
        categories,
        summary:
            c"Runs any data command, answered when the required replicas have acknowledged it."
                .into(),
        complexity: c"That of the command it runs".into(),
        args,
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
    unsafe {
        guard::command(ctx, argv, argc, |ctx, args| {
            // First, and with nothing else touched: see the head of `ffi/keys.rs`.
            if ctx.asks_for_keys() {
                report_keys(ctx, args);
            } else {
                call(ctx, args);
            }
        })
    }
}

/// The keys are the inner command's. One of our own is refused later; it is not asked for its keys
/// here, or a long enough DURABLE.CALL DURABLE.CALL … would ask itself until the stack is full.
fn report_keys(ctx: &Ctx, args: Args<'_>) {
    if let Ok((_, taken)) = options::leading(args.skip(1).iter()) {
        let offset = taken.saturating_add(1);
        let inner = args.skip(offset);
        if inner.get(0).is_some_and(|name| !is_ours(name)) {
            ctx.report_keys_of(inner, offset);
        }
    }
}

fn call(ctx: &Ctx, args: Args<'_>) {
    let (options, taken) = match options::leading(args.skip(1).iter()) {
        Ok(leading) => leading,
        Err(bad) => return ctx.reply_error_text(&Refusal::from(bad).text(NAME)),
    };
    let inner = args.skip(taken.saturating_add(1));
    let Some(name) = inner.get(0) else {
        return ctx.reply_wrong_arity();
    };
    if let Some(refusal) = refusal(ctx, name, inner.get(1)) {
        return ctx.reply_error_text(&refusal);
    }
    let Ok(command) = CString::new(name) else {
        let shown = Word::new(name);
        return ctx.reply_error_text(&format!(
            "ERR unknown command '{shown}'; nothing was executed"
        ));
    };
    match admit(ctx, options) {
        Ok(requirement) => run(ctx, &command, inner.skip(1), requirement),
        Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
    }
}

/// The error for a command that may not run here. A command that the server does not know is left to
/// the server, which says so in its own words.
fn refusal(ctx: &Ctx, name: &[u8], subcommand: Option<&[u8]>) -> Option<String> {
    let shown = Word::new(name);
    match verdict(ctx, name, subcommand)? {
        Verdict::Data => None,
        Verdict::OtherModules => {
            let allowed = state::with(|state| is_allowed(&state.config.call_allow, name));
            (allowed != Some(true)).then(|| {
                format!(
                    "ERR '{shown}' is another module's command, and durable.call-allow does not \
                     name it; nothing was executed"
                )
            })
        }
        Verdict::Script => Some(
            "ERR scripts cannot run inside DURABLE.CALL; nothing was executed, \
             run the script, then DURABLE.WAIT"
                .into(),
        ),
        Verdict::NotData => Some(format!(
            "ERR '{shown}' is not a data command, DURABLE.CALL takes commands that read or write \
             data; nothing was executed"
        )),
    }
}

/// What was found out about a command, so that it need not be asked for at every call.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// It may run, or not.
    Judged(Verdict),
    /// Its subcommands are to be judged, and itself if it also runs without one.
    Container(Option<Verdict>),
}

/// What is known of the server's commands, by their names in lower case. Only commands that exist
/// are remembered, so that a client cannot fill it; it is emptied when a module comes or goes.
pub type KnownCommands = HashMap<String, Known>;

fn verdict(ctx: &Ctx, name: &[u8], subcommand: Option<&[u8]>) -> Option<Verdict> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    match known(ctx, &name)? {
        Known::Judged(verdict) => Some(verdict),
        Known::Container(alone) => {
            let Some(sub) = subcommand else { return alone };
            let sub = std::str::from_utf8(sub).ok()?.to_ascii_lowercase();
            match known(ctx, &format!("{name}|{sub}"))? {
                Known::Judged(verdict) => Some(verdict),
                Known::Container(_) => Some(Verdict::NotData),
            }
        }
    }
}

fn known(ctx: &Ctx, name: &str) -> Option<Known> {
    let remembered = state::with(|state| state.commands.get(name).copied());
    if let Some(Some(known)) = remembered {
        return Some(known);
    }
    let inner = Inner::of(ctx, name)?;
    let verdict = judge(Properties {
        name,
        flags: &inner.flags,
        categories: &inner.categories,
    });
    let known = if inner.is_container {
        // COMMAND lists everything by itself, CONFIG does nothing without a subcommand.
        let runs_alone = inner.arity.saturating_abs() == 1;
        Known::Container(runs_alone.then_some(verdict))
    } else {
        Known::Judged(verdict)
    };
    state::with(|state| state.commands.insert(name.to_owned(), known));
    Some(known)
}

/// The command's name as the server's access control spells it: `get`, `object|encoding`.
pub fn full_name(command: &CStr, args: Args<'_>) -> String {
    let name = command.to_string_lossy().to_ascii_lowercase();
    let is_container =
        state::with(|state| matches!(state.commands.get(&name), Some(Known::Container(_))));
    match args.get(0) {
        Some(sub) if is_container == Some(true) => {
            format!(
                "{name}|{}",
                String::from_utf8_lossy(sub).to_ascii_lowercase()
            )
        }
        _ => name,
    }
}
