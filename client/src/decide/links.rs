//! The table of a session's connections: at most one for each node, how old its last use is, and
//! which ones are closed. Pure: it holds connections of any type and does nothing with them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError};

use crate::decide::knowledge::Knowledge;
use crate::decide::node::Node;

/// Names a connection of a session. A new connection to the same node has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What a check of a connection finds when no reply is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkCheck {
    Clean,
    Closed,
    /// The server has sent something that no command had requested. It would be taken for the reply
    /// to the next command.
    Surplus,
}

pub(crate) struct Links<C> {
    open: HashMap<Node, Link<C>>,
    last_id: u64,
    /// The generation of the cache for which connections were pruned last.
    pruned_at: u64,
}

struct Link<C> {
    connection: C,
    used: Instant,
    id: ConnectionId,
}

impl<C> Links<C> {
    pub(crate) fn new() -> Links<C> {
        Links {
            open: HashMap::new(),
            last_id: 0,
            pruned_at: 0,
        }
    }

    /// The connection to `node`, if it was used within `check_idle`. One that was idle for longer
    /// has to be tried out: if the server has closed it, a command would be lost on it.
    pub(crate) fn fresh(
        &self,
        node: &Node,
        check_idle: Duration,
        now: Instant,
    ) -> Option<ConnectionId> {
        let link = self.open.get(node);
        let is_fresh = |link: &&Link<C>| now.saturating_duration_since(link.used) <= check_idle;
        link.filter(is_fresh).map(|link| link.id)
    }

    /// The connection to `node`, to be used now.
    pub(crate) fn to(&mut self, node: &Node, now: Instant) -> Option<&mut C> {
        let link = self.open.get_mut(node)?;
        link.used = now;
        Some(&mut link.connection)
    }

    /// The connection to `node`, to be checked and not used.
    pub(crate) fn idle(&mut self, node: &Node) -> Option<&mut C> {
        self.open.get_mut(node).map(|link| &mut link.connection)
    }

    /// Takes the connection out of the table, to try it out.
    pub(crate) fn take(&mut self, node: &Node) -> Option<(C, ConnectionId)> {
        let link = self.open.remove(node)?;
        Some((link.connection, link.id))
    }

    /// Puts a connection into the table: one that was tried out under its former id, a new one
    /// under a new id.
    pub(crate) fn put(
        &mut self,
        node: Node,
        connection: C,
        former: Option<ConnectionId>,
        now: Instant,
    ) -> ConnectionId {
        let id = former.unwrap_or_else(|| {
            self.last_id = self.last_id.saturating_add(1);
            ConnectionId(self.last_id)
        });
        let link = Link {
            connection,
            used: now,
            id,
        };
        self.open.insert(node, link);
        id
    }

    /// Closes the connection. Needed after any error on it: replies that are still outstanding
    /// would be taken for those to later commands.
    pub(crate) fn close(&mut self, node: &Node) {
        self.open.remove(node);
    }

    /// Closes connections to nodes that are neither known nor needed, if the nodes in the cache
    /// have changed since the last call.
    pub(crate) fn prune(&mut self, knowledge: &mut Knowledge, is_needed: impl Fn(&Node) -> bool) {
        let generation = knowledge.cache.generation();
        if std::mem::replace(&mut self.pruned_at, generation) != generation {
            self.open
                .retain(|node, _| is_needed(node) || knowledge.knows(node));
        }
    }
}

impl LinkCheck {
    /// Why the connection cannot be used.
    pub(crate) fn error(self) -> Option<RedisError> {
        let what = match self {
            LinkCheck::Clean => return None,
            LinkCheck::Closed => "the server has closed the connection",
            LinkCheck::Surplus => "the server has sent a reply that no command had asked for",
        };
        Some((ErrorKind::Io, what).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn node(number: u16) -> Node {
        Node::tcp("node", number)
    }

    #[test]
    fn a_connection_that_was_idle_for_too_long_has_to_be_tried_out() {
        let (mut links, now) = (Links::new(), Instant::now());
        let id = links.put(node(1), (), None, now);
        assert_eq!(links.fresh(&node(1), SECOND, now + SECOND), Some(id));
        assert_eq!(links.fresh(&node(1), SECOND, now + SECOND * 2), None);
        links.to(&node(1), now + SECOND * 2);
        assert_eq!(links.fresh(&node(1), SECOND, now + SECOND * 3), Some(id));
        // A check does not count as a use.
        links.idle(&node(1));
        assert_eq!(links.fresh(&node(1), SECOND, now + SECOND * 4), None);
        assert_eq!(links.fresh(&node(2), SECOND, now), None);
    }

    #[test]
    fn a_connection_keeps_its_id_when_it_was_tried_out_and_a_new_one_gets_another() {
        let (mut links, now) = (Links::new(), Instant::now());
        let first = links.put(node(1), "first", None, now);
        let (connection, id) = links.take(&node(1)).expect("a connection");
        assert_eq!((connection, id), ("first", first));
        assert_eq!(links.put(node(1), connection, Some(id), now), first);
        links.close(&node(1));
        assert!(links.take(&node(1)).is_none());
        assert_ne!(links.put(node(1), "second", None, now), first);
    }

    #[test]
    fn connections_to_nodes_of_the_past_are_closed_when_the_cache_has_changed() {
        let (mut links, now) = (Links::new(), Instant::now());
        let mut knowledge = Knowledge::new(vec![node(1)]);
        let learn = |knowledge: &mut Knowledge, to: u16| {
            let asked = knowledge.cache.ask();
            knowledge.cache.moved(0, &node(to), None, asked);
        };
        learn(&mut knowledge, 2);
        for number in 1..=4 {
            links.put(node(number), number, None, now);
        }
        let needs = |number: u16| move |needed: &Node| *needed == node(number);
        links.prune(&mut knowledge, needs(4));
        let open = |links: &mut Links<u16>| -> Vec<u16> {
            let is_open = |number: &u16| links.idle(&node(*number)).is_some();
            (1..=4).filter(is_open).collect()
        };
        assert_eq!(open(&mut links), [1, 2, 4], "3 is neither known nor needed");
        links.prune(&mut knowledge, needs(3));
        assert_eq!(open(&mut links), [1, 2, 4], "nothing has changed");
        learn(&mut knowledge, 3);
        links.prune(&mut knowledge, needs(3));
        assert_eq!(open(&mut links), [1]);
    }
}
