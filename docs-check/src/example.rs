//! Executes a `console` block.
//!
//! | line | meaning |
//! |---|---|
//! | `primary> GET k` | sends a command to this server; the lines after it are the reply |
//! | `a> GET k` | the same, from a further client of the primary (in a cluster: of `node1`) |
//! | `(waits)`, as the reply | the command must not be answered yet |
//! | `a< OK` | the reply to the waiting command of this client, which comes now |
//! | `$ grep x primary.log` | runs in a shell, in a directory with `primary.log`, `primary.pid` … |
//! | `# a moment later` | the next command is repeated until its reply is as shown |
//! | `<token>` in a reply | any text, which replaces `<token>` in later commands |
//!
//! `expected.rs` says how replies are compared. Each client keeps its connection within a block.

use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use testkit::eventually;

use crate::clients::{Clients, TOKEN};
use crate::expected::matches;
use crate::setup::Setup;

/// What a reader sees as one step: a line of input, and what comes back.
struct Step<'t> {
    /// In the block, counted from 0.
    line: usize,
    input: Input<'t>,
    expected: Vec<&'t str>,
    eventually: bool,
}

enum Input<'t> {
    Command { client: &'t str, words: &'t str },
    Answer { client: &'t str },
    Shell(&'t str),
}

/// The code as it is, or with the replies that came where the page says `?`.
pub struct Outcome {
    pub filled: String,
    /// Whether servers may have been changed otherwise than by data.
    pub changed_servers: bool,
    /// Whether a server was killed or has another role now. The next block needs new servers.
    pub broke_servers: bool,
}

pub fn run(setup: &Setup, code: &str, resp3: bool) -> Result<Outcome> {
    let lines: Vec<&str> = code.lines().collect();
    let mut clients = Clients::new(setup, resp3);
    let mut outcome = Outcome {
        filled: code.to_owned(),
        changed_servers: false,
        broke_servers: false,
    };
    for step in steps(&lines)? {
        outcome.changed_servers |= changes_servers(&step.input);
        outcome.broke_servers |= breaks_servers(lines[step.line]);
        let mut actual = String::new();
        let mut is_as_shown = |clients: &mut Clients<'_>| -> Result<bool> {
            actual = take(clients, &step)?;
            let found: Vec<&str> = actual.lines().collect();
            let shown = matches(&step.expected, &found);
            if let Some(token) = step
                .expected
                .iter()
                .zip(&found)
                .find_map(|(page, real)| captured(page, real))
            {
                clients.token = token.to_owned();
            }
            Ok(shown)
        };
        let wants_to_know = step.expected == ["?"];
        let mut shown = is_as_shown(&mut clients)?;
        if !shown && step.eventually && !wants_to_know {
            let mut failure = None;
            let wait = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                eventually("the reply on the page", || {
                    match is_as_shown(&mut clients) {
                        Ok(shown) => shown,
                        Err(error) => {
                            failure = Some(error);
                            true
                        }
                    }
                });
            }));
            if let Some(error) = failure {
                return Err(error);
            }
            shown = wait.is_ok();
        }
        if wants_to_know {
            let with = match &step.input {
                Input::Answer { client } => format!("{client}< {actual}\n"),
                _ if actual.is_empty() => String::new(),
                _ => format!("{actual}\n"),
            };
            let wanted = match &step.input {
                Input::Answer { client } => format!("{client}< ?\n"),
                _ => "?\n".to_owned(),
            };
            outcome.filled = outcome.filled.replacen(&wanted, &with, 1);
            continue;
        }
        ensure!(
            shown,
            "line {} of the block: {}\nthe page shows:\n{}\nthe servers say:\n{actual}",
            step.line + 1,
            lines[step.line],
            step.expected.join("\n"),
        );
    }
    Ok(outcome)
}

fn steps<'t>(lines: &[&'t str]) -> Result<Vec<Step<'t>>> {
    let mut steps: Vec<Step<'t>> = Vec::new();
    let mut later = false;
    for (number, &line) in lines.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        if line.starts_with("# a moment later") {
            later = true;
            continue;
        }
        if let Some((input, reply)) = input(line) {
            steps.push(Step {
                line: number,
                input,
                expected: reply.into_iter().collect(),
                eventually: std::mem::take(&mut later),
            });
        } else {
            let step = steps.last_mut();
            let step = step.with_context(|| format!("a reply without a command: {line}"))?;
            step.expected.push(line);
        }
    }
    Ok(steps)
}

