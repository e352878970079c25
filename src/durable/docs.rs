//! What clients show of the commands that are not the server's own: hints and summaries.

use std::ffi::{c_int, CStr, CString};

use redis_module::raw;

use crate::ffi::command::Arg;

/// The requirement options: `[REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`.
pub fn requirement() -> Vec<Arg> {
    let optional = |arg: Arg, token: &CStr| Arg {
        token: Some(token.to_owned()),
        flags: c_int::try_from(raw::REDISMODULE_CMD_ARG_OPTIONAL).unwrap_or(0),
        ..arg
    };
    let replicas = Arg {
        parts: vec![
            integer(c"n"),
            pure_token(c"majority", c"MAJORITY"),
            pure_token(c"all", c"ALL"),
        ],
        ..arg(
            c"replicas",
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
        )
    };
    vec![
        optional(replicas, c"REPLICAS"),
        optional(integer(c"n"), c"FSYNC"),
        optional(integer(c"milliseconds"), c"TIMEOUT"),
    ]
}

/// An argument of no particular kind.
pub fn string(name: &CStr) -> Arg {
    arg(
        name,
        raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
    )
}

/// An argument that is a whole number.
pub fn integer(name: &CStr) -> Arg {
    arg(
        name,
        raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
    )
}

fn pure_token(name: &CStr, token: &CStr) -> Arg {
    Arg {
        token: Some(token.to_owned()),
        ..arg(
            name,
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
        )
    }
}

/// The argument may be left out, or be there any number of times.
pub fn any_number(argument: Arg) -> Arg {
    let flags = raw::REDISMODULE_CMD_ARG_OPTIONAL | raw::REDISMODULE_CMD_ARG_MULTIPLE;
    Arg {
        flags: c_int::try_from(flags).unwrap_or(0),
        ..argument
    }
}

fn arg(name: &CStr, kind: raw::RedisModuleCommandArgType) -> Arg {
    Arg {
        name: name.to_owned(),
        kind,
        key_spec: -1,
        token: None,
        flags: 0,
        parts: Vec::new(),
    }
}

/// The summary of a durable twin, from that of the inner command.
pub fn durably(summary: &CStr) -> CString {
    let summary = summary.to_string_lossy();
    let summary = summary.trim_end_matches('.');
    let text = format!("{summary}, answered when the required replicas have acknowledged it.");
    CString::new(text).unwrap_or_default()
}
