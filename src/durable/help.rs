//! `DURABLE.HELP`
//!
//! Replies with a short manual of the durable commands, one line for each element.

use std::ffi::CStr;

use crate::ffi::{Args, Command, Ctx};

/// The command, for the table in `commands.rs`.
pub struct DurableHelp;

impl Command for DurableHelp {
    fn run(ctx: &Ctx, _: Args<'_>) {
        ctx.reply_array(LINES.len());
        for line in LINES {
            ctx.reply_simple(line);
        }
    }
}

const LINES: [&CStr; 25] = [
    c"DURABLE commands answer once the required replicas have acknowledged everything up to and including them:",
    c"DURABLE.SET <key> <value> [<SET's own options>] [<requirement>]",
    c"    SET, durably.",
    c"DURABLE.<command> <arg> [<arg> ...] [<requirement>]",
    c"    As the command itself. With a requirement: GET GETDEL APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT",
    c"    PERSIST RENAME HSETNX HINCRBY LMOVE ZINCRBY. With the configured one: MSET DEL UNLINK EXPIRE PEXPIRE",
    c"    HSET HDEL LPUSH RPUSH LPOP RPOP SADD SREM ZADD ZREM XADD XDEL XACK. Use DURABLE.CALL for another one.",
    c"DURABLE.CALL [<requirement>] <command> [<arg> ...]",
    c"    Any command that reads or writes data, or runs a script (EVAL, EVALSHA, FCALL).",
    c"DURABLE.ONCE <id> [<requirement>] <command> [<arg> ...]",
    c"    As DURABLE.CALL, and safe to send again: with the same id it executes nothing and replies the same.",
    c"DURABLE.WAIT [<requirement>]",
    c"    Wait until everything executed so far, by anyone, is acknowledged. Returns by how many replicas.",
    c"DURABLE.REPLICAS",
    c"    List the links to replicas, what each has acknowledged, and whether it counts.",
    c"DURABLE.FAILOVER STATUS|START|REPLACE old-id new-id|ACCEPT-LOSS",
    c"    The group whose votes keep acknowledged writes in a failover (durable.failover, cluster mode).",
    c"DURABLE.HELP",
    c"    Print this help.",
    c"A requirement is [REPLICAS <n>|MAJORITY|ALL] [FSYNC <n>] [TIMEOUT <ms>], in any order; what is left out",
    c"    is configured by durable.replicas, durable.fsync and durable.timeout-ms.",
    c"MAJORITY is a majority of the copies, the primary's included: of two replicas it is one. It survives the loss",
    c"    of the primary only if a replica is promoted that has acknowledged.",
    c"NOREPLICAS and OVERLOADED mean that nothing was executed, UNACKED that the write was applied on the primary",
    c"    and may still reach the replicas.",
];
