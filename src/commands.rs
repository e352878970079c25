//! The table of the module's commands: name, flags, arity, ACL categories, documentation, and the
//! type that runs each. The head of that type's file describes the command for users.
//!
//! The family (DURABLE.SET, DURABLE.GET and so on) has its own table in `durable/family.rs`. Only
//! the family, DURABLE.CALL and DURABLE.ONCE have keys.

use std::ffi::{c_int, CStr};

use durable_core::servers::Fact;

use crate::durable::{call, family, help, once, replicas, wait};
use crate::failover::command as command_of_failover;
use crate::ffi::spec::{Arg, Spec};
use crate::ffi::{Ctx, Handler};
use crate::server_command::ServerCommand;
use crate::slothint::{command, map, slots, watch};
use crate::{docs, facts};

/// One command.
struct CommandRow {
    name: &'static CStr,
    /// As `RM_CreateCommand` spells them.
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
    /// These, without the `@`.
    Own(&'static [&'static str]),
    /// The categories of this command of the server.
    Of(&'static str),
}

/// How a command is registered.
type Create = fn(&Ctx, Spec, Handler) -> Result<(), String>;

/// All commands but the family.
const COMMANDS: [CommandRow; 10] = [
    CommandRow {
        name: c"durable.call",
        // Counts as a write even when it runs a read. The server makes its checks when a client
        // sends a write, not when a module calls one. Without the flag, DURABLE.CALL would write in
        // spite of `min-replicas-to-write` or a disk error. Under CLIENT PAUSE WRITE the server
        // would abort when it replicates the write.
        flags: c"write no-mandatory-keys",
        arity: -2,
        categories: Categories::Own(&["write", "slow"]),
        summary:
            c"Runs any data command, answered when the required replicas have acknowledged it.",
        complexity: c"That of the command it runs",
        args: call::args,
        handler: Handler::of::<call::DurableCall>(),
        // Its keys are those of the inner command. How the server finds them differs between
        // servers. On some servers `call::create` replaces the flags.
        create: call::create::<call::DurableCall>,
    },
    CommandRow {
        name: c"durable.once",
        // As those of DURABLE.CALL.
        flags: c"write no-mandatory-keys",
        arity: -3,
        categories: Categories::Own(&["write", "slow"]),
        summary:
            c"Runs any data command with a key, durably, and once: sent again with the same id, it replies the same.",
        complexity: c"That of the command it runs",
        args: once::args,
        handler: Handler::of::<once::DurableOnce>(),
        create: once::create,
    },
    CommandRow {
        name: c"durable.wait",
        flags: c"blocking",
        arity: -1,
        categories: Categories::Of("wait"),
        summary:
            c"Blocks until everything executed so far is acknowledged by the required replicas.",
        complexity: c"O(1)",
        args: docs::requirement_options,
        handler: Handler::of::<wait::DurableWait>(),
        create: without_keys,
    },
    CommandRow {
        name: c"durable.replicas",
        flags: c"allow-stale",
        arity: 1,
        // It shows what ROLE shows, so the same users may run it: administrators.
        categories: Categories::Of("role"),
        summary: c"Lists the links to replicas, what each has acknowledged, and whether it counts.",
        complexity: c"O(N) where N is the number of replicas",
        args: Vec::new,
        handler: Handler::of::<replicas::DurableReplicas>(),
        create: without_keys,
    },
    CommandRow {
        name: c"durable.failover",
        flags: c"admin allow-stale",
        arity: -2,
        categories: Categories::Own(&["admin", "dangerous", "slow"]),
        summary: c"Shows, forms, changes or opens the group whose votes decide on failovers.",
        complexity: c"O(N) where N is the number of members",
        args: command_of_failover::args,
        handler: Handler::of::<command_of_failover::DurableFailover>(),
        create: without_keys,
    },
    CommandRow {
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
    // If slot hints declared keys, the server would reply CROSSSLOT or MOVED before the module
    // runs.
    CommandRow {
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
    CommandRow {
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
    CommandRow {
        name: c"slothint.slots",
        flags: c"allow-loading allow-stale",
        arity: -1,
        categories: Categories::Own(&["slow"]),
        summary: c"Tells which nodes own the slots of some keys, or all, as CLUSTER SLOTS does.",
        complexity: c"O(N) where N is the number of keys, ranges and nodes",
        args: slots::args,
        handler: Handler::of::<slots::SlotHintSlots>(),
        create: without_keys,
    },
    CommandRow {
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

/// The warning on servers without [`Fact::CategorizesModuleCommands`]. There `+@all -@dangerous`
/// allows every command of the module.
const NO_CATEGORIES: &str = "this server puts the commands of modules into no ACL categories: \
     rules such as -@dangerous and +@write do not apply to them. DURABLE.REPLICAS tells the \
     addresses of the replicas; to deny it to a user: ACL SETUSER <user> -durable.replicas";

/// Registers every command. `category` is the module's own ACL category, if there is one.
///
/// # Errors
/// Which command the server does not accept.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    family::register(ctx, category)?;
    for row in &COMMANDS {
        (row.create)(ctx, spec(ctx, row, category), row.handler)?;
    }
    if !facts::has(Fact::CategorizesModuleCommands) {
        ctx.log_warning(NO_CATEGORIES);
    }
    Ok(())
}

fn without_keys(ctx: &Ctx, spec: Spec, handler: Handler) -> Result<(), String> {
    ctx.create_command(&spec, handler)
}

fn spec(ctx: &Ctx, row: &CommandRow, category: Option<&str>) -> Spec {
    let mut categories = match row.categories {
        Categories::Own(names) => names.iter().copied().map(str::to_owned).collect(),
        Categories::Of(name) => ServerCommand::of(ctx, name).unwrap_or_default().categories,
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
