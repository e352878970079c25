//! What kind each connection is, as the server told when it was made.
//!
//! Most are plain ones from an IPv4 address, and nothing is kept for these: a client that connected
//! since the module looks on, and of which nothing is kept, is one of them.

use std::collections::HashMap;

use super::Connection;

/// The kinds of connections, by the id of their clients.
#[derive(Debug)]
pub struct Connections {
    kept: HashMap<u64, Connection>,
    since: u64,
}

impl Connections {
    /// Nobody has connected yet since the client with that id, or one that would have had it.
    pub fn since(client: u64) -> Self {
        Self {
            kept: HashMap::new(),
            since: client,
        }
    }

    /// A client has connected.
    pub fn connected(&mut self, client: u64, connection: Connection) {
        if connection != Connection::default() {
            self.kept.insert(client, connection);
        }
    }

    /// A client that had connected before was looked up.
    pub fn found(&mut self, client: u64, connection: Connection) {
        self.kept.insert(client, connection);
    }

    /// What kind that client's connection is; `None` where it has to be looked up.
    pub fn of(&self, client: u64) -> Option<Connection> {
        let unkept = (client > self.since).then(Connection::default);
        self.kept.get(&client).copied().or(unkept)
    }

    /// A client left.
    pub fn left(&mut self, client: u64) {
        self.kept.remove(&client);
        if self.kept.is_empty() {
            self.kept.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Family;
    use super::*;

    const PLAIN: Connection = Connection {
        tls: false,
        family: Family::V4,
    };
    const TLS: Connection = Connection {
        tls: true,
        family: Family::V4,
    };
    const V6: Connection = Connection {
        tls: false,
        family: Family::V6,
    };

    #[test]
    fn who_connected_since_is_known_and_only_unusual_ones_are_kept() {
        let mut connections = Connections::since(10);
        for (client, connection) in [(11, PLAIN), (12, TLS), (13, V6)] {
            connections.connected(client, connection);
        }
        for (client, connection) in [(11, PLAIN), (12, TLS), (13, V6), (14, PLAIN)] {
            assert_eq!(connections.of(client), Some(connection));
        }
        assert_eq!(connections.kept.len(), 2);
        connections.left(12);
        connections.left(13);
        assert_eq!(connections.kept.capacity(), 0);
    }

    #[test]
    fn who_was_there_before_is_looked_up_once() {
        let mut connections = Connections::since(10);
        assert_eq!((connections.of(9), connections.of(10)), (None, None));
        connections.found(9, PLAIN);
        assert_eq!(connections.of(9), Some(PLAIN));
        // A slow handshake: it is told later than clients that came after it.
        connections.connected(10, TLS);
        assert_eq!(connections.of(10), Some(TLS));
        connections.left(9);
        assert_eq!(connections.of(9), None);
    }
}
