//! The connections of one session: tried out, made, and checked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult};

use crate::decide::deadline::Deadline;
use crate::decide::links::{ConnectionId, LinkCheck, Links};
use crate::decide::node::Node;
use crate::drive::connecting::{make, Made, Wanted};
use crate::drive::connection::Connection;
use crate::drive::shared::Shared;

pub(crate) struct Connections {
    pub(crate) shared: Arc<Shared>,
    links: Links<Connection>,
}

impl Connections {
    pub(crate) fn new(shared: Arc<Shared>) -> Connections {
        Connections {
            shared,
            links: Links::new(),
        }
    }

    /// The connection to `node`, if it can be used as it is. One that is of no use is closed.
    pub(crate) fn ready(&mut self, node: &Node) -> Option<ConnectionId> {
        self.check(node);
        let check_idle = self.shared.settings.check_idle;
        self.links.fresh(node, check_idle, Instant::now())
    }

    /// Checks the connection. Closes it if the server has closed it, or has sent something that
    /// would be taken for the reply to the next command. No reply may be outstanding.
    pub(crate) fn check(&mut self, node: &Node) -> LinkCheck {
        let Some(connection) = self.links.idle(node) else {
            return LinkCheck::Closed;
        };
        let check = connection.check();
        if check == LinkCheck::Surplus {
            self.shared.stats.surplus_replies.one();
        }
        if check != LinkCheck::Clean {
            self.close(node);
        }
        check
    }

    /// Makes connections to these nodes, several at a time and by `deadline`. Existing connections
    /// are tried out with PING. `limit` holds for the PING, and again for a new connection. Returns
    /// for each node the connection or the error.
    pub(crate) fn make_ready(
        &mut self,
        nodes: impl IntoIterator<Item = Node>,
        limit: Duration,
        deadline: Deadline,
    ) -> HashMap<Node, Result<ConnectionId, RedisError>> {
        let mut former = HashMap::new();
        let mut wanted = Vec::new();
        for node in nodes {
            let link = self.links.take(&node);
            former.extend(link.as_ref().map(|(_, id)| (node.clone(), *id)));
            let idle = link.map(|(connection, _)| connection);
            wanted.push(Wanted { node, idle });
        }
        let mut put = |node: &Node, made: Made| {
            let (connection, former) = match made {
                Made::Kept(connection) => (connection, former.get(node).copied()),
                Made::New(connection) => (connection, None),
            };
            let now = Instant::now();
            self.links.put(node.clone(), connection, former, now)
        };
        make(wanted, &self.shared, limit, deadline)
            .into_iter()
            .map(|(node, made)| {
                let id = made.map(|made| put(&node, made));
                (node, id)
            })
            .collect()
    }

    /// The open connection to `node`, to be used now.
    pub(crate) fn to(&mut self, node: &Node) -> RedisResult<&mut Connection> {
        let link = self.links.to(node, Instant::now());
        link.ok_or_else(|| (ErrorKind::Io, "the connection is gone").into())
    }

    pub(crate) fn close(&mut self, node: &Node) {
        self.links.close(node);
    }

    /// Closes connections to nodes that are neither known nor needed.
    pub(crate) fn prune(&mut self, is_needed: impl Fn(&Node) -> bool) {
        self.links.prune(&mut self.shared.know(), is_needed);
    }
}
