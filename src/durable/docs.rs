//! What clients show of the commands that are not the server's own: hints and summaries.

use std::ffi::{CStr, CString};

use crate::ffi::spec::{Arg, ArgType};

/// The requirement options: `[REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`.
pub fn requirement() -> Vec<Arg> {
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

/// An argument of no particular kind.
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

/// The argument may be left out.
pub fn optional(argument: Arg) -> Arg {
    Arg {
        is_optional: true,
        ..argument
    }
}

/// The argument may be left out or repeated.
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

/// The summary of a durable twin, from that of the inner command.
pub fn durably(summary: &CStr) -> CString {
    let summary = summary.to_string_lossy();
    let summary = summary.trim_end_matches('.');
    let text = format!("{summary}, answered when the required replicas have acknowledged it.");
    CString::new(text).unwrap_or_default()
}
