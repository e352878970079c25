//! The connections of one session, at most one for each node.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike, ErrorKind, RedisError, RedisResult, Value};

use crate::client::Shared;
use crate::node::Node;

/// Open connections by node.
#[derive(Default)]
pub(crate) struct Links {
    open: HashMap<Node, Link>,
}

struct Link {
    connection: Connection,
    used: Instant,
}

impl Links {
    pub(crate) fn is_open(&self, node: &Node) -> bool {
        self.open.contains_key(node)
    }

    /// Closes the connection. After any error of its own: replies that are still under way would be taken for
    /// those to later commands.
    pub(crate) fn close(&mut self, node: &Node) {
        self.open.remove(node);
    }

    /// The connection that a pipeline was just sent on.
    pub(crate) fn sent_on(&mut self, node: &Node) -> RedisResult<&mut Connection> {
        match self.open.get_mut(node) {
            Some(link) => Ok(&mut link.connection),
            None => Err((ErrorKind::Io, "the connection is gone").into()),
        }
    }

    /// The connection to `node`, made if there is none. A connection that was idle for long is tried out first:
    /// if the server has closed it meanwhile, a command would be lost for nothing.
    pub(crate) fn to(&mut self, node: &Node, shared: &Shared) -> RedisResult<&mut Connection> {
        let idle = |link: &Link| link.used.elapsed() > shared.config.check_idle;
        if self.open.get(node).is_some_and(idle) {
            let alive = self
                .open
                .get_mut(node)
                .is_some_and(|link| link.connection.check_connection());
            if !alive {
                self.close(node);
            }
        }
        if !self.open.contains_key(node) {
            let connection = connect(node, shared, shared.config.response_timeout)?;
            let used = Instant::now();
            self.open.insert(node.clone(), Link { connection, used });
        }
        if let Some(link) = self.open.get_mut(node) {
            link.used = Instant::now();
        }
        self.sent_on(node)
    }
}

/// A new connection, authenticated as the client is, whose reads and writes end after `response`.
pub(crate) fn connect(
    node: &Node,
    shared: &Shared,
    response: Option<Duration>,
) -> RedisResult<Connection> {
    let connected = redis::Client::open(shared.config.connection_info(node))
        .and_then(|client| client.get_connection_with_timeout(shared.config.connect_timeout))
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
    )
}

/// The next reply. Push messages of RESP3 come at any time and are none.
pub(crate) fn receive(connection: &mut Connection) -> RedisResult<Value> {
    loop {
        match connection.recv_response()? {
            Value::Push { .. } => {}
            reply => return Ok(reply),
        }
    }
}
