//! `DURABLE.CALL [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms] command [arg …]`
//!
//! Runs any data command of the server durably. The options end at the first word that is not one.

use std::collections::HashMap;
use std::ffi::{c_int, CStr, CString};

use durable_core::callable::{judge, unknown_command, unknown_subcommand, Properties, Verdict};
use durable_core::key_specs::KeySpecs;
use durable_core::options::{self, Word};

use super::admission::{admit, Refusal};
use super::call_keys::{self, CallKeys};
use super::inner::Inner;
use super::{docs, run};
use crate::ffi::spec::{Arg, KeySpec, Spec};
use crate::ffi::{Args, CallReply, Command, Ctx, Handler, Memory, Reply};
use crate::state;

const NAME: &str = "DURABLE.CALL";

/// The command, for the table in `commands.rs`.
pub struct DurableCall;

impl Command for DurableCall {
    fn run(ctx: &Ctx, args: Args<'_>) {
        // First, and with nothing else touched: see the head of `ffi/keys.rs`.
        if ctx.asks_for_keys() {
            call_keys::report(ctx, args);
        } else {
            call(ctx, args.skip(1), false);
        }
    }
}

/// The subcommand that has so many moved keys behind its name.
struct MovedCall<const KEYS: usize>;

impl<const KEYS: usize> Command for MovedCall<KEYS> {
    fn run(ctx: &Ctx, args: Args<'_>) {
        let words = args.skip(2);
        match call_keys::words_as_sent(words, KEYS) {
            Some(sent) => call(ctx, sent.args(), KEYS > 1),
            None => ctx.reply_error(call_keys::MALFORMED),
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    let mut args = docs::requirement();
    args.push(docs::string(c"command"));
    args.push(docs::any_number(docs::string(c"arg")));
    args
}

/// Registers the command. How depends on how this server learns of its keys.
pub fn create(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    let keys = CallKeys::of(ctx);
    state::with(|state| state.call_keys = keys);
    learn_all(ctx);
    if keys == CallKeys::Asked {
        let flags = c"write getkeys-api no-mandatory-keys".into();
        return ctx.create_command(&Spec { flags, ..spec }, handler);
    }
    // So that clients ask COMMAND GETKEYS.
    let spec = Spec {
        keys: vec![KeySpec::SOMEWHERE],
        ..spec
    };
    if keys == CallKeys::Untold {
        return ctx.create_command(&spec, handler);
    }
    let handlers = [
        Handler::of::<MovedCall<0>>(),
        Handler::of::<MovedCall<1>>(),
        Handler::of::<MovedCall<2>>(),
    ];
    let subcommands: Vec<(Spec, Handler)> = (0..)
        .zip(call_keys::SUBCOMMANDS)
        .zip(handlers)
        .map(|((keys, name), handler)| (subcommand(&spec, name, keys), handler))
        .collect();
    ctx.create_container(&spec, &subcommands)
}

/// What a DURABLE.CALL with so many moved keys is executed as.
fn subcommand(container: &Spec, name: &CStr, keys: c_int) -> Spec {
    let first = call_keys::FIRST_PLACE;
    let last = first.saturating_add(keys).saturating_sub(1);
    let has_keys = keys > 0;
    Spec {
        name: name.into(),
        legacy_keys: if has_keys {
            (first, last, 1)
        } else {
            (0, 0, 0)
        },
        keys: has_keys
            .then(|| KeySpec::places(first, last))
            .into_iter()
            .collect(),
        // Itself, the keys, and at least one more word.
        arity: last.saturating_add(2).saturating_neg(),
        summary:
            c"What a DURABLE.CALL is executed as, once some of its keys are moved to the front."
                .into(),
        args: vec![docs::any_number(docs::string(c"word"))],
        ..container.clone()
    }
}

/// `words` are what the client sent after the name. `may_be_split`: see [`run::Inner`].
fn call(ctx: &Ctx, words: Args<'_>, may_be_split: bool) {
    let (options, taken) = match options::leading(words.iter()) {
        Ok(leading) => leading,
        Err(bad) => return ctx.reply_error_text(&Refusal::from(bad).text(NAME)),
    };
    let inner = words.skip(taken);
    let Some(name) = inner.get(0) else {
        // In the server's words, which would name a subcommand where there are any.
        return ctx.reply_error(c"ERR wrong number of arguments for 'durable.call' command");
    };
    if let Some(refusal) = refusal(ctx, name, inner.skip(1)) {
        return ctx.reply_error_bytes(&refusal);
    }
    // A name that has been judged has no null byte in it.
    let command = CString::new(name).unwrap_or_default();
    let inner = run::Inner {
        command: &command,
        args: inner.skip(1),
        // This command is not flagged `deny-oom`, since not all that it runs is.
        memory: Memory::Unjudged,
        may_be_split,
    };
    match admit(ctx, options) {
        Ok(requirement) => run::run(ctx, inner, requirement),
        Err(refusal) => ctx.reply_error_text(&refusal.text(NAME)),
    }
}

/// The error for a command that may not run here.
fn refusal(ctx: &Ctx, name: &[u8], args: Args<'_>) -> Option<Vec<u8>> {
    let shown = Word::new(name);
    let verdict = verdict(ctx, name, args.get(0));
    let may_run = |verdict: Verdict| {
        state::with(|state| verdict.may_run(&state.config.call_allow, name)) == Some(true)
    };
    let text = match verdict {
        Ok(verdict) if may_run(verdict) => return None,
        // Data is never refused.
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
            return Some(unknown_command(
                name,
                args.iter(),
                tells_of_no_arguments(ctx),
            ))
        }
        Err(Unknown::Subcommand) => {
            return Some(unknown_subcommand(name, args.get(0).unwrap_or_default()))
        }
    };
    Some(text.into_bytes())
}

/// What the running server says of an unknown command without arguments shows it.
fn tells_of_no_arguments(ctx: &Ctx) -> bool {
    let reply = ctx.ask(c"durable.no-such-command", &[]);
    let error = reply.as_ref().and_then(CallReply::error);
    error.is_some_and(|error| !error.ends_with(b"'"))
}

/// What was found out about a command, so that it need not be asked for at every call.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// It may run, or not.
    Judged(Verdict),
    /// Its subcommands are to be judged, and itself if it also runs without one.
    Container(Option<Verdict>),
}

