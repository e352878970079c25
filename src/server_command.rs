//! Reads the description of one of the server's commands. A command of the family copies from it:
//! the arity (as a minimum where options may follow), the flags that a module can set, key
//! positions and categories (`COMMAND INFO`), the arguments (`COMMAND DOCS`). DURABLE.CALL decides
//! by it what may run.

use std::ffi::{c_int, CString};

use durable_core::key_specs::{Begin, Find, KeySpec, KeySpecs};

use crate::ffi::spec::{key_flags, Arg, ArgType};
use crate::ffi::{Ctx, Reply};

/// A command of the server.
#[derive(Clone, Debug, Default)]
pub struct ServerCommand {
    /// The original name in lower case, also if the command was renamed. A subcommand is
    /// `xinfo|stream`.
    pub name: String,
    /// The number of words, the name included. Negative for a minimum: -2 is at least 2.
    pub arity: c_int,
    /// As `COMMAND INFO` spells them.
    pub flags: Vec<String>,
    /// The first key, the last, and the step between keys.
    pub legacy_keys: (c_int, c_int, c_int),
    /// The ACL categories, without the `@`.
    pub categories: Vec<String>,
    /// Where the keys are. `None` if only the server's own code finds them.
    pub keys: Option<KeySpecs>,
    /// The full names of its subcommands. A command that has any does little or nothing without
    /// one.
    pub subcommands: Vec<Vec<u8>>,
}

impl ServerCommand {
    /// Looks up a command: `get`, or `xinfo|stream`. `None` if the server does not have it.
    pub fn of(ctx: &Ctx, name: impl Into<Vec<u8>>) -> Option<Self> {
        // A name with a null byte is rejected. The server may compare names up to that byte, and
        // find a command other than the one that is called.
        let name = CString::new(name).ok()?;
        let reply = ctx.ask(c"COMMAND", &[c"INFO", &name])?;
        let entry = reply.root().get(0)?;
        let flags = words(entry.get(2)?);
        let arity = int(entry.get(1)?)?;
        Some(Self {
            name: String::from_utf8_lossy(entry.get(0)?.bytes()?).to_ascii_lowercase(),
            arity,
            legacy_keys: (
                int(entry.get(3)?)?,
                int(entry.get(4)?)?,
                int(entry.get(5)?)?,
            ),
            categories: words(entry.get(6)?)
                .into_iter()
                .map(|name| name.trim_start_matches('@').to_owned())
                .collect(),
            keys: key_specs(entry.get(8)?, &flags, arity),
            flags,
            subcommands: entry
                .get(9)
                .into_iter()
                .flat_map(Reply::elements)
                .filter_map(|sub| Some(sub.get(0)?.bytes()?.to_vec()))
                .collect(),
        })
    }

    fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// The flags in the spelling of `RM_CreateCommand`. Others are left out: a module cannot set
    /// them, or the server derives them.
    pub fn api_flags(&self) -> Vec<&'static str> {
        const NAMES: [(&str, &str); 7] = [
            ("write", "write"),
            ("readonly", "readonly"),
            ("denyoom", "deny-oom"),
            ("fast", "fast"),
            ("noscript", "deny-script"),
            ("loading", "allow-loading"),
            ("stale", "allow-stale"),
        ];
        NAMES
            .iter()
            .filter(|(name, _)| self.has_flag(name))
            .map(|&(_, api)| api)
            .collect()
    }
}

/// The documentation of one of the server's commands, from `COMMAND DOCS`.
#[derive(Clone, Debug, Default)]
pub struct ServerDocs {
    /// One line.
    pub summary: CString,
    /// The time complexity, such as `O(1)`.
    pub complexity: CString,
    /// The arguments.
    pub args: Vec<Arg>,
}

impl ServerDocs {
    /// Looks up a command. Empty if the server has no documentation for it.
    pub fn of(ctx: &Ctx, name: &str) -> Self {
        let docs = || {
            let name = CString::new(name).ok()?;
            let reply = ctx.ask(c"COMMAND", &[c"DOCS", &name])?;
            let docs = reply.root().get(1)?;
            Some(Self {
                summary: field(docs, b"summary").and_then(text).unwrap_or_default(),
                complexity: field(docs, b"complexity")
                    .and_then(text)
                    .unwrap_or_default(),
                args: args(field(docs, b"arguments")),
            })
        };
        docs().unwrap_or_default()
    }
}

