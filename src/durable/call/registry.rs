//! Remembers for each of the server's commands whether it may run inside DURABLE.CALL, and where
//! its keys are.
//!
//! All commands are looked up at load. The server needs the keys of a command before access control
//! has checked who may run it. So with a command that is not known yet, any client could make the
//! server search for the keys, which leaks memory (`keys.rs`).
//!
//! They are looked up again when another module is loaded or unloaded: a name may then mean another
//! command. Only commands that exist are remembered, so clients cannot fill the registry.

use std::ffi::CStr;

use durable_core::callable::{judge, CommandInfo, Verdict};
use durable_core::key_specs::KeySpecs;
use lazy_static::lazy_static;
use rustc_hash::FxHashMap;

use crate::ffi::main_thread::MainThread;
use crate::ffi::{Args, Ctx, Reply};
use crate::server_command::ServerCommand;

/// Commands by their names in lower case; subcommands as `xinfo|stream`. The names are the server's
/// own, so a cheap hash function will do.
#[derive(Default)]
struct Registry {
    commands: FxHashMap<Vec<u8>, KnownCommand>,
    /// A command with keys that is not in `commands`. The next turn looks it up.
    to_look_up: Option<Vec<u8>>,
}

lazy_static! {
    static ref REGISTRY: MainThread<Registry> = MainThread::new();
}

/// A command that was looked up.
pub struct KnownCommand {
    kind: CommandKind,
    /// Where its keys are. `None` if only the server's own code finds them.
    pub keys: Option<KeySpecs>,
    /// The full names of its subcommands.
    subcommands: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum CommandKind {
    /// A command without subcommands.
    Judged(Verdict),
    /// Its subcommands are judged. The verdict is for the command itself, if it also runs without a
    /// subcommand.
    Container(Option<Verdict>),
}

/// A name in lower case. Short ones, which is nearly every command's, need no memory of their own.
enum LowerCase {
    Short([u8; LowerCase::SHORT], usize),
    Long(Vec<u8>),
}

impl LowerCase {
    const SHORT: usize = 24;

