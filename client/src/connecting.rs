//! New connections: one made, several at a time, and whether it is any use to try again.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::{Connection, ConnectionLike, ErrorKind, RedisError, RedisResult};

use crate::client::Shared;
use crate::node::Node;

/// So many connections are made at a time.
const AT_ONCE: usize = 16;

/// A connection that is wanted.
pub(crate) struct Wanted {
    pub(crate) node: Node,
    /// One that was idle for long: it will do if the server still answers on it.
    pub(crate) idle: Option<Connection>,
}

pub(crate) enum Made {
    /// The idle one.
    Kept(Connection),
    New(Connection),
}

/// Makes all of these, several at a time, each within `limit`: nodes that do not answer are waited for together.
pub(crate) fn make(
    wanted: Vec<Wanted>,
    shared: &Shared,
    limit: Duration,
) -> Vec<(Node, RedisResult<Made>)> {
    let mut made = Vec::with_capacity(wanted.len());
    let mut wanted = wanted.into_iter().peekable();
    while let Some(first) = wanted.next() {
        if wanted.peek().is_none() {
            // No thread for the last one: mostly there is only one.
            made.push(make_one(first, shared, limit));
            break;
        }
        let part: Vec<Wanted> = wanted.by_ref().take(AT_ONCE).collect();
        thread::scope(|scope| {
            let start = |wanted: Wanted| {
                let node = wanted.node.clone();
                let make = move || make_one(wanted, shared, limit);
                (node, thread::Builder::new().spawn_scoped(scope, make))
            };
            let threads: Vec<_> = part.into_iter().map(start).collect();
            made.push(make_one(first, shared, limit));
            for (node, thread) in threads {
                made.push(match thread {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| {
                        // As the redis crate would have panicked in this thread: rustls without a provider.
                        std::panic::resume_unwind(panic)
                    }),
                    Err(error) => (node, Err(error.into())),
                });
            }
        });
    }
    made
}

fn make_one(wanted: Wanted, shared: &Shared, limit: Duration) -> (Node, RedisResult<Made>) {
    let Wanted { node, idle } = wanted;
    let response = shared.config.response_timeout;
    if let Some(kept) = idle.and_then(|idle| still_answers(idle, limit, response)) {
        return (node, Ok(Made::Kept(kept)));
    }
    let connection = connect(&node, shared, limit, response);
    (node, connection.map(Made::New))
}

fn still_answers(
    mut idle: Connection,
    limit: Duration,
    response: Option<Duration>,
) -> Option<Connection> {
    idle.set_read_timeout(Some(limit)).ok()?;
    let answers = idle.check_connection();
    idle.set_read_timeout(response).ok()?;
    answers.then_some(idle)
}

/// A new connection, authenticated as the client is, made within `limit`, whose reads and writes end after `response`.
pub(crate) fn connect(
    node: &Node,
    shared: &Shared,
    limit: Duration,
    response: Option<Duration>,
) -> RedisResult<Connection> {
    let connected = redis::Client::open(shared.config.connection_info(node))
        .and_then(|client| client.get_connection_with_timeout(limit))
        .and_then(|connection| {
            connection.set_read_timeout(response)?;
            connection.set_write_timeout(response)?;
            Ok(connection)
        });
    match &connected {
        Ok(_) => shared.stats.connections.one(),
        Err(_) => shared.stats.connection_failures.one(),
    }
    connected
}

/// Whether another attempt to connect would end the same way.
pub(crate) fn is_permanent(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::RESP3NotSupported
            | ErrorKind::Client
    ) || is_refused_by_tls(error)
}

/// Whether the two sides cannot agree on TLS: a certificate that is not trusted, a server that speaks no TLS, one
/// that wants a certificate of the client's. A handshake that was merely cut off is none of these.
fn is_refused_by_tls(error: &RedisError) -> bool {
    let cause = error.source();
    let cause =
        cause.and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        // What rustls has to say about the other side's messages; nothing else on a socket is of this kind.
        return error.kind() == io::ErrorKind::InvalidData;
    }
    // The redis crate hands on what native-tls says as text.
    let text = error.detail().unwrap_or_default().to_ascii_lowercase();
    error.kind() == ErrorKind::Io && text.contains("certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_refuses_is_refused_again_and_a_handshake_cut_off_is_not() {
        let io = |kind: io::ErrorKind| RedisError::from(io::Error::new(kind, "x"));
        assert!(is_permanent(&io(io::ErrorKind::InvalidData)));
        for kind in [
            io::ErrorKind::TimedOut,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
        ] {
            assert!(!is_permanent(&io(kind)), "{kind:?}");
        }
        let native =
            |text: &str| RedisError::from((ErrorKind::Io, "SSL Handshake error", text.to_string()));
        let untrusted = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed";
        assert!(is_permanent(&native(untrusted)));
        assert!(!is_permanent(&native(
            "Connection reset by peer (os error 104)"
        )));
        let wrong = RedisError::from((ErrorKind::AuthenticationFailed, "wrong password"));
        assert!(is_permanent(&wrong));
    }
}
