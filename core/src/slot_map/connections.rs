//! The kind of each client's connection, noted when the client connects.
//!
//! Most connections are plain ones from an IPv4 address. Nothing is kept for them. Example: the
//! module was loaded when client 10 was the last one. Client 12 uses TLS, so it is kept. Client 11
//! is not kept, so its connection is a plain one from IPv4. Client 9 connected before, so it has to
//! be looked up in the server's client list, once.

use std::collections::HashMap;

use super::Connection;
use crate::units::ClientId;

/// The kinds of connections, by client id.
#[derive(Debug)]
pub struct Connections {
    kept: HashMap<ClientId, Connection>,
    /// All clients with a greater id are noted when they connect.
    since: ClientId,
}

impl Connections {
    /// `client` is the greatest id that the server has given to a client so far.
    pub fn noted_after(client: u64) -> Self {
        Self {
            kept: HashMap::new(),
            since: ClientId::new(client),
        }
    }

    /// A client connected.
    pub fn connected(&mut self, client: u64, connection: Connection) {
        if connection != Connection::default() {
            self.kept.insert(ClientId::new(client), connection);
        }
    }

    /// The connection of a client was looked up.
    pub fn looked_up(&mut self, client: u64, connection: Connection) {
        self.kept.insert(ClientId::new(client), connection);
    }

    /// The kind of the client's connection. `None` if it has to be looked up.
    pub fn of(&self, client: u64) -> Option<Connection> {
        let client = ClientId::new(client);
        let plain = (client > self.since).then(Connection::default);
        self.kept.get(&client).copied().or(plain)
    }

    /// A client left.
    pub fn client_left(&mut self, client: u64) {
        self.kept.remove(&ClientId::new(client));
        if self.kept.is_empty() {
            self.kept.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::AddressFamily;
    use super::*;

    const PLAIN: Connection = Connection {
        tls: false,
        family: AddressFamily::V4,
    };
    const TLS: Connection = Connection {
        tls: true,
        family: AddressFamily::V4,
    };
    const V6: Connection = Connection {
        tls: false,
        family: AddressFamily::V6,
    };

    #[test]
    fn later_connections_are_known_and_only_unusual_ones_are_kept() {
        let mut connections = Connections::noted_after(10);
        for (client, connection) in [(11, PLAIN), (12, TLS), (13, V6)] {
            connections.connected(client, connection);
        }
        for (client, connection) in [(11, PLAIN), (12, TLS), (13, V6), (14, PLAIN)] {
            assert_eq!(connections.of(client), Some(connection));
        }
        assert_eq!(connections.kept.len(), 2);
        connections.client_left(12);
        connections.client_left(13);
        assert_eq!(connections.kept.capacity(), 0);
    }

    #[test]
    fn earlier_connections_are_looked_up_once() {
        let mut connections = Connections::noted_after(10);
        assert_eq!((connections.of(9), connections.of(10)), (None, None));
        connections.looked_up(9, PLAIN);
        assert_eq!(connections.of(9), Some(PLAIN));
        // A slow TLS handshake: client 10 is noted after clients with greater ids.
        connections.connected(10, TLS);
        assert_eq!(connections.of(10), Some(TLS));
        connections.client_left(9);
        assert_eq!(connections.of(9), None);
    }
}
