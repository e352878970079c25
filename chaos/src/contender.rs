//! The ways to write that are compared. All of them meet the same faults in the same run.

use crate::member::Size;
use redis::{Connection, RedisError, RedisResult, Value};

/// How long a durable write and WAIT may wait, in milliseconds.
const TIMEOUT: &str = "400";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The plain commands.
    Plain,
    /// The plain command and `WAIT 1` in one packet.
    Wait,
    /// The durable commands, with one replica of two.
    One,
    /// The durable commands, with two replicas.
    Two,
    /// The durable commands, with a majority of all copies: one replica of two.
    Majority,
    /// The durable commands, with all replicas.
    All,
}

impl Contender {
    pub const EACH: [Contender; 5] = [
        Contender::Plain,
        Contender::Wait,
        Contender::One,
        Contender::Majority,
        Contender::All,
    ];

    /// Those whose writes a failover group of two or four replicas keeps, K being 1 or 2.
    pub fn of_group(size: Size) -> Vec<Contender> {
        let all = [
            Contender::One,
            Contender::Two,
            Contender::Majority,
            Contender::All,
        ];
        let replicas = |one: &Contender| one.replicas_of(size.replicas).unwrap_or(0);
        let is_kept = |one: &Contender| replicas(one) >= size.guaranteed;
        let is_least = |one: &Contender| *one != Contender::Two || size.guaranteed == 2;
        all.into_iter().filter(is_kept).filter(is_least).collect()
    }

    /// How many of so many replicas have to acknowledge. `None`: it does not say.
    pub fn replicas_of(self, replicas: usize) -> Option<usize> {
        match self {
            Contender::Plain | Contender::Wait => None,
            Contender::One => Some(1),
            Contender::Two => Some(2),
            // Of the copies, the primary's included.
            Contender::Majority => Some(replicas.div_ceil(2)),
            Contender::All => Some(replicas),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Contender::Plain => "SET",
            Contender::Wait => "SET + WAIT 1",
            Contender::One => "REPLICAS 1",
            Contender::Two => "REPLICAS 2",
            Contender::Majority => "REPLICAS MAJORITY",
            Contender::All => "REPLICAS ALL",
        }
    }

    /// The requirement of the durable commands.
    pub fn requirement(self) -> Option<&'static str> {
        match self {
            Contender::Plain | Contender::Wait => None,
            Contender::One => Some("1"),
            Contender::Two => Some("2"),
            Contender::Majority => Some("MAJORITY"),
            Contender::All => Some("ALL"),
        }
    }

    /// The words that this contender sends for a command whose durable twin takes trailing
    /// options.
    pub fn words(self, command: &[&str]) -> Vec<String> {
        let mut words: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        if let Some(requirement) = self.requirement() {
            if let Some(name) = words.first_mut() {
                *name = format!("DURABLE.{name}");
            }
            words.extend(["REPLICAS", requirement, "TIMEOUT", TIMEOUT].map(str::to_owned));
        }
        words
    }

    /// The words of a write that is safe to send again. `None` for contenders that have none.
    pub fn once(self, id: &str, command: &[&str]) -> Option<Vec<String>> {
        let requirement = self.requirement()?;
        let options = [
            "DURABLE.ONCE",
            id,
            "REPLICAS",
            requirement,
            "TIMEOUT",
            TIMEOUT,
        ];
        let words = options.iter().chain(command).map(|&word| word.to_owned());
        Some(words.collect())
    }

    /// Sends a command, and says what its answer means.
    pub fn send(self, connection: &mut Connection, words: &[String], asking: bool) -> Answer {
        let mut commands = Vec::new();
        if asking {
            commands.push(redis::cmd("ASKING"));
        }
        let Some((name, arguments)) = words.split_first() else {
            return Answer::Refused;
        };
        let mut command = redis::cmd(name);
        command.arg(arguments);
        commands.push(command);
        if self == Contender::Wait {
            let mut wait = redis::cmd("WAIT");
            wait.arg(1).arg(TIMEOUT);
            commands.push(wait);
        }
        match exchange(connection, &commands) {
            Err(_) => Answer::Unknown,
            Ok(mut replies) => {
                let waited = (self == Contender::Wait).then(|| replies.pop()).flatten();
                match (replies.pop(), waited) {
                    (Some(Err(error)), _) => meaning(&error),
                    (Some(Ok(reply)), None) => Answer::Acked(reply),
                    (Some(Ok(reply)), Some(Ok(Value::Int(count)))) if count >= 1 => {
                        Answer::Acked(reply)
                    }
                    (Some(Ok(_)), Some(_)) => Answer::Unacked,
                    (None, _) => Answer::Unknown,
                }
            }
        }
    }
}

/// Sends commands in one packet and reads one reply for each.
///
/// # Errors
/// The connection broke.
fn exchange(
    connection: &mut Connection,
    commands: &[redis::Cmd],
) -> RedisResult<Vec<RedisResult<Value>>> {
    let packet: Vec<u8> = commands
        .iter()
        .flat_map(redis::Cmd::get_packed_command)
        .collect();
    connection.send_packed_command(&packet)?;
    let mut replies = Vec::new();
    for _ in commands {
        match connection.recv_response().and_then(Value::extract_error) {
            Err(error) if error.code().is_none() => return Err(error),
            reply => replies.push(reply),
        }
    }
    Ok(replies)
}

/// What a client knows after it has sent a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was executed, and the promise of the contender holds.
    Acked(Value),
    /// It was executed on the primary. It may be lost.
    Unacked,
    /// It was not executed.
    Refused,
    /// It was not executed: another node has the key.
    Elsewhere { node: String, asking: bool },
    /// Nothing is known: the connection broke, or the server said UNBLOCKED or CLUSTERDOWN.
    Unknown,
}

/// What an error says about execution: see the README's table of errors.
fn meaning(error: &RedisError) -> Answer {
    if let Some((node, _)) = error.redirect_node() {
        return Answer::Elsewhere {
            node: node
                .rsplit_once(':')
                .map_or(node, |(host, _)| host)
                .to_owned(),
            asking: error.code() == Some("ASK"),
        };
    }
    let is_internal = error
        .detail()
        .is_some_and(|detail| detail.starts_with("internal error"));
    match error.code() {
        Some("ERR") if is_internal => Answer::Unknown,
        Some("UNACKED") => Answer::Unacked,
        Some("UNBLOCKED" | "CLUSTERDOWN" | "EXECABORT") | None => Answer::Unknown,
        Some(_) => Answer::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durable_commands_get_the_requirement_at_their_end() {
        let words = Contender::All.words(&["SET", "k", "v", "GET"]).join(" ");
        assert_eq!(words, "DURABLE.SET k v GET REPLICAS ALL TIMEOUT 400");
        assert_eq!(Contender::Plain.words(&["INCR", "k"]).join(" "), "INCR k");
    }

    #[test]
    fn only_durable_contenders_write_once() {
        assert_eq!(Contender::Wait.once("id", &["INCR", "k"]), None);
        let words = Contender::One
            .once("id", &["INCR", "k"])
            .unwrap_or_default();
        assert_eq!(
            words.join(" "),
            "DURABLE.ONCE id REPLICAS 1 TIMEOUT 400 INCR k"
        );
    }
}
