//! Whether the module's code may go. The server refuses by itself while a client is blocked or a timer
//! armed; what it does not look after is decided here.
//!
//! It keeps pointers to a module's commands, and frees the commands all the same: in each transaction those
//! that are queued, and in each client the one that it ran last. EXEC executes the queued, Redis 8 compares
//! the last one with the next, and CLIENT LIST shows its name on every server, also the one taken here. From
//! version 8 on I/O threads look commands up as well, and nothing shows what they have found. Valkey 9 and Redis 8.4
//! look up whatever has come in a pipeline before they execute its first command, which may block for long.
//!
//! From 7.2 on a server repeats the rules of every user once a module's commands are gone, and aborts at a rule that
//! names one of them (`ACLRecomputeCommandBitsFromCommandRulesAllUsers` in `acl.c`).

use durable_core::acl_rules;
use durable_core::callable::is_ours;
use durable_core::client_list::ClientLine;
use durable_core::servers::Fact;

use crate::ffi::{wakeup, Ctx, Reply};
use crate::state;

/// The reason why the module may not be unloaded now; `None` where it may.
pub fn obstacle(ctx: &Ctx) -> Option<String> {
    if wakeup::is_pending() {
        return Some("the event loop has yet to run a function of the module, try again".into());
    }
    if looks_pipelines_up() {
        return Some("this server looks commands up long before it executes them, and may have done so with one of the module; it stays".into());
    }
    if io_threads_look_commands_up(ctx) {
        return Some("I/O threads may be about to run a command of the module; with io-threads above 1 it stays".into());
    }
    if let Some(user) = rules_name_ours(ctx) {
        return Some(user);
    }
    let Some(clients) = ctx.ask(c"CLIENT", &[c"LIST"]) else {
        return Some("the server does not list its clients".into());
    };
    let clients = clients.root().bytes().unwrap_or_default();
    let obstacle = ClientLine::all(clients).find_map(holds_on);
    obstacle
}

fn looks_pipelines_up() -> bool {
    state::with(|state| state.facts.has(Fact::LooksPipelinesUp)) != Some(false)
}

/// Also where the server does not tell, because CONFIG was renamed.
fn io_threads_look_commands_up(ctx: &Ctx) -> bool {
    if state::with(|state| state.facts.has(Fact::LooksUpOnThreads)) != Some(true) {
        return false;
    }
    let reply = ctx.ask(c"CONFIG", &[c"GET", c"io-threads"]);
    let threads = reply.and_then(|reply| reply.root().get(1)?.number());
    threads != Some(1)
}

/// Also where the server does not tell, because ACL was renamed.
fn rules_name_ours(ctx: &Ctx) -> Option<String> {
    if state::with(|state| state.facts.has(Fact::RepeatsAclRules)) == Some(false) {
        return None;
    }
    let reply = ctx.ask(c"ACL", &[c"LIST"]);
    let Some(users) = reply.as_ref().filter(|reply| reply.error().is_none()) else {
        return Some(
            "the server does not list its users, whose rules may name a command of the module"
                .into(),
        );
    };
    let mut lines = users.root().elements().filter_map(Reply::bytes);
    let line = lines.find(|line| acl_rules::names_ours(line))?;
    // `user name on …`
    let name = line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    Some(format!("the rules of user '{name}' name a command of the module, take them back (ACL SETUSER), then unload again"))
}

fn holds_on(client: ClientLine<'_>) -> Option<String> {
    let what = if client.has_queued() {
        "has commands queued in a transaction, end it"
    } else if client.command().is_some_and(is_ours) {
        "ran a command of the module last, let it run another or close it"
    } else {
        return None;
    };
    let id = client.id().unwrap_or(0);
    let address = String::from_utf8_lossy(client.address()).into_owned();
    Some(format!("client {id} ({address}) {what}, then unload again"))
}
