//! Makes connections, several at a time, and tries out idle ones.

use std::thread;
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo, RedisResult, Value};

use crate::decide::deadline::Deadline;
use crate::decide::greeting::greeting;
use crate::decide::node::Node;
use crate::drive::connection::Connection;
use crate::drive::shared::Shared;
use crate::drive::socket::Socket;

/// At most so many threads make connections at a time, besides the calling one.
const AT_ONCE: usize = 16;

/// A connection that is wanted.
pub(crate) struct Wanted {
    pub(crate) node: Node,
    /// A connection that was idle for long. It is kept if the server still answers on it.
    pub(crate) idle: Option<Connection>,
}

pub(crate) enum Made {
    /// The idle one.
    Kept(Connection),
    New(Connection),
}

/// Makes all of these, several at a time and by `deadline`. So the waits for nodes that do not
/// answer overlap. `limit` holds for the PING on an idle connection, and again for a new
/// connection.
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
            // The last one needs no thread. Mostly there is only one.
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
                        // The caller's code checks certificates. Its panic reaches the caller as if
                        // it had run in this thread.
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
    if let Some(kept) =
        idle.and_then(|idle| still_answers(idle, deadline.at_most(Instant::now(), limit)))
    {
        return (node, Ok(Made::Kept(kept)));
    }
    let connection = connect(&node, shared, deadline.at_most(Instant::now(), limit));
    (node, connection.map(Made::New))
}

fn still_answers(mut idle: Connection, deadline: Deadline) -> Option<Connection> {
    idle.send(&redis::cmd("PING").get_packed_command(), deadline)
        .ok()?;
    let reply = idle.receive(deadline).ok()?;
    (reply == Value::SimpleString("PONG".into())).then_some(idle)
}

/// A new connection with the client's user and password, made by `deadline`. The deadline covers
/// everything except for the lookup of the host name.
pub(crate) fn connect(node: &Node, shared: &Shared, deadline: Deadline) -> RedisResult<Connection> {
    let info = shared.settings.connection_info(node);
    let connected = dial(&info, shared, deadline).and_then(|mut connection| {
        greet(&mut connection, info.redis_settings(), deadline)?;
        let unusable = connection.check().error();
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
            let Some(tls) = &shared.tls else {
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

/// Sends the greeting in one packet and reads the replies, all by `deadline`.
fn greet(
    connection: &mut Connection,
    info: &RedisConnectionInfo,
    deadline: Deadline,
) -> RedisResult<()> {
    let greeting = greeting(info);
    if greeting.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for (_, command) in &greeting {
        command.write_packed_command(&mut bytes);
    }
    connection.send(&bytes, deadline)?;
    for (part, _) in greeting {
        let reply = connection.receive(deadline)?;
        if let Value::ServerError(error) = reply {
            part.refused(error)?;
        }
    }
    Ok(())
}
