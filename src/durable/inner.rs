//! What the running server says of one of its own commands, read through `COMMAND INFO` and
//! `COMMAND DOCS`, so that ours have the same arity, flags, key positions, categories and hints.

use std::ffi::{c_int, CString};

use redis_module::raw;

use crate::ffi::command::{Arg, KeySpec};
use crate::ffi::{Ctx, Reply};

/// A command of the server.
#[derive(Clone, Debug, Default)]
pub struct Inner {
    /// Its own name in lower case, `xinfo|stream` for a subcommand: also where it was renamed.
    pub name: String,
    /// As `COMMAND INFO` gives it: negative for at least so many words.
    pub arity: c_int,
    /// As `COMMAND INFO` spells them.
    pub flags: Vec<String>,
    /// The first key, the last, and the step.
    pub legacy_keys: (c_int, c_int, c_int),
    /// Without the `@`.
    pub categories: Vec<String>,
    /// `None` for keys that are not found by their position alone.
    pub keys: Option<Vec<KeySpec>>,
    /// It does nothing by itself, but has subcommands that do.
    pub is_container: bool,
}

impl Inner {
    /// Looks a command up: `get`, or `xinfo|stream`. `None` for one that the server has not.
    pub fn of(ctx: &Ctx, name: impl Into<Vec<u8>>) -> Option<Self> {
        // The server may compare names up to a null byte, and find another command than is called.
        let name = CString::new(name).ok()?;
        let reply = ctx.ask(c"COMMAND", &[c"INFO", &name])?;
        let entry = reply.root().get(0)?;
        Some(Self {
            name: String::from_utf8_lossy(entry.get(0)?.bytes()?).to_ascii_lowercase(),
            arity: int(entry.get(1)?)?,
            flags: words(entry.get(2)?),
            legacy_keys: (
                int(entry.get(3)?)?,
                int(entry.get(4)?)?,
                int(entry.get(5)?)?,
            ),
            categories: words(entry.get(6)?)
                .into_iter()
                .map(|name| name.trim_start_matches('@').to_owned())
                .collect(),
            keys: entry.get(8)?.elements().map(key_spec).collect(),
            is_container: entry
                .get(9)
                .is_some_and(|subs| subs.elements().next().is_some()),
        })
    }

    /// True for a flag by the name that `COMMAND INFO` gives it.
    pub fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// The flags as the API takes them, which spells them otherwise. Those left out are not a
    /// module's to set, or are derived by the server.
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

/// What `COMMAND DOCS` tells.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    /// One line.
    pub summary: CString,
    /// What it costs.
    pub complexity: CString,
    /// The arguments.
    pub args: Vec<Arg>,
}

impl Docs {
    /// Looks a command up. Empty where the server tells nothing: then there are no hints.
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

/// One key specification; `None` where it is not a range that begins at an index.
fn key_spec(spec: Reply<'_>) -> Option<KeySpec> {
    let begin = field(spec, b"begin_search")?;
    let find = field(spec, b"find_keys")?;
    if field(begin, b"type")?.bytes()? != b"index" || field(find, b"type")?.bytes()? != b"range" {
        return None;
    }
    let range = field(find, b"spec")?;
    Some(KeySpec {
        flags: key_flags(&words(field(spec, b"flags")?)),
        first: Some(int(field(field(begin, b"spec")?, b"index")?)?),
        last: int(field(range, b"lastkey")?)?,
        step: int(field(range, b"keystep")?)?,
        limit: int(field(range, b"limit")?)?,
    })
}

/// The flags of a key as the API takes them.
///
/// Where what is done to the key depends on the arguments (SET reads it if it has GET), the server
/// lets the command's own code find the keys; a module's command with that flag and without such
/// code has no keys at all, and ACL key patterns do not bind it. So the flag is dropped, and the
/// least that the command does is declared: the call of the inner command checks the rest.
fn key_flags(names: &[String]) -> u64 {
    const NAMES: [(&str, u32); 10] = [
        ("RO", raw::REDISMODULE_CMD_KEY_RO),
        ("RW", raw::REDISMODULE_CMD_KEY_RW),
        ("OW", raw::REDISMODULE_CMD_KEY_OW),
        ("RM", raw::REDISMODULE_CMD_KEY_RM),
        ("access", raw::REDISMODULE_CMD_KEY_ACCESS),
        ("update", raw::REDISMODULE_CMD_KEY_UPDATE),
        ("insert", raw::REDISMODULE_CMD_KEY_INSERT),
        ("delete", raw::REDISMODULE_CMD_KEY_DELETE),
        ("not_key", raw::REDISMODULE_CMD_KEY_NOT_KEY),
        ("incomplete", raw::REDISMODULE_CMD_KEY_INCOMPLETE),
    ];
    if names.iter().any(|name| name == "variable_flags") {
        return u64::from(raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE);
    }
    NAMES
        .iter()
        .filter(|(name, _)| names.iter().any(|n| n == name))
        .fold(0, |flags, &(_, flag)| flags | u64::from(flag))
}

fn args(list: Option<Reply<'_>>) -> Vec<Arg> {
    list.into_iter()
        .flat_map(Reply::elements)
        .filter_map(arg)
        .collect()
}

fn arg(entry: Reply<'_>) -> Option<Arg> {
    let kind = match field(entry, b"type")?.bytes()? {
        b"integer" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
        b"double" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE,
        b"key" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
        b"pattern" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PATTERN,
        b"unix-time" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME,
        b"pure-token" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
        b"oneof" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
        b"block" => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        _ => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
    };
    const FLAGS: [(&str, u32); 3] = [
        ("optional", raw::REDISMODULE_CMD_ARG_OPTIONAL),
        ("multiple", raw::REDISMODULE_CMD_ARG_MULTIPLE),
        ("multiple_token", raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN),
    ];
    let named = field(entry, b"flags").map(words).unwrap_or_default();
    let flags = FLAGS
        .iter()
        .filter(|(name, _)| named.iter().any(|n| n == name))
        .fold(0, |flags, &(_, flag)| flags | flag);
    Some(Arg {
        name: field(entry, b"name").and_then(text)?,
        kind,
        key_spec: field(entry, b"key_spec_index").and_then(int).unwrap_or(-1),
        token: field(entry, b"token").and_then(text),
        flags: c_int::try_from(flags).unwrap_or(0),
        parts: args(field(entry, b"arguments")),
    })
}

/// A field of a map, which RESP2 writes as names and values in turn.
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
