//! The syntax of a command, from COMMAND DOCS of a running server.

use anyhow::{Context, Result};
use testkit::redis::{self, Value};
use testkit::Server;

/// What a server tells of a command.
pub struct CommandDocs {
    /// `DURABLE.INCR key [REPLICAS n | MAJORITY | ALL] …`
    pub syntax: String,
    pub complexity: String,
}

pub fn of(server: &Server, name: &str) -> Result<CommandDocs> {
    let reply: Vec<Value> = server.run(&["COMMAND", "DOCS", name]);
    let docs = reply
        .get(1)
        .with_context(|| format!("no COMMAND DOCS of {name}"))?;
    let mut words = vec![name.to_owned()];
    words.extend(elements(field(docs, "arguments")).iter().map(argument));
    Ok(CommandDocs {
        syntax: words.join(" "),
        complexity: field(docs, "complexity").map(text).unwrap_or_default(),
    })
}

/// The names of the module's commands on this server, in capitals, sorted.
pub fn module_commands(server: &Server) -> Vec<String> {
    let mut names: Vec<String> = server.run(&["COMMAND", "LIST", "FILTERBY", "MODULE", "durable"]);
    for name in &mut names {
        name.make_ascii_uppercase();
    }
    names.sort();
    names
}

/// As the pages of Redis write it: `[EX seconds | PX milliseconds]`, `key [key ...]`.
fn argument(docs: &Value) -> String {
    let flags: Vec<String> = elements(field(docs, "flags")).iter().map(text).collect();
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let token = field(docs, "token").map(text);
    let parts: Vec<String> = elements(field(docs, "arguments"))
        .iter()
        .map(argument)
        .collect();
    let kind = field(docs, "type").map(text).unwrap_or_default();
    let inner = match kind.as_str() {
        "oneof" => parts.join(" | "),
        "block" => parts.join(" "),
        "pure-token" => token.clone().unwrap_or_default(),
        _ => field(docs, "name").map(text).unwrap_or_default(),
    };
    let token = token.filter(|token| kind != "pure-token" && !token.is_empty());
    let mut shown = match (&token, kind.as_str()) {
        (Some(token), _) => format!("{token} {inner}"),
        (None, "oneof") if !has("optional") => format!("<{inner}>"),
        _ => inner.clone(),
    };
    if has("multiple") && has("optional") {
        return format!("[{shown} ...]");
    }
    if has("multiple") {
        let again = if has("multiple_token") {
            &shown
        } else {
            &inner
        };
        shown = format!("{shown} [{again} ...]");
    }
    if has("optional") {
        shown = format!("[{shown}]");
    }
    shown
}

/// A field of a map. In RESP2 a map is an array of names and values.
fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Array(parts) = map else {
        return None;
    };
    let mut pairs = parts.chunks_exact(2);
    pairs
        .find(|pair| text(&pair[0]) == name)
        .map(|pair| &pair[1])
}

fn text(value: &Value) -> String {
    redis::from_redis_value_ref(value).unwrap_or_default()
}

fn elements(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(elements)) => elements,
        _ => &[],
    }
}
