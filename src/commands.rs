//! Every command of the module: what the server, its access control and its clients know of it, and
//! the type that runs it. The file of that type is the command's manual page.
//!
//! Only DURABLE.CALL and the family have keys.

use std::ffi::{c_int, CStr};

use durable_core::servers::Fact;

use crate::durable::inner::Inner;
use crate::durable::{call, docs, family, help, replicas, wait};
use crate::ffi::spec::{Arg, Spec};
use crate::ffi::{Ctx, Handler};
use crate::slothint::{command, map, watch};
use crate::state;

/// One command.
struct Row {
    name: &'static CStr,
    /// As the API spells them.
    flags: &'static CStr,
    /// The number of words, the name included. Negative for a minimum.
    arity: c_int,
    categories: Categories,
    summary: &'static CStr,
    complexity: &'static CStr,
    args: fn() -> Vec<Arg>,
    handler: Handler,
    create: Create,
}

/// The ACL categories of a command, besides the module's own.
enum Categories {
    /// These.
    Own(&'static [&'static str]),
    /// Those of this command of the server.
    Of(&'static str),
}

/// How a command is registered.
type Create = fn(&Ctx, Spec, Handler) -> Result<(), String>;

/// All but the family, whose rows are in `durable/family.rs`: DURABLE.SET, DURABLE.GET and so on.
const COMMANDS: [Row; 7] = [
    Row {
        name: c"durable.call",
        // A write, whatever it runs: a call from a module gets past the server's checks for writes.
        // On a read-only replica it would write, and under CLIENT PAUSE WRITE with the append-only
        // file on the server would abort.
        flags: c"write no-mandatory-keys",
        arity: -2,
        categories: Categories::Own(&["write", "slow"]),
        summary:
            c"Runs any data command, answered when the required replicas have acknowledged it.",
        complexity: c"That of the command it runs",
        args: call::args,
        handler: Handler::of::<call::DurableCall>(),
        // Its keys are those of the inner command. How the server learns of them depends on the
        // server, and so do some of the flags.
        create: call::create,
    },
    Row {
        name: c"durable.wait",
        flags: c"blocking",
        arity: -1,
        categories: Categories::Of("wait"),
        summary:
            c"Blocks until everything executed so far is acknowledged by the required replicas.",
        complexity: c"O(1)",
        args: docs::requirement,
        handler: Handler::of::<wait::DurableWait>(),
        create: without_keys,
    },
    Row {
        name: c"durable.replicas",
        flags: c"allow-stale",
        arity: 1,
        // It shows what ROLE shows, so it is for those who may run that: administrators.
        categories: Categories::Of("role"),
        summary: c"Lists the links to replicas, what each has acknowledged, and whether it counts.",
        complexity: c"O(N) where N is the number of replicas",
        args: Vec::new,
        handler: Handler::of::<replicas::DurableReplicas>(),
        create: without_keys,
    },
    Row {
        name: c"durable.help",
        flags: c"allow-stale allow-loading",
        arity: 1,
        categories: Categories::Own(&["slow"]),
        summary: c"Helpful text about the durable commands.",
        complexity: c"O(1)",
        args: Vec::new,
        handler: Handler::of::<help::DurableHelp>(),
        create: without_keys,
    },
    // Slot hints declare no keys: for these the server would reply CROSSSLOT or MOVED before the
    // module runs.
    Row {
        name: c"slothint",
        flags: c"fast allow-loading allow-stale",
        arity: -2,
        categories: Categories::Own(&["fast"]),
        summary: c"Tells which nodes own the slots of some keys.",
        complexity: c"O(N) where N is the number of keys",
        args: command::args,
        handler: Handler::of::<command::SlotHint>(),
        create: without_keys,
    },
    Row {
        name: c"slothint.map",
        flags: c"allow-loading allow-stale",
        arity: -1,
        categories: Categories::Own(&["slow"]),
        summary: c"Tells which nodes own which slots, unless the caller knows.",
        complexity: c"O(N) where N is the number of ranges and nodes",
        args: map::args,
        handler: Handler::of::<map::SlotHintMap>(),
        create: without_keys,
    },
    Row {
        name: c"slothint.watch",
        flags: c"blocking allow-loading allow-stale",
        arity: 3,
        categories: Categories::Own(&["slow", "blocking"]),
        summary: c"Blocks until other nodes own the slots than the caller knows.",
        complexity: c"O(N) where N is the number of ranges and nodes",
        args: watch::args,
        handler: Handler::of::<watch::SlotHintWatch>(),
        create: without_keys,
    },
];

/// On such a server `+@all -@dangerous` allows every command of the module.
const NO_CATEGORIES: &str = "this server puts the commands of modules into no ACL categories: \
     rules such as -@dangerous and +@write do not apply to them. DURABLE.REPLICAS tells the \
     addresses of the replicas; to deny it to a user: ACL SETUSER <user> -durable.replicas";

/// Registers every command. `category` is the module's own ACL category, if the server could add
/// it.
///
/// # Errors
/// Which command the server does not accept.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    family::register(ctx, category)?;
    for row in &COMMANDS {
        (row.create)(ctx, spec(ctx, row, category), row.handler)?;
    }
    if state::with(|state| state.facts.has(Fact::CategorizesModuleCommands)) == Some(false) {
        ctx.log_warning(NO_CATEGORIES);
    }
    Ok(())
}

fn without_keys(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    ctx.create_command(&spec, handler)
}

fn spec(ctx: &Ctx, row: &Row, category: Option<&str>) -> Spec {
    let mut categories = match row.categories {
        Categories::Own(names) => names.iter().copied().map(str::to_owned).collect(),
        Categories::Of(name) => Inner::of(ctx, name).unwrap_or_default().categories,
    };
    categories.extend(category.map(str::to_owned));
    Spec {
        name: row.name.into(),
        flags: row.flags.into(),
        arity: row.arity,
        categories,
        summary: row.summary.into(),
        complexity: row.complexity.into(),
        args: (row.args)(),
        ..Spec::default()
    }
}
