//! `DURABLE.CALL [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms] command [arg …]`
//!
//! Runs any data command of the server durably. The options end at the first word that is not an
//! option: this is the command. Scripts run a moment later (`durable/scripts/`).
//!
//! | file | subject |
//! |---|---|
//! | `execute` | reads the words, refuses commands that may not run, runs the others |
//! | `registry` | remembers the verdict and the keys of each of the server's commands |
//! | `keys` | finds the keys of an inner command |
//! | `moved_keys` | moves keys to fixed places, if the server must not call the module for them |

pub mod execute;
pub mod keys;
pub mod moved_keys;
pub mod registry;

use std::ffi::CStr;

use durable_core::servers::Fact;

use crate::docs;
use crate::facts;
use crate::ffi::spec::{Arg, DeclaredKeys, Spec};
use crate::ffi::{Args, Command, Ctx, Handler};

/// Returns the error to send instead of an error of the server, or `None` to send that error
/// itself.
pub type Replacement = fn(&[u8]) -> Option<&'static CStr>;

/// A command that runs an inner command: DURABLE.CALL, or DURABLE.ONCE (`durable/once.rs`).
pub trait Outer {
    /// Its name.
    const NAME: &'static str;
    /// The number of words between its name and the options.
    const BEFORE_OPTIONS: usize;
    /// Executes it. `words` are those that the client sent after the name.
    fn execute(ctx: &Ctx, words: Args<'_>, replacement: Replacement);
}

/// Runs a command that runs an inner command.
pub fn run<O: Outer>(ctx: &Ctx, args: Args<'_>) {
    // With `getkeys-api` the server also calls this to ask for the keys. Nothing may be executed
    // then.
    if ctx.asks_for_keys() {
        keys::report(ctx, args, O::BEFORE_OPTIONS);
    } else {
        O::execute(ctx, args.skip(1), |_| None);
    }
}

/// The command, for the table in `commands.rs`.
pub struct DurableCall;

impl Outer for DurableCall {
    const NAME: &'static str = "DURABLE.CALL";
    const BEFORE_OPTIONS: usize = 0;

    fn execute(ctx: &Ctx, words: Args<'_>, replacement: Replacement) {
        execute::call(ctx, words, Self::NAME, replacement);
    }
}

impl Command for DurableCall {
    fn run(ctx: &Ctx, args: Args<'_>) {
        run::<Self>(ctx, args);
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    let mut args = docs::requirement_options();
    args.push(docs::string(c"command"));
    args.push(docs::any_number(docs::string(c"arg")));
    args
}

/// Registers `O`. The server finds its keys by calling it (`getkeys-api`), except where that is not
/// safe:
///
/// | cluster mode | where it is not safe | instead |
/// |---|---|---|
/// | on | `Fact::AsksForKeysOnThreadsInClusters` | the filter moves keys (`moved_keys`) |
/// | off | `Fact::AsksForKeysOnThreadsAnywhere` | none; the filter serves COMMAND GETKEYS |
///
/// # Errors
/// Which command the server does not accept.
pub fn create<O: Outer>(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    let is_cluster = ctx.situation().is_cluster();
    // Clients that see keys in unknown places call COMMAND GETKEYS.
    let somewhere = Spec {
        keys: vec![DeclaredKeys::SOMEWHERE],
        ..spec.clone()
    };
    if is_cluster && facts::has(Fact::AsksForKeysOnThreadsInClusters) {
        moved_keys::create::<O>(ctx, &somewhere)
    } else if facts::has(Fact::AsksForKeysOnThreadsAnywhere) {
        ctx.create_command(&somewhere, handler)
    } else {
        let flags = c"write getkeys-api no-mandatory-keys".into();
        ctx.create_command(&Spec { flags, ..spec }, handler)
    }
}

/// Looks up the server's commands.
pub fn load(ctx: &Ctx) {
    registry::load(ctx);
}

/// Frees the memory.
pub fn unload() {
    registry::unload();
    moved_keys::unload();
}
