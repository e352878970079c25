//! Where a node is reached.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use redis::{ConnectionAddr, ConnectionInfo};

/// The address a node is dialled at. Two nodes are the same exactly if this is the same.
///
/// Cheap to clone. For a node behind NAT it is what [`crate::ClientBuilder::address_map`] made of the
/// announced address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A host name or IP address (IPv6 without brackets), and a port that is not 0.
    Tcp(Arc<str>, u16),
    /// The path of a Unix socket. Only a node that the caller names can have one.
    Unix(Arc<Path>),
}

impl Node {
    /// A node at `host` and `port`.
    pub fn tcp(host: &str, port: u16) -> Node {
        Node::Tcp(host.into(), port)
    }

    /// The host that stands for "the one you are connected to" in what this node says. A node behind a
    /// Unix socket is on this machine, and so are those it calls neighbours.
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
            // The redis crate may learn of other kinds; there is nothing to compare them by.
            _ => None,
        }
    }

    /// How to connect to this node: everything but the address as in `like`, TLS included.
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
