//! New connections: one made, several at a time, and whether it is any use to try again.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value};

use crate::decide::deadline::Deadline;
use crate::decide::node::Node;
use crate::drive::client::Shared;
use crate::drive::connection::Connection;
use crate::drive::greeting::greet;
use crate::drive::socket::Socket;

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

/// Makes all of these, several at a time, each within `limit` and by `deadline`: nodes that do not
/// answer are waited for together.
pub(crate) fn make(
    wanted: Vec<Wanted>,
    shared: &Shared,
    limit: Duration,
    deadline: Deadline,
) -> Vec<(Node, RedisResult<Made>)> {
    let mut made = Vec::with_capacity(wanted.len());
    let mut wanted = wanted.into_iter().peekable();
    while let Some(first) = wanted.next() {
        if wanted.peek().is_none() {
            // No thread for the last one: mostly there is only one.
            made.push(make_one(first, shared, limit, deadline));
            break;
        }
        let part: Vec<Wanted> = wanted.by_ref().take(AT_ONCE).collect();
        thread::scope(|scope| {
            let start = |wanted: Wanted| {
                let node = wanted.node.clone();
                let make = move || make_one(wanted, shared, limit, deadline);
                (node, thread::Builder::new().spawn_scoped(scope, make))
            };
            let threads: Vec<_> = part.into_iter().map(start).collect();
            made.push(make_one(first, shared, limit, deadline));
            for (node, thread) in threads {
                made.push(match thread {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| {
                        // As it would have in this thread: what checks certificates is the caller's
                        // code.
                        std::panic::resume_unwind(panic)
                    }),
                    Err(error) => (node, Err(error.into())),
                });
            }
        });
    }
    made
}

fn make_one(
    wanted: Wanted,
    shared: &Shared,
    limit: Duration,
    deadline: Deadline,
) -> (Node, RedisResult<Made>) {
    let Wanted { node, idle } = wanted;
    if let Some(kept) = idle.and_then(|idle| still_answers(idle, deadline.at_most(limit))) {
        return (node, Ok(Made::Kept(kept)));
    }
    let connection = connect(&node, shared, deadline.at_most(limit));
    (node, connection.map(Made::New))
}

fn still_answers(mut idle: Connection, deadline: Deadline) -> Option<Connection> {
    idle.send(&redis::cmd("PING").get_packed_command(), deadline)
        .ok()?;
    let reply = idle.receive(deadline).ok()?;
    (reply == Value::SimpleString("PONG".into())).then_some(idle)
}

/// A new connection, authenticated as the client is, made by `deadline`: looking up the name aside,
/// that is for everything together.
pub(crate) fn connect(node: &Node, shared: &Shared, deadline: Deadline) -> RedisResult<Connection> {
    let info = shared.config.connection_info(node);
    let connected = dial(&info, shared, deadline).and_then(|mut connection| {
        greet(&mut connection, info.redis_settings(), deadline)?;
        let unusable = connection.look().error();
        unusable.map_or(Ok(connection), Err)
    });
    match &connected {
        Ok(_) => shared.stats.connections.one(),
        Err(_) => shared.stats.connection_failures.one(),
    }
    connected
}

fn dial(info: &ConnectionInfo, shared: &Shared, deadline: Deadline) -> RedisResult<Connection> {
    let settings = info.tcp_settings();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let socket = Socket::tcp(host, *port, settings, deadline)?;
            Ok(Connection::plain(socket))
        }
        ConnectionAddr::Unix(path) => Ok(Connection::plain(Socket::unix(path, deadline)?)),
        #[cfg(feature = "tls")]
        ConnectionAddr::TcpTls { host, port, .. } => {
            let Some(tls) = &shared.config.tls else {
                let what = "no settings for TLS: give them to ClientBuilder::tls";
                return Err((ErrorKind::InvalidClientConfig, what).into());
            };
            let socket = Socket::tcp(host, *port, settings, deadline)?;
            Connection::tls(socket, host, tls.clone(), deadline)
        }
        _ => {
            let _ = shared;
            let what = "no such connections: for TLS, turn on the feature tls";
            Err((ErrorKind::InvalidClientConfig, what).into())
        }
    }
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

/// Whether the two sides cannot agree on TLS: a certificate that is not trusted, a server that
/// speaks no TLS, one that wants a certificate of the client's. A handshake that was merely cut off
/// is none of these.
fn is_refused_by_tls(error: &RedisError) -> bool {
    let cause = error.source();
    let cause =
        cause.and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    // What rustls has to say about the other side's messages; nothing else on a socket is of this
    // kind.
    io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
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
        let wrong = RedisError::from((ErrorKind::AuthenticationFailed, "wrong password"));
        assert!(is_permanent(&wrong));
    }
}
