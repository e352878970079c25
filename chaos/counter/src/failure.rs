//! What a failed try means: nothing was executed, or nobody knows.

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

/// The meaning of an error that came after the command was sent.
pub fn after_sending(error: &RedisError) -> Failure {
    let text = words(error);
    // These replies speak of a command that ran. Every other error reply is a refusal.
    let ran = ["UNACKED", "UNBLOCKED", "ERR internal error"];
    match error.code() {
        Some(_) if !ran.iter().any(|begin| text.starts_with(begin)) => Failure::Refused(text),
        _ => Failure::Unknown(text),
    }
}

/// The error as the server wrote it, or as the system reports it.
pub fn words(error: &RedisError) -> String {
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
            let meaning = after_sending(&reply(line));
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
            let meaning = after_sending(&error);
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
        assert_eq!(words(&error), "NOAUTH Authentication required.");
    }
}