/// A command that was looked up.
pub struct KnownCommand {
    known: Known,
    /// Where its keys are; none where only the server's own code finds them.
    pub keys: Option<KeySpecs>,
    /// Their full names.
    subcommands: Vec<Vec<u8>>,
}

/// What is known of the server's commands, by their names in lower case. Only commands that exist
/// are remembered, so that a client cannot fill it.
pub type KnownCommands = HashMap<Vec<u8>, KnownCommand>;

impl KnownCommand {
    /// False for one that is refused whatever its arguments are. `setting` is `durable.call-allow`.
    pub fn may_run(&self, setting: &[u8], name: &[u8]) -> bool {
        match self.known {
            Known::Judged(verdict) => verdict.may_run(setting, name),
            Known::Container(_) => true,
        }
    }
}

/// The command that these words call, if it was looked up already.
pub fn remembered<'a>(commands: &'a KnownCommands, words: Args<'_>) -> Option<&'a KnownCommand> {
    let name = words.get(0)?.to_ascii_lowercase();
    let command = commands.get(&name)?;
    match (command.known, words.get(1)) {
        (Known::Container(_), Some(sub)) => {
            commands.get(&[&name[..], b"|", &sub.to_ascii_lowercase()].concat())
        }
        _ => Some(command),
    }
}

/// What the server does not know. It is not called either.
enum Unknown {
    Command,
    Subcommand,
}

fn verdict(ctx: &Ctx, name: &[u8], subcommand: Option<&[u8]>) -> Result<Verdict, Unknown> {
    let name = name.to_ascii_lowercase();
    // COMMAND INFO takes this for a subcommand; a call looks for a command of that name.
    if name.contains(&b'|') {
        return Err(Unknown::Command);
    }
    match known(ctx, &name).ok_or(Unknown::Command)? {
        Known::Judged(verdict) => Ok(verdict),
        Known::Container(alone) => {
            let Some(sub) = subcommand else {
                // One that does nothing alone is let through for the server to say that a word is missing.
                return Ok(alone.unwrap_or(Verdict::Data));
            };
            let full = [&name[..], b"|", &sub.to_ascii_lowercase()].concat();
            match known(ctx, &full).ok_or(Unknown::Subcommand)? {
                Known::Judged(verdict) => Ok(verdict),
                Known::Container(_) => Ok(Verdict::NotData),
            }
        }
    }
}

/// Looks up all commands beforehand, since their keys are looked for before it is known who may run them. Called again
/// when another module's commands came or went, perhaps under names that meant something else.
pub fn learn_all(ctx: &Ctx) {
    state::with(|state| state.commands.clear());
    let list = ctx.ask(c"COMMAND", &[c"LIST"]);
    let names = list.iter().flat_map(|list| list.root().elements());
    for name in names.filter_map(Reply::bytes) {
        learn(ctx, name);
    }
}

/// Looks up a command, its name in lower case, and its subcommands.
pub fn learn(ctx: &Ctx, name: &[u8]) {
    known(ctx, name);
    let subcommands = state::with(|state| Some(state.commands.get(name)?.subcommands.clone()));
    for full in subcommands.flatten().unwrap_or_default() {
        // Their full names begin with the container's own, also where that was renamed.
        let subcommand = full.rsplit(|&byte| byte == b'|').next().unwrap_or_default();
        known(ctx, &[name, b"|", subcommand].concat());
    }
}

fn known(ctx: &Ctx, name: &[u8]) -> Option<Known> {
    let remembered = state::with(|state| state.commands.get(name).map(|command| command.known));
    if let Some(Some(known)) = remembered {
        return Some(known);
    }
    let inner = Inner::of(ctx, name)?;
    let verdict = judge(Properties {
        name: &inner.name,
        flags: &inner.flags,
        categories: &inner.categories,
    });
    let known = if !inner.subcommands.is_empty() {
        // COMMAND lists everything by itself, CONFIG does nothing without a subcommand.
        let runs_alone = inner.arity.saturating_abs() == 1;
        Known::Container(runs_alone.then_some(verdict))
    } else {
        Known::Judged(verdict)
    };
    let command = KnownCommand {
        known,
        keys: inner.keys,
        subcommands: inner.subcommands,
    };
    state::with(|state| state.commands.insert(name.to_owned(), command));
    Some(known)
}

/// The command's name as the server's access control spells it: `get`, `object|encoding`.
pub fn full_name(command: &CStr, args: Args<'_>) -> String {
    let name = command.to_bytes().to_ascii_lowercase();
    let is_container = state::with(|state| {
        state
            .commands
            .get(&name)
            .is_some_and(|command| matches!(command.known, Known::Container(_)))
    });
    let name = String::from_utf8_lossy(&name).into_owned();
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
