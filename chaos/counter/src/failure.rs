//! What a failed try means: nothing was executed, or nobody knows.

use std::time::Duration;

use redis::RedisError;

/// Why a command got no answer that counts.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Nothing was executed.
    Refused(String),
    /// It may have been executed, and may be lost again.
    Unknown(String),
}

impl Failure {
    pub fn text(&self) -> &str {
        match self {
            Failure::Refused(text) | Failure::Unknown(text) => text,
        }
    }
}

/// The meaning of an error that came after the command was sent. `text` is in its words.
pub fn after_sending(error: &RedisError, text: String) -> Failure {
    // These replies speak of a command that ran. Every other error reply is a refusal.
    let ran = ["UNACKED", "UNBLOCKED", "ERR internal error"];
    match error.code() {
        Some(_) if !ran.iter().any(|begin| text.starts_with(begin)) => Failure::Refused(text),
        _ => Failure::Unknown(text),
    }
}

/// The error as the server wrote it, or as the system reports it. An answer may take `limit`.
pub fn words(error: &RedisError, limit: Duration) -> String {
    // The system calls it "Resource temporarily unavailable".
    if error.is_timeout() {
        return format!("no answer within {} s", limit.as_secs());
    }
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::{ErrorKind, ServerErrorKind};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn meaning_of(error: &RedisError) -> Failure {
        after_sending(error, words(error, LIMIT))
    }

    fn reply(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn a_refusal_by_the_server_executed_nothing() {
        for line in [
            "NOREPLICAS 1 of 2 required replicas are connected; nothing was executed",
            "READONLY You can't write against a read only replica.",
            "ERR unknown command 'DURABLE.ONCE'",
            "LOADING Redis is loading the dataset in memory",
        ] {
            let meaning = meaning_of(&reply(line));
            assert!(
                matches!(&meaning, Failure::Refused(text) if text == line),
                "{meaning:?}"
            );
        }
    }

    #[test]
    fn a_broken_connection_and_an_ended_wait_leave_the_outcome_open() {
        let broken = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        for error in [
            broken,
            reply("UNACKED 1 of 2 replicas acknowledged within 500 ms; applied on the primary"),
            reply("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            reply("ERR internal error"),
        ] {
            let meaning = meaning_of(&error);
            assert!(matches!(meaning, Failure::Unknown(_)), "{meaning:?}");
        }
    }

    #[test]
    fn words_of_the_server_are_shown_without_decoration() {
        let error = reply("NOAUTH Authentication required.");
        assert_ne!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ResponseError)
        );
        assert_eq!(words(&error, LIMIT), "NOAUTH Authentication required.");
    }

    #[test]
    fn a_timeout_is_called_by_its_name() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            let meaning = meaning_of(&RedisError::from(io::Error::from(kind)));
            assert!(
                matches!(&meaning, Failure::Unknown(text) if text == "no answer within 5 s"),
                "{meaning:?}"
            );
        }
    }
}