/// The input of a line, and the reply in the same line. `None` if the line is part of a reply.
fn input(line: &str) -> Option<(Input<'_>, Option<&str>)> {
    if let Some(command) = line.strip_prefix("$ ") {
        return Some((Input::Shell(command), None));
    }
    let end = line.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())?;
    let (client, rest) = line.split_at(end);
    // `2> "x"` is an element of a push message.
    if !client.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    if let Some(words) = rest.strip_prefix("> ") {
        return Some((Input::Command { client, words }, None));
    }
    let reply = rest.strip_prefix("< ")?;
    Some((Input::Answer { client }, Some(reply)))
}

/// Commands after which the servers are not used for another page.
fn changes_servers(input: &Input<'_>) -> bool {
    const CHANGES: [&str; 13] = [
        "CONFIG",
        "ACL",
        "REPLICAOF",
        "DEBUG",
        "CLUSTER",
        "MODULE",
        "FAILOVER",
        "SENTINEL",
        "FUNCTION",
        "SHUTDOWN",
        "CLIENT",
        "SCRIPT",
        "REPLCONF",
    ];
    match input {
        Input::Command { words, .. } => {
            let first = words.split_whitespace().next().unwrap_or_default();
            CHANGES.contains(&first.to_ascii_uppercase().as_str())
        }
        Input::Answer { .. } => false,
        Input::Shell(_) => true,
    }
}

fn breaks_servers(line: &str) -> bool {
    ["kill -KILL", "FAILOVER", "REPLICAOF", "SETSLOT", "SHUTDOWN"]
        .iter()
        .any(|word| line.contains(word))
}

/// Does what the line says, and returns what came back.
fn take(clients: &mut Clients<'_>, step: &Step<'_>) -> Result<String> {
    match step.input {
        Input::Command { client, words } if step.expected == ["(waits)"] => {
            clients.send_and_wait(client, words)?;
            Ok("(waits)".into())
        }
        Input::Command { client, words } => {
            let command = clients.words(words)?;
            clients.connection(client)?.send(&command);
            if command
                .first()
                .is_some_and(|word| word.eq_ignore_ascii_case(b"INFO"))
            {
                return clients.read_text(client);
            }
            clients.read(client)
        }
        Input::Answer { client } => clients.read(client),
        Input::Shell(command) => shell(clients.setup, command),
    }
}

/// What a line of the reply has where the page has `<token>`.
fn captured<'r>(page: &str, real: &'r str) -> Option<&'r str> {
    let (before, after) = page.split_once(TOKEN)?;
    let after = after.split(" ← ").next().unwrap_or_default().trim_end();
    real.strip_prefix(before)?.strip_suffix(after)
}

/// Signals to servers go through the test kit, which waits until they have arrived.
fn shell(setup: &Setup, command: &str) -> Result<String> {
    let signal = command.strip_prefix("kill -").and_then(|rest| {
        let (signal, file) = rest.split_once(" $(cat ")?;
        Some((signal, setup.server(file.strip_suffix(".pid)")?)?))
    });
    match signal {
        Some(("STOP", server)) => server.pause(),
        Some(("CONT", server)) => server.resume(),
        Some(("KILL", server)) => server.kill(),
        Some((other, _)) => bail!("no signal {other} is used here"),
        None => {
            let output = Command::new("bash")
                .args(["-c", &setup.to_real(command)])
                .current_dir(setup.directory())
                .output()
                .context("starting bash")?;
            let text = [output.stdout, output.stderr].concat();
            return Ok(setup.to_page(String::from_utf8_lossy(&text).trim_end()));
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_reply_are_not_taken_for_input() {
        let lines = [
            "primary> GET k",
            "\"x> y\"",
            "1) (integer) 3",
            "2> \"k\"",
            "a< OK",
            "# a moment later",
            "$ true",
        ];
        let steps = steps(&lines).expect("steps");
        assert_eq!(steps.len(), 3);
        assert_eq!(
            steps[0].expected,
            ["\"x> y\"", "1) (integer) 3", "2> \"k\""]
        );
        assert_eq!(steps[1].expected, ["OK"]);
        assert!(steps[2].eventually && !steps[1].eventually);
    }
}
