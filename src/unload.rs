//! Decides whether the module may be unloaded. The server itself refuses while the module blocks a
//! client or has an armed timer. This file refuses when the server would later use freed memory or
//! abort.
//!
//! The server frees the commands of an unloaded module, but keeps pointers to them:
//!
//! | a pointer is kept for | and read when |
//! |---|---|
//! | each command queued in a transaction | EXEC runs |
//! | the last command of each client | its next command runs (Redis 8), CLIENT LIST runs |
//! | a command that an I/O thread has looked up (from version 8 on) | the command is executed |
//! | each command of a pipeline (Valkey 9, Redis 8.4) | the command is executed |
//!
//! The module finds the first two in CLIENT LIST. Nothing shows the last two. So the module is
//! never unloaded where they can exist: on servers with several I/O threads, and on servers that
//! look up whole pipelines. Such a server looks up all commands of a pipeline before it executes
//! the first one, which may block for long.
//!
//! From 7.2 on the server also repeats the ACL rules of every user after an unload. It aborts at a
//! rule that names a command of the module (`ACLRecomputeCommandBitsFromCommandRulesAllUsers` in
//! `acl.c`).

use durable_core::acl_rules;
use durable_core::callable::is_own_command;
use durable_core::client_list::ClientLine;
use durable_core::servers::Fact;

use crate::facts;
use crate::ffi::{cluster, wakeup, Ctx, Reply};

/// Why the module may not be unloaded now. `None` if it may.
pub fn obstacle(ctx: &Ctx) -> Option<String> {
    if wakeup::is_pending() {
        return Some("the event loop has yet to run a function of the module, try again".into());
    }
    if cluster::hears_bus() {
        return Some("durable.failover was turned on, and the server cannot take a module off its cluster bus; it stays until the server is restarted".into());
    }
    if facts::has(Fact::LooksUpPipelines) {
        return Some("this server looks commands up long before it executes them, and may have done so with one of the module; it stays".into());
    }
    if may_look_up_on_threads(ctx) {
        return Some("I/O threads may be about to run a command of the module; with io-threads above 1 it stays".into());
    }
    if let Some(obstacle) = acl_obstacle(ctx) {
        return Some(obstacle);
    }
    let Some(clients) = ctx.ask(c"CLIENT", &[c"LIST"]) else {
        return Some("the server does not list its clients".into());
    };
    let clients = clients.root().bytes().unwrap_or_default();
    let obstacle = ClientLine::all(clients).find_map(client_obstacle);
    obstacle
}

/// Whether I/O threads may look commands up. If CONFIG was renamed, the number of threads is not
/// known, and the result is true.
fn may_look_up_on_threads(ctx: &Ctx) -> bool {
    if !facts::has(Fact::LooksUpOnThreads) {
        return false;
    }
    let reply = ctx.ask(c"CONFIG", &[c"GET", c"io-threads"]);
    let threads = reply.and_then(|reply| reply.root().get(1)?.number());
    threads != Some(1)
}

/// A user whose ACL rules name a command of the module. If ACL was renamed, the rules are not
/// known, which is an obstacle as well.
fn acl_obstacle(ctx: &Ctx) -> Option<String> {
    if !facts::has(Fact::RepeatsAclRules) {
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
    let line = lines.find(|line| acl_rules::has_rule_for_own_command(line))?;
    // The line is `user name on …`.
    let name = line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    Some(format!("the rules of user '{name}' name a command of the module, take them back (ACL SETUSER), then unload again"))
}

/// A client through which the server keeps a pointer to a command of the module.
fn client_obstacle(client: ClientLine<'_>) -> Option<String> {
    let reason = if client.has_queued() {
        "has commands queued in a transaction, end it"
    } else if client.command().is_some_and(is_own_command) {
        "ran a command of the module last, let it run another or close it"
    } else {
        return None;
    };
    let id = client.id().unwrap_or(0);
    let address = String::from_utf8_lossy(client.address()).into_owned();
    Some(format!(
        "client {id} ({address}) {reason}, then unload again"
    ))
}
