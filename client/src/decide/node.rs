//! A node of the cluster: the address at which it is dialled. Pure.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use redis::{ConnectionAddr, ConnectionInfo};

/// The address at which a node is dialled. Nodes with the same address are the same node.
///
/// Cheap to clone. Behind NAT, the address is the result of [`crate::ClientBuilder::address_map`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A host name or IP address (IPv6 without brackets), and a port that is not 0.
    Tcp(Arc<str>, u16),
    /// The path of a Unix socket. Only nodes that the caller names can have one.
    Unix(Arc<Path>),
}

impl Node {
    /// A node at `host` and `port`.
    pub fn tcp(host: &str, port: u16) -> Node {
        Node::Tcp(host.into(), port)
    }

    /// The host that this node means when it names none: the one that the client is connected to. A
    /// node behind a Unix socket is on this machine.
    pub fn host(&self) -> &str {
        match self {
            Node::Tcp(host, _) => host,
            Node::Unix(_) => "127.0.0.1",
        }
    }

    pub(crate) fn of(info: &ConnectionInfo) -> Option<Node> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Node::tcp(host, *port))
            }
            ConnectionAddr::Unix(path) => Some(Node::Unix(path.as_path().into())),
            // A later redis crate may have other kinds. There is no way to compare these.
            _ => None,
        }
    }

    /// How to connect to this node: as in `like`, TLS included, with this node's address.
    pub(crate) fn connection_info(&self, like: &ConnectionInfo) -> ConnectionInfo {
        let address = match (self, like.addr()) {
            (
                Node::Tcp(host, port),
                ConnectionAddr::TcpTls {
                    insecure,
                    tls_params,
                    ..
                },
            ) => ConnectionAddr::TcpTls {
                host: host.to_string(),
                port: *port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            (Node::Tcp(host, port), _) => ConnectionAddr::Tcp(host.to_string(), *port),
            (Node::Unix(path), _) => ConnectionAddr::Unix(path.to_path_buf()),
        };
        like.clone().set_addr(address)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Tcp(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Node::Tcp(host, port) => write!(out, "{host}:{port}"),
            Node::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}
