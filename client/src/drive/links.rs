//! The connections of one session, at most one for each node.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult};

use crate::decide::batch::fences::Serial;
use crate::decide::deadline::Deadline;
use crate::decide::node::Node;
use crate::drive::client::Shared;
use crate::drive::connecting::{make, Made, Wanted};
use crate::drive::connection::{Connection, Look};

/// Open connections by node.
#[derive(Default)]
pub(crate) struct Links {
    open: HashMap<Node, Link>,
    made: Serial,
}

struct Link {
    connection: Connection,
    used: Instant,
    serial: Serial,
}

impl Links {
    /// Whether there is a connection that needs no trying out. One that was idle for long does: if
    /// the server has closed it meanwhile, a command would be lost for nothing. Closes one that is
    /// of no use.
    pub(crate) fn is_ready(&mut self, node: &Node, shared: &Shared) -> bool {
        self.look(node, shared);
        let link = self.open.get(node);
        link.is_some_and(|link| link.used.elapsed() <= shared.config.check_idle)
    }

    /// Looks at the connection, and closes it if the server has closed it or has sent what would be
    /// taken for the reply to the next command. To be called when no reply is awaited.
    pub(crate) fn look(&mut self, node: &Node, shared: &Shared) -> Look {
        let Some(link) = self.open.get_mut(node) else {
            return Look::Closed;
        };
        let look = link.connection.look();
        if look == Look::Surplus {
            shared.stats.surplus_replies.one();
        }
        if look != Look::Clean {
            self.close(node);
        }
        look
    }

    /// Makes connections to these nodes, several at a time and each within `limit` and by
    /// `deadline`, or tries out those that there are. Returns those to which there is none, and
    /// why.
    pub(crate) fn make_ready(
        &mut self,
        nodes: impl IntoIterator<Item = Node>,
        shared: &Shared,
        limit: Duration,
        deadline: Deadline,
    ) -> HashMap<Node, RedisError> {
        let mut serials = HashMap::new();
        let mut wanted = Vec::new();
        for node in nodes {
            let link = self.open.remove(&node);
            serials.extend(link.as_ref().map(|link| (node.clone(), link.serial)));
            let idle = link.map(|link| link.connection);
            wanted.push(Wanted { node, idle });
        }
        let mut failed = HashMap::new();
        for (node, made) in make(wanted, shared, limit, deadline) {
            let (connection, kept) = match made {
                Ok(Made::Kept(connection)) => (connection, serials.get(&node).copied()),
                Ok(Made::New(connection)) => (connection, None),
                Err(error) => {
                    failed.insert(node, error);
                    continue;
                }
            };
            let serial = kept.unwrap_or_else(|| {
                self.made = self.made.saturating_add(1);
                self.made
            });
            let link = Link {
                connection,
                used: Instant::now(),
                serial,
            };
            self.open.insert(node, link);
        }
        failed
    }

    /// Closes the connection. After any error of its own: replies that are still under way would be
    /// taken for those to later commands.
    pub(crate) fn close(&mut self, node: &Node) {
        self.open.remove(node);
    }

    /// Closes all connections but these.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(&Node) -> bool) {
        self.open.retain(|node, _| is_wanted(node));
    }

    pub(crate) fn serial_of(&self, node: &Node) -> Option<Serial> {
        self.open.get(node).map(|link| link.serial)
    }

    /// The open connection to `node`.
    pub(crate) fn to(&mut self, node: &Node) -> RedisResult<&mut Connection> {
        match self.open.get_mut(node) {
            Some(link) => {
                link.used = Instant::now();
                Ok(&mut link.connection)
            }
            None => Err((ErrorKind::Io, "the connection is gone").into()),
        }
    }
}
