//! Reads the words of a DURABLE.CALL or a DURABLE.ONCE, and refuses commands that may not run.

use std::ffi::CString;

use durable_core::callable::{unknown_command, unknown_subcommand, Verdict};
use durable_core::options::{self, Word};
use durable_core::requirement::Options;

use super::registry::{self, Unknown};
use super::Replacement;
use crate::config;
use crate::durable::admission::{admit, Refusal};
use crate::durable::records::Record;
use crate::durable::run::{answer, execute, InnerCommand};
use crate::durable::scripts::{self, Arriving};
use crate::ffi::{Args, CallReply, Ctx, Memory};

/// The options and the inner command in the words of a client.
pub struct Call<'a> {
    /// The requirement options.
    pub options: Options,
    /// The name of the inner command, and its arguments.
    pub words: Args<'a>,
    /// It runs a script, which must not be called inside the handler.
    pub is_script: bool,
    name: CString,
}

impl Call<'_> {
    /// The inner command.
    pub fn inner(&self) -> InnerCommand<'_> {
        InnerCommand {
            name: &self.name,
            args: self.words.skip(1),
            key_first: false,
            // The outer command has no flag `deny-oom`, because not all commands that it runs have
            // it.
            memory: Memory::Unchecked,
        }
    }

    /// Blocks the client until the script of the inner command has run. `outer` is the name of the
    /// durable command.
    pub fn arrive(self, ctx: &Ctx, outer: &'static str, record: Option<Record>) {
        let arriving = Arriving {
            outer,
            options: self.options,
            name: self.name,
            words: self.words,
            record,
        };
        scripts::arrive(ctx, arriving);
    }
}

/// Executes a DURABLE.CALL, by its name `outer`. `words` are those that the client sent after it.
pub fn call(ctx: &Ctx, words: Args<'_>, outer: &'static str, replacement: Replacement) {
    let Some(call) = read(ctx, words, outer) else {
        return;
    };
    if call.is_script {
        return call.arrive(ctx, outer, None);
    }
    match admit(ctx, call.options) {
        Ok(requirement) => {
            if let Some(reply) = execute(ctx, call.inner(), replacement) {
                answer(ctx, requirement, &reply);
            }
        }
        Err(refusal) => ctx.reply_error_text(&refusal.text(outer)),
    }
}

/// Reads options and an inner command. Replies with an error and returns `None` if an option is
/// wrong, or if the inner command may not run. `outer` is the name of the command that runs it.
pub fn read<'a>(ctx: &Ctx, words: Args<'a>, outer: &str) -> Option<Call<'a>> {
    let (options, taken) = match options::leading(words.iter()) {
        Ok(leading) => leading,
        Err(bad) => {
            ctx.reply_error_text(&Refusal::from(bad).text(outer));
            return None;
        }
    };
    let words = words.skip(taken);
    let Some(name) = words.get(0) else {
        reply_wrong_arity(ctx, outer);
        return None;
    };
    let is_script = match verdict(ctx, outer, name, words.skip(1)) {
        // Access control of newer servers denies a script with too few words.
        Ok(Verdict::Script) if !registry::fits_arity(words) => {
            reply_wrong_arity(ctx, &String::from_utf8_lossy(name));
            return None;
        }
        Ok(verdict) => verdict == Verdict::Script,
        Err(refusal) => {
            ctx.reply_error_bytes(&refusal);
            return None;
        }
    };
    // Not lossy: the name of a known command has no null byte.
    let name = CString::new(name).unwrap_or_default();
    Some(Call {
        options,
        words,
        is_script,
        name,
    })
}

/// `RM_WrongArity` would name the subcommand where the outer command has subcommands.
fn reply_wrong_arity(ctx: &Ctx, name: &str) {
    let name = name.to_ascii_lowercase();
    ctx.reply_error_text(&format!(
        "ERR wrong number of arguments for '{name}' command"
    ));
}

/// What kind of command it is.
///
/// # Errors
/// The error for a command that may not run.
fn verdict(ctx: &Ctx, outer: &str, name: &[u8], args: Args<'_>) -> Result<Verdict, Vec<u8>> {
    let verdict = registry::verdict(ctx, name, args.get(0));
    let may_run =
        |verdict: Verdict| config::read(|config| verdict.may_run(&config.call_allow, name));
    let text = match verdict {
        Ok(verdict) if may_run(verdict) => return Ok(verdict),
        Ok(Verdict::OtherModules) => format!(
            "ERR '{}' is another module's command, and durable.call-allow does not \
             name it; nothing was executed",
            Word::new(name)
        ),
        // `Data` and `Script` are only here for completeness: they may always run.
        Ok(Verdict::NotData | Verdict::Data | Verdict::Script) => format!(
            "ERR '{}' is not a data command, {outer} takes commands that read or write data; \
             nothing was executed",
            Word::new(name)
        ),
        Err(Unknown::Command) => {
            let with_empty_list = shows_missing_arguments(ctx);
            return Err(unknown_command(name, args.iter(), with_empty_list));
        }
        Err(Unknown::Subcommand) => {
            return Err(unknown_subcommand(name, args.get(0).unwrap_or_default()));
        }
    };
    Err(text.into_bytes())
}

/// Whether the server's error for an unknown command without arguments ends in an empty list of
/// arguments. To find out, this calls a command that does not exist.
fn shows_missing_arguments(ctx: &Ctx) -> bool {
    let reply = ctx.ask(c"durable.no-such-command", &[]);
    let error = reply.as_ref().and_then(CallReply::error);
    error.is_some_and(|error| !error.ends_with(b"'"))
}
