//! The errors of a command, and whether it may have been executed all the same. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{ParsingError, RedisError, ServerError};

use crate::decide::hint::Unreadable;
use crate::decide::node::Node;

/// Why a command has no reply. [`Error::may_have_been_executed`] says what that means for the data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error that the client does not handle: `WRONGTYPE`, `NOPERM`,
    /// `UNACKED` … To a command by [`crate::Command::once`], `UNACKED` is the last one within the
    /// time for retries.
    Server(ServerError),
    /// A script or function ended with an error, and may have written before that. The error can be
    /// the script's own text, even if it reads `TRYAGAIN`, `CLUSTERDOWN`, `LOADING`, `READONLY` or
    /// `MASTERDOWN`: the server uses the same words to turn a script away before it runs. So a
    /// script is not sent again for them, unless it is [`crate::Command::repeatable`].
    Script(ServerError),
    /// The command was sent and no reply came back, or a reply that leaves the outcome open. It was
    /// not sent again, since that might execute it twice. For a fence: it is not known whether the
    /// writes before it are acknowledged, and the fence itself may not have been sent; see
    /// [`crate::Command::routed_by`].
    OutcomeUnknown {
        /// Where it was sent, or was to be sent.
        node: Node,
        /// Why there is no result: the connection's error, or the server's, such as `UNBLOCKED` or
        /// `CLUSTERDOWN` to a command that waits for replicas.
        cause: RedisError,
    },
    /// No attempt within the time for retries succeeded. Also: an attempt may have been executed,
    /// and a later one met an error that ends the retries.
    GaveUp {
        /// The time since the command was first turned away. If it waited behind an earlier command
        /// of its slot: the time since that one was first turned away.
        after: Duration,
        /// How many attempts there were.
        attempts: u32,
        /// What the last attempt met: a node that could not be reached, `CLUSTERDOWN`, `TRYAGAIN` …
        last: String,
        /// Whether an attempt may have been executed: it ended without a reply, or may have been
        /// turned away while it waited for replicas. Only repeatable commands are sent again then.
        sent: bool,
    },
    /// A node refuses this client, and will refuse it again: wrong password, a certificate that is
    /// not trusted, TLS not supported … From [`crate::Session::prefill`] and
    /// [`crate::Session::prefill_all`] also: a node could not be reached, or gave no whole answer.
    Connect {
        /// The node.
        node: Node,
        /// The redis crate's error.
        cause: RedisError,
    },
    /// The command cannot be sent this way, for this reason.
    Refused(&'static str),
    /// The reply is not of the requested type. The command has been executed.
    Conversion(ParsingError),
    /// A server's slot hint differs from its documentation.
    Hint(Unreadable),
    /// The client was given no node, or an address of an unknown kind.
    Configuration(Arc<str>),
}

impl Error {
    /// False only if the command has certainly had no effect.
    ///
    /// That is certain if no attempt was sent, and for the errors that a server gives before
    /// anything runs. All other errors of a server leave it open, and so does every error of a
    /// script, which may fail half-way.
    pub fn may_have_been_executed(&self) -> bool {
        match self {
            Error::Server(error) => !matches!(
                error.code(),
                "MOVED"
                    | "ASK"
                    | "TRYAGAIN"
                    | "CLUSTERDOWN"
                    | "CROSSSLOT"
                    | "LOADING"
                    | "READONLY"
                    | "MASTERDOWN"
                    | "NOPERM"
                    | "NOAUTH"
                    | "WRONGTYPE"
                    | "MISCONF"
                    | "NOREPLICAS"
                    | "OVERLOADED"
            ),
            Error::Script(_) | Error::OutcomeUnknown { .. } | Error::Conversion(_) => true,
            Error::GaveUp { sent, .. } => *sent,
            Error::Connect { .. }
            | Error::Refused(_)
            | Error::Hint(_)
            | Error::Configuration(_) => false,
        }
    }

    /// The code of a server's error, such as `WRONGTYPE`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Server(error) | Error::Script(error) => Some(error.code()),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Server(error) | Error::Script(error) => {
                write!(out, "{} {}", error.code(), error.details().unwrap_or_default())
            }
            Error::OutcomeUnknown { node, cause } => write!(
                out,
                "no reply from {node} ({cause}); the command may have been executed, it was not sent again"
            ),
            Error::GaveUp { after, attempts, last, sent } => {
                let outcome = if *sent { "the command may have been executed" } else { "nothing was executed" };
                let ms = after.as_millis();
                write!(out, "gave up after {attempts} attempts in {ms} ms, the last one met: {last}; {outcome}")
            }
            Error::Connect { node, cause } => {
                write!(out, "{node} cannot be used: {cause}; nothing was executed")
            }
            Error::Refused(why) => write!(out, "not sent: {why}; nothing was executed"),
            Error::Conversion(error) => {
                write!(out, "the reply is of another type: {error}; the command was executed")
            }
            Error::Hint(error) => write!(out, "{error}"),
            Error::Configuration(why) => write!(out, "{why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Server(error) | Error::Script(error) => Some(error),
            Error::OutcomeUnknown { cause, .. } | Error::Connect { cause, .. } => Some(cause),
            Error::Conversion(error) => Some(error),
            Error::Hint(error) => Some(error),
            Error::GaveUp { .. } | Error::Refused(_) | Error::Configuration(_) => None,
        }
    }
}

impl From<ParsingError> for Error {
    fn from(error: ParsingError) -> Self {
        Error::Conversion(error)
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Error::Hint(error)
    }
}
