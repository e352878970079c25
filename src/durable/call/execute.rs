//! Executes a DURABLE.CALL: reads the options, refuses commands that may not run, and runs the
//! inner command.

use std::ffi::{CStr, CString};

use durable_core::callable::{unknown_command, unknown_subcommand, Verdict};
use durable_core::options::{self, Word};

use super::registry::{self, Unknown};
use crate::config;
use crate::durable::admission::{admit, Refusal};
use crate::durable::run::{run_replacing_error, InnerCommand};
use crate::ffi::{Args, CallReply, Ctx, Memory};

const NAME: &str = "DURABLE.CALL";

/// Executes a DURABLE.CALL. `words` are the words after that name, as the client sent them.
pub fn call(ctx: &Ctx, words: Args<'_>) {
    call_replacing_error(ctx, words, |_| None);
}

/// As [`call`]. `replacement` gets an error of the server, and returns the error to send instead of
/// it. If it returns `None`, the server's error is sent.
pub fn call_replacing_error(
    ctx: &Ctx,
    words: Args<'_>,
    replacement: impl FnOnce(&[u8]) -> Option<&'static CStr>,
) {
    let (options, taken) = match options::leading(words.iter()) {
        Ok(leading) => leading,
        Err(bad) => return ctx.reply_error_text(&Refusal::from(bad).text(NAME)),
    };
    let inner = words.skip(taken);
    let Some(name) = inner.get(0) else {
        // `RM_WrongArity` would name the subcommand where DURABLE.CALL has subcommands.
        return ctx.reply_error(c"ERR wrong number of arguments for 'durable.call' command");
    };
    if let Some(refusal) = refusal(ctx, name, inner.skip(1)) {
        return ctx.reply_error_bytes(&refusal);
    }
    // Not lossy: the name of a known command has no null byte.
    let command = CString::new(name).unwrap_or_default();
    let inner = InnerCommand {
        name: &command,
        args: inner.skip(1),
        // DURABLE.CALL has no flag `deny-oom`, because not all commands that it runs have the flag.
        memory: Memory::Unchecked,
    };
    match admit(ctx, options) {
        Ok(requirement) => run_replacing_error(ctx, inner, requirement, replacement),
        Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
    }
}

/// The error for a command that may not run. `None` if it may.
fn refusal(ctx: &Ctx, name: &[u8], args: Args<'_>) -> Option<Vec<u8>> {
    let shown = Word::new(name);
    let verdict = registry::verdict(ctx, name, args.get(0));
    let may_run =
        |verdict: Verdict| config::read(|config| verdict.may_run(&config.call_allow, name));
    let text = match verdict {
        Ok(verdict) if may_run(verdict) => return None,
        // `Data` is only here for completeness: data commands may always run.
        Ok(Verdict::Data | Verdict::OtherModules) => format!(
            "ERR '{shown}' is another module's command, and durable.call-allow does not \
             name it; nothing was executed"
        ),
        Ok(Verdict::Script) => "ERR scripts cannot run inside DURABLE.CALL; nothing was executed, \
             run the script, then DURABLE.WAIT"
            .into(),
        Ok(Verdict::NotData) => format!(
            "ERR '{shown}' is not a data command, DURABLE.CALL takes commands that read or write \
             data; nothing was executed"
        ),
        Err(Unknown::Command) => {
            let with_empty_list = shows_missing_arguments(ctx);
            return Some(unknown_command(name, args.iter(), with_empty_list));
        }
        Err(Unknown::Subcommand) => {
            return Some(unknown_subcommand(name, args.get(0).unwrap_or_default()));
        }
    };
    Some(text.into_bytes())
}

/// Whether the server's error for an unknown command without arguments ends in an empty list of
/// arguments. To find out, this calls a command that does not exist.
fn shows_missing_arguments(ctx: &Ctx) -> bool {
    let reply = ctx.ask(c"durable.no-such-command", &[]);
    let error = reply.as_ref().and_then(CallReply::error);
    error.is_some_and(|error| !error.ends_with(b"'"))
}