    fn of(name: &[u8]) -> Self {
        let mut short = [0; Self::SHORT];
        match short.get_mut(..name.len()) {
            Some(place) => {
                place.copy_from_slice(name);
                place.make_ascii_lowercase();
                Self::Short(short, name.len())
            }
            None => Self::Long(name.to_ascii_lowercase()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(short, len) => short.get(..*len).unwrap_or_default(),
            Self::Long(long) => long,
        }
    }
}

/// A command or subcommand that the server does not have. The module does not call it.
pub enum Unknown {
    Command,
    Subcommand,
}

impl KnownCommand {
    /// False for a command that is refused whatever its arguments are. `allowlist` is
    /// `durable.call-allow`.
    pub fn may_run(&self, allowlist: &[u8], name: &[u8]) -> bool {
        match self.kind {
            CommandKind::Judged(verdict) => verdict.may_run(allowlist, name),
            CommandKind::Container(_) => true,
        }
    }
}

/// Looks up all commands.
pub fn load(ctx: &Ctx) {
    REGISTRY.set(Registry::default());
    look_up_all(ctx);
}

/// Frees the memory.
pub fn unload() {
    REGISTRY.clear();
}

/// Forgets all commands, and looks them up again.
pub fn look_up_all(ctx: &Ctx) {
    REGISTRY.with(|registry| registry.commands.clear());
    let list = ctx.ask(c"COMMAND", &[c"LIST"]);
    let names = list.iter().flat_map(|list| list.root().elements());
    for name in names.filter_map(Reply::bytes) {
        look_up(ctx, name);
    }
}

/// Makes the next turn look up this command. Only a renamed command can be missing in the registry:
/// COMMAND LIST gives its original name, by which COMMAND INFO does not find it.
pub fn look_up_soon(name: &[u8]) {
    let name = name.to_ascii_lowercase();
    REGISTRY.with(|registry| registry.to_look_up = Some(name));
}

/// Whether the next turn has to look up a command.
pub fn needs_turns() -> bool {
    REGISTRY.with(|registry| registry.to_look_up.is_some())
}

/// A turn begins.
pub fn turn_begins(ctx: &Ctx) {
    if let Some(name) = REGISTRY.with(|registry| registry.to_look_up.take()) {
        look_up(ctx, &name);
    }
}

/// Works with the command that these words call. `None` if it was not looked up.
pub fn with_command<R>(words: Args<'_>, work: impl FnOnce(&KnownCommand) -> R) -> Option<R> {
    let name = LowerCase::of(words.get(0)?);
    REGISTRY.with(|registry| {
        let command = registry.commands.get(name.bytes())?;
        let command = match (command.kind, words.get(1)) {
            (CommandKind::Container(_), Some(sub)) => {
                registry.commands.get(&subcommand(name.bytes(), sub))?
            }
            _ => command,
        };
        Some(work(command))
    })
}

/// Whether these words are as many as the command takes. True for a command that is not known.
pub fn fits_arity(words: Args<'_>) -> bool {
    let fits = |command: &KnownCommand| {
        let keys = command.keys.as_ref();
        keys.is_none_or(|keys| keys.fits(words.len()))
    };
    with_command(words, fits).unwrap_or(true)
}

/// Whether a command may run, by its name and the word after it. Looks it up if it is not known.
///
/// # Errors
/// If the server does not have it.
pub fn verdict(ctx: &Ctx, name: &[u8], sub: Option<&[u8]>) -> Result<Verdict, Unknown> {
    let lower = LowerCase::of(name);
    let name = lower.bytes();
    // COMMAND INFO takes a name with `|` for a subcommand. A call takes it for a command of that
    // name.
    if name.contains(&b'|') {
        return Err(Unknown::Command);
    }
    match kind_of(ctx, name).ok_or(Unknown::Command)? {
        CommandKind::Judged(verdict) => Ok(verdict),
        CommandKind::Container(alone) => {
            let Some(sub) = sub else {
                // The server then replies that a word is missing.
                return Ok(alone.unwrap_or(Verdict::Data));
            };
            match kind_of(ctx, &subcommand(name, sub)).ok_or(Unknown::Subcommand)? {
                CommandKind::Judged(verdict) => Ok(verdict),
                CommandKind::Container(_) => Ok(Verdict::NotData),
            }
        }
    }
}

/// The command's name as the server's access control spells it: `get`, `object|encoding`.
pub fn full_name(command: &CStr, args: Args<'_>) -> String {
    let name = command.to_bytes().to_ascii_lowercase();
    let is_container = REGISTRY.with(|registry| {
        let command = registry.commands.get(&name);
        command.is_some_and(|command| matches!(command.kind, CommandKind::Container(_)))
    });
    let full = match args.get(0) {
        Some(sub) if is_container => subcommand(&name, sub),
        _ => name,
    };
    String::from_utf8_lossy(&full).into_owned()
}

/// Looks up a command and its subcommands. `name` is in lower case.
fn look_up(ctx: &Ctx, name: &[u8]) {
    kind_of(ctx, name);
    let subcommands = REGISTRY.with(|registry| {
        let command = registry.commands.get(name)?;
        Some(command.subcommands.clone())
    });
    for full in subcommands.unwrap_or_default() {
        // The full name begins with the original name of the container, also if that was renamed.
        let sub = full.rsplit(|&byte| byte == b'|').next().unwrap_or_default();
        kind_of(ctx, &subcommand(name, sub));
    }
}

fn subcommand(name: &[u8], sub: &[u8]) -> Vec<u8> {
    [name, b"|", &sub.to_ascii_lowercase()].concat()
}

/// The kind of a command. Looks it up if it is not remembered. `name` is the full name in lower
/// case.
fn kind_of(ctx: &Ctx, name: &[u8]) -> Option<CommandKind> {
    let remembered =
        REGISTRY.with(|registry| registry.commands.get(name).map(|command| command.kind));
    if remembered.is_some() {
        return remembered;
    }
    let found = ServerCommand::of(ctx, name)?;
    let verdict = judge(CommandInfo {
        name: &found.name,
        flags: &found.flags,
        categories: &found.categories,
    });
    let kind = if found.subcommands.is_empty() {
        CommandKind::Judged(verdict)
    } else {
        // COMMAND alone lists all commands. CONFIG alone is an error.
        let runs_alone = found.arity.saturating_abs() == 1;
        CommandKind::Container(runs_alone.then_some(verdict))
    };
    let command = KnownCommand {
        kind,
        keys: found.keys,
        subcommands: found.subcommands,
    };
    REGISTRY.with(|registry| registry.commands.insert(name.to_owned(), command));
    Some(kind)
}
