//! Writes the page of one command of the family.

use std::fmt::Write as _;

use anyhow::{bail, Context, Result};
use testkit::redis::Value;
use testkit::RawConn;

use super::table::{Case, Row};
use crate::reply;
use crate::setup::Setup;
use crate::syntax;

/// The server whose documentation of its own commands the pages have.
pub fn is_written_for(version: &str) -> bool {
    version.starts_with("Redis 7.0.")
}

pub fn text(setup: &Setup, row: &Row) -> Result<String> {
    let name = format!("DURABLE.{}", row.name);
    let docs = syntax::of(setup.first(), &name)?;
    let mut page = String::new();
    writeln!(page, "# {name}\n")?;
    writeln!(
        page,
        "<!-- Written by `make docs-write` from docs-check/src/family/table.rs. -->\n"
    )?;
    writeln!(page, "```syntax\n{}\n```\n", docs.syntax)?;
    writeln!(page, "| | |\n|---|---|")?;
    writeln!(
        page,
        "| Available since | 0.1.0, as [{0}]({1}) of the server |",
        row.name,
        native(row.name)
    )?;
    writeln!(page, "| Complexity | {} |", docs.complexity)?;
    writeln!(
        page,
        "| ACL categories | {} ([details](../operations/acl.md)) |\n",
        categories(setup, row.name)?
    )?;
    writeln!(page, "{}\n", wrapped(&format!("{} {PROMISE}", row.what)))?;
    writeln!(
        page,
        "{}\n",
        if row.takes_options { TAKES } else { TAKES_NOT }
    )?;
    writeln!(
        page,
        "## Example\n\n```console\n{}```\n",
        session(setup, row.example)?
    )?;
    writeln!(
        page,
        "## Replies\n\nAs those of `{}`, byte for byte:\n",
        row.name
    )?;
    writeln!(
        page,
        "| command | when | RESP2 | RESP3 |\n|---|---|---|---|"
    )?;
    for case in row.cases {
        let (two, three) = (answer(setup, case, false)?, answer(setup, case, true)?);
        writeln!(
            page,
            "| `{}` | {} | {two} | {three} |",
            case.command, case.when
        )?;
    }
    writeln!(page, "\n## Errors\n\n{ERRORS}\n")?;
    let wrong = wrong_use(row);
    writeln!(page, "```console\n{}```\n", session(setup, &[&wrong])?)?;
    writeln!(
        page,
        "## Sent twice\n\n{}\n",
        wrapped(&format!("{} {SENT_TWICE}", row.again))
    )?;
    writeln!(
        page,
        "## History\n\n| version | change |\n|---|---|\n| 0.1.0 | added |"
    )?;
    Ok(page)
}

/// In lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

const PROMISE: &str = "The reply comes when the required replicas have acknowledged everything \
                       that the primary had executed up to and including this command.";

const TAKES: &str = "The [requirement options](../requirement.md) at the end are the module's. What is left out is\nconfigured.";

const TAKES_NOT: &str = "It takes no [requirement options](../requirement.md), because a key, a member or an option of the\ncommand itself may look like one. It uses the configured requirement. With options:\n[DURABLE.CALL](durable.call.md).";

const ERRORS: &str = "Errors of the plain command come at once, unchanged, and promise nothing. The module's own are in\n[Errors](../errors.md): `NOREPLICAS` and `OVERLOADED` (nothing was executed), `UNACKED` (executed on\nthe primary), `READONLY`, or in a cluster `MOVED`, from a replica.";

const SENT_TWICE: &str = "After an unknown outcome, [DURABLE.ONCE](durable.once.md) makes it safe.";

fn native(name: &str) -> String {
    format!(
        "https://redis.io/docs/latest/commands/{}/",
        name.to_ascii_lowercase()
    )
}

/// More replicas than there are, or an option where none is taken.
fn wrong_use(row: &Row) -> String {
    let first = row
        .cases
        .first()
        .map(|case| case.command)
        .unwrap_or_default();
    let count = if row.takes_options { 3 } else { 2 };
    format!("{first} REPLICAS {count}")
}

/// The categories of the plain command, which the server tells also where modules have none.
fn categories(setup: &Setup, name: &str) -> Result<String> {
    let reply: Vec<Vec<Value>> = setup.first().run(&["COMMAND", "INFO", name]);
    let entry = reply.first().and_then(|entry| entry.get(6));
    let Some(Value::Array(names)) = entry else {
        bail!("COMMAND INFO {name} has no categories");
    };
    let mut names: Vec<String> = names
        .iter()
        .filter_map(|name| match name {
            Value::SimpleString(name) => Some(format!("`{name}`")),
            _ => None,
        })
        .collect();
    names.sort();
    names.push("`@durable`".into());
    Ok(names.join(" "))
}

/// The commands and their replies, as they look in redis-cli.
fn session(setup: &Setup, commands: &[&str]) -> Result<String> {
    setup.clear();
    let mut conn = setup.first().raw();
    let mut text = String::new();
    for command in commands {
        let shown = reply::shown(&send(&mut conn, command))?;
        writeln!(text, "primary> {command}\n{}", setup.to_page(&shown))?;
    }
    Ok(text)
}

fn answer(setup: &Setup, case: &Case, resp3: bool) -> Result<String> {
    setup.clear();
    let mut conn = setup.first().raw();
    for command in case
        .before
        .split(';')
        .map(str::trim)
        .filter(|command| !command.is_empty())
    {
        let reply = send(&mut conn, command);
        if reply.starts_with(b"-") {
            bail!("{command}: {}", reply::shown(&reply)?);
        }
    }
    if resp3 {
        conn.hello3();
    }
    described(&send(&mut conn, case.command))
}

fn send(conn: &mut RawConn, command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split_whitespace().collect();
    conn.call(&words)
}

/// The type of a reply in the words of the protocol's specification, and its value.
fn described(bytes: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches("\r\n");
    let (kind, rest) = text.split_at_checked(1).context("an empty reply")?;
    let last = rest.split("\r\n").last().unwrap_or_default();
    Ok(match (kind, rest) {
        (":", number) => format!("integer `{number}`"),
        ("+", status) => format!("simple string `{status}`"),
        ("-", error) => format!("error `{error}`"),
        (",", number) => format!("double `{number}`"),
        ("_", _) => "null".into(),
        ("$", "-1") => "null bulk string".into(),
        ("*", "-1") => "null array".into(),
        ("$", _) => format!("bulk string `{last}`"),
        ("*", _) => {
            let parts: Vec<String> = rest
                .split("\r\n")
                .skip(2)
                .step_by(2)
                .map(|part| format!("`{part}`"))
                .collect();
            format!("array of bulk strings: {}", parts.join(", "))
        }
        _ => bail!("no words for the reply {text:?}"),
    })
}