/// The key specifications of a command. `None` if they do not describe all keys.
fn key_specs(list: Reply<'_>, flags: &[String], arity: c_int) -> Option<KeySpecs> {
    // For a module's command the server may call the module's code for the keys, whatever the
    // command has declared: `CMD_MODULE_GETKEYS` in `db.c`.
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    if has("module") && has("movablekeys") {
        return None;
    }
    let mut specs = Vec::new();
    for spec in list.elements() {
        let flags = words(field(spec, b"flags")?);
        let is = |name: &str| flags.iter().any(|flag| flag == name);
        if is("incomplete") {
            return None;
        }
        // The word is not a key. The server only computes its slot, as for a key.
        if is("not_key") {
            continue;
        }
        let found = key_spec(spec, key_flags(&flags))?;
        // For a command with variable flags the server finds the keys with the command's own code,
        // not with these specifications. Where a keyword is searched, the two may differ: of
        // several STORE, the code of GEORADIUS takes the last one.
        if is("variable_flags") && matches!(found.begin, Begin::After(..)) {
            return None;
        }
        specs.push(found);
    }
    let arity = arity.into();
    Some(KeySpecs { arity, specs })
}

fn key_spec(spec: Reply<'_>, flags: i32) -> Option<KeySpec> {
    let begin = field(spec, b"begin_search")?;
    let place = field(begin, b"spec")?;
    let number = |of, name| field(of, name)?.integer();
    let begin = match field(begin, b"type")?.bytes()? {
        b"index" => Begin::At(number(place, b"index")?),
        b"keyword" => Begin::After(
            field(place, b"keyword")?.bytes()?.to_vec(),
            number(place, b"startfrom")?,
        ),
        _ => return None,
    };
    let find = field(spec, b"find_keys")?;
    let places = field(find, b"spec")?;
    let find = match field(find, b"type")?.bytes()? {
        b"range" => Find::Range {
            last: number(places, b"lastkey")?,
            step: number(places, b"keystep")?,
            limit: number(places, b"limit")?,
        },
        b"keynum" => Find::Counted {
            count_at: number(places, b"keynumidx")?,
            first: number(places, b"firstkey")?,
            step: number(places, b"keystep")?,
        },
        _ => return None,
    };
    Some(KeySpec { begin, find, flags })
}

fn args(list: Option<Reply<'_>>) -> Vec<Arg> {
    list.into_iter()
        .flat_map(Reply::elements)
        .filter_map(arg)
        .collect()
}

fn arg(entry: Reply<'_>) -> Option<Arg> {
    let flags = field(entry, b"flags").map(words).unwrap_or_default();
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    Some(Arg {
        kind: ArgType::named(field(entry, b"type")?.bytes()?),
        name: field(entry, b"name").and_then(text)?,
        key_spec: field(entry, b"key_spec_index").and_then(int).unwrap_or(-1),
        token: field(entry, b"token").and_then(text),
        is_optional: has("optional"),
        is_multiple: has("multiple"),
        is_token_multiple: has("multiple_token"),
        parts: args(field(entry, b"arguments")),
    })
}

/// A field of a map. In RESP2 a map is an array of names and values in turn.
fn field<'a>(map: Reply<'a>, name: &[u8]) -> Option<Reply<'a>> {
    let mut elements = map.elements();
    while let Some(key) = elements.next() {
        let value = elements.next()?;
        if key.bytes() == Some(name) {
            return Some(value);
        }
    }
    None
}

fn int(reply: Reply<'_>) -> Option<c_int> {
    c_int::try_from(reply.integer()?).ok()
}

fn text(reply: Reply<'_>) -> Option<CString> {
    CString::new(reply.bytes()?).ok()
}

fn words(list: Reply<'_>) -> Vec<String> {
    list.elements()
        .filter_map(Reply::bytes)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}
