//! Builds argument descriptions and summaries of the module's commands, as `COMMAND DOCS` shows
//! them. Clients show them as hints.

use std::ffi::{CStr, CString};

use crate::ffi::spec::{Arg, ArgType};

/// The requirement options: `[REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`.
pub fn requirement_options() -> Vec<Arg> {
    let option = |arg: Arg, token: &CStr| Arg {
        token: Some(token.to_owned()),
        ..optional(arg)
    };
    let replicas = Arg {
        parts: vec![
            integer(c"n"),
            pure_token(c"majority", c"MAJORITY"),
            pure_token(c"all", c"ALL"),
        ],
        ..arg(c"replicas", ArgType::OneOf)
    };
    vec![
        option(replicas, c"REPLICAS"),
        option(integer(c"n"), c"FSYNC"),
        option(integer(c"milliseconds"), c"TIMEOUT"),
    ]
}

/// An argument that takes any bytes.
pub fn string(name: &CStr) -> Arg {
    arg(name, ArgType::String)
}

/// An argument that is a whole number.
pub fn integer(name: &CStr) -> Arg {
    arg(name, ArgType::Integer)
}

fn pure_token(name: &CStr, token: &CStr) -> Arg {
    Arg {
        token: Some(token.to_owned()),
        ..arg(name, ArgType::PureToken)
    }
}

/// The same argument, which may be left out.
pub fn optional(argument: Arg) -> Arg {
    Arg {
        is_optional: true,
        ..argument
    }
}

/// The same argument, which may be left out or repeated.
pub fn any_number(argument: Arg) -> Arg {
    Arg {
        is_multiple: true,
        ..optional(argument)
    }
}

fn arg(name: &CStr, kind: ArgType) -> Arg {
    Arg {
        name: name.to_owned(),
        kind,
        key_spec: -1,
        token: None,
        is_optional: false,
        is_multiple: false,
        is_token_multiple: false,
        parts: Vec::new(),
    }
}

/// The summary of a durable command, from that of its inner command.
pub fn durable_summary(summary: &CStr) -> CString {
    let summary = summary.to_string_lossy();
    let summary = summary.trim_end_matches('.');
    let text = format!("{summary}, answered when the required replicas have acknowledged it.");
    CString::new(text).unwrap_or_default()
}
