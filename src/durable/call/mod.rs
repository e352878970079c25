//! `DURABLE.CALL [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms] command [arg …]`
//!
//! Runs any data command of the server durably. The options end at the first word that is not an
//! option: this is the command.
//!
//! | file | subject |
//! |---|---|
//! | `execute` | reads the words, refuses commands that may not run, runs the others |
//! | `registry` | remembers the verdict and the keys of each of the server's commands |
//! | `keys` | finds the keys of an inner command |
//! | `moved_keys` | moves keys to fixed places, if the server must not call the module for them |

mod execute;
pub mod keys;
pub mod moved_keys;
pub mod registry;

use durable_core::servers::Fact;

use crate::docs;
use crate::facts;
use crate::ffi::spec::{Arg, DeclaredKeys, Spec};
use crate::ffi::{Args, Command, Ctx, Handler};

/// The command, for the table in `commands.rs`.
pub struct DurableCall;

impl Command for DurableCall {
    fn run(ctx: &Ctx, args: Args<'_>) {
        // With `getkeys-api` the server also calls this to ask for the keys. Nothing may be
        // executed then.
        if ctx.asks_for_keys() {
            keys::report(ctx, args);
        } else {
            execute::call(ctx, args.skip(1));
        }
    }
}

/// Its arguments, as `COMMAND DOCS` shows them.
pub fn args() -> Vec<Arg> {
    let mut args = docs::requirement_options();
    args.push(docs::string(c"command"));
    args.push(docs::any_number(docs::string(c"arg")));
    args
}

/// Registers the command. The server finds its keys by calling it (`getkeys-api`), except where
/// that is not safe:
///
/// | not safe | cluster mode | instead |
/// |---|---|---|
/// | in clusters (`AsksForKeysOnThreadsInClusters`) | on | `moved_keys` |
/// | anywhere (`AsksForKeysOnThreadsAnywhere`) | off | the filter serves COMMAND GETKEYS |
///
/// # Errors
/// Which command the server does not accept.
pub fn create(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    registry::load(ctx);
    let is_cluster = ctx.situation().is_cluster();
    // Clients that see keys in unknown places call COMMAND GETKEYS.
    let somewhere = Spec {
        keys: vec![DeclaredKeys::SOMEWHERE],
        ..spec.clone()
    };
    if is_cluster && facts::has(Fact::AsksForKeysOnThreadsInClusters) {
        moved_keys::create(ctx, &somewhere)
    } else if facts::has(Fact::AsksForKeysOnThreadsAnywhere) {
        ctx.create_command(&somewhere, handler)
    } else {
        let flags = c"write getkeys-api no-mandatory-keys".into();
        ctx.create_command(&Spec { flags, ..spec }, handler)
    }
}

/// Frees the memory.
pub fn unload() {
    registry::unload();
    moved_keys::unload();
}
