//! `DURABLE.HELP`

use std::ffi::{c_int, CStr};

use redis_module::raw;

use crate::ffi::command::Spec;
use crate::ffi::{guard, Ctx};

/// Registers the command.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let mut categories = vec!["slow".to_owned()];
    categories.extend(category.map(str::to_owned));
    let spec = Spec {
        name: c"durable.help".into(),
        flags: c"allow-stale allow-loading".into(),
        arity: 1,
        categories,
        summary: c"Helpful text about the durable commands.".into(),
        complexity: c"O(1)".into(),
        ..Spec::default()
    };
    ctx.create_command(&spec, handler)
}

unsafe extern "C" fn handler(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this handler.
    unsafe {
        guard::command(ctx, argv, argc, |ctx, _| {
            ctx.reply_array(LINES.len());
            for line in LINES {
                ctx.reply_simple(line);
            }
        })
    }
}

const LINES: [&CStr; 21] = [
    c"DURABLE commands answer once the required replicas have acknowledged everything up to and including them:",
    c"DURABLE.SET <key> <value> [<SET's own options>] [<requirement>]",
    c"    SET, durably.",
    c"DURABLE.<command> <arg> [<arg> ...] [<requirement>]",
    c"    As the command itself. With a requirement: GET GETDEL APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT",
    c"    PERSIST RENAME HSETNX HINCRBY LMOVE ZINCRBY. With the configured one: MSET DEL UNLINK EXPIRE PEXPIRE",
    c"    HSET HDEL LPUSH RPUSH LPOP RPOP SADD SREM ZADD ZREM XADD XDEL XACK. Use DURABLE.CALL for another one.",
    c"DURABLE.CALL [<requirement>] <command> [<arg> ...]",
    c"    Any command that reads or writes data. Scripts: run the script, then DURABLE.WAIT.",
    c"DURABLE.WAIT [<requirement>]",
    c"    Wait until everything executed so far, by anyone, is acknowledged. Returns by how many replicas.",
    c"DURABLE.REPLICAS",
    c"    List the links to replicas, what each has acknowledged, and whether it counts.",
    c"DURABLE.HELP",
    c"    Print this help.",
    c"A requirement is [REPLICAS <n>|MAJORITY|ALL] [FSYNC <n>] [TIMEOUT <ms>], in any order; what is left out",
    c"    is configured by durable.replicas, durable.fsync and durable.timeout-ms.",
    c"MAJORITY is a majority of the copies, the primary's included: of two replicas it is one. It survives the loss",
    c"    of the primary only if a replica is promoted that has acknowledged.",
    c"NOREPLICAS and OVERLOADED mean that nothing was executed, UNACKED that the write was applied on the primary",
    c"    and may still reach the replicas.",
];
