//! The settings of a client, and what follows from them for a node. Pure.

use std::collections::HashMap;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::decide::error::Error;
use crate::decide::host::known_host;
use crate::decide::node::Node;

/// From an announced host and port to the host and port to dial.
pub(crate) type AddressMap = dyn Fn(&str, u16) -> (String, u16) + Send + Sync;

pub(crate) struct Settings {
    /// How to connect to the nodes that the caller named.
    named: HashMap<Node, ConnectionInfo>,
    /// The first of these. Nodes that the caller did not name are connected to like this one, at
    /// their own addresses.
    first: ConnectionInfo,
    /// The caller's code: it may use the client, so it must not run while the knowledge is locked.
    pub(crate) address_map: Option<Box<AddressMap>>,
    pub(crate) hint_batches: bool,
    pub(crate) retry_for: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Option<Duration>,
    pub(crate) check_idle: Duration,
}

impl Settings {
    /// The default settings for a cluster with these nodes, and the nodes, each once.
    pub(crate) fn of_nodes<I: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = I>,
    ) -> Result<(Settings, Vec<Node>), Error> {
        let (mut named, mut seeds, mut first) = (HashMap::new(), Vec::new(), None);
        for node in nodes {
            let info = node
                .into_connection_info()
                .map_err(|error| Error::Configuration(error.to_string().into()))?;
            let node = Node::of(&info)
                .ok_or_else(|| Error::Configuration("an address of an unknown kind".into()))?;
            first.get_or_insert_with(|| info.clone());
            if named.insert(node.clone(), info).is_none() {
                seeds.push(node);
            }
        }
        let first =
            first.ok_or_else(|| Error::Configuration("no node of the cluster is named".into()))?;
        let settings = Settings {
            named,
            first,
            address_map: None,
            hint_batches: true,
            retry_for: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Some(Duration::from_secs(5)),
            check_idle: Duration::from_secs(5),
        };
        Ok((settings, seeds))
    }

    /// How to connect to this node.
    pub(crate) fn connection_info(&self, node: &Node) -> ConnectionInfo {
        match self.named.get(node) {
            Some(info) => info.clone(),
            None => node.connection_info(&self.first),
        }
    }

    /// Whether connections to this node are encrypted.
    pub(crate) fn is_encrypted(&self, node: &Node) -> bool {
        let like = self.named.get(node).unwrap_or(&self.first);
        matches!(
            (node, like.addr()),
            (Node::Tcp(..), ConnectionAddr::TcpTls { .. })
        )
    }

    /// The node that `told_by` means by this host and port. Without a host it means its own.
    pub(crate) fn resolve(&self, told_by: &Node, host: Option<&str>, port: u16) -> Node {
        let host = host.and_then(known_host).unwrap_or_else(|| told_by.host());
        match &self.address_map {
            Some(map) => {
                let (host, port) = map(host, port);
                Node::tcp(&host, port)
            }
            // The node at the other end of the connection keeps its spelling: the caller may have
            // named it in capitals.
            None => match told_by {
                Node::Tcp(own, own_port) if *own_port == port && own.eq_ignore_ascii_case(host) => {
                    told_by.clone()
                }
                _ => Node::tcp(host, port),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(urls: &[&str]) -> (Settings, Vec<Node>) {
        Settings::of_nodes(urls.iter().copied()).expect("settings")
    }

    #[test]
    fn each_named_node_is_a_seed_once_and_at_least_one_is_needed() {
        let (_, seeds) = settings(&["redis://a:1", "redis://b:2", "redis://a:1"]);
        assert_eq!(seeds, [Node::tcp("a", 1), Node::tcp("b", 2)]);
        let none = Settings::of_nodes(Vec::<&str>::new());
        assert!(matches!(none, Err(Error::Configuration(_))));
    }

    #[test]
    fn other_nodes_are_connected_to_like_the_first_one() {
        let (settings, _) = settings(&["redis://app:pw@a:1", "redis://b:2"]);
        let user_at = |host: &str, port: u16| {
            let info = settings.connection_info(&Node::tcp(host, port));
            info.redis_settings().username().map(str::to_owned)
        };
        assert_eq!(user_at("a", 1).as_deref(), Some("app"));
        assert_eq!(user_at("b", 2), None, "it has settings of its own");
        assert_eq!(user_at("c", 3).as_deref(), Some("app"));
        let address = settings.connection_info(&Node::tcp("c", 3));
        assert_eq!(address.addr(), &ConnectionAddr::Tcp("c".into(), 3));
    }

    #[test]
    fn without_a_host_a_node_means_its_own() {
        let (settings, seeds) = settings(&["redis://NODE:1"]);
        let told_by = &seeds[0];
        for host in [None, Some(""), Some("?")] {
            assert_eq!(settings.resolve(told_by, host, 2), Node::tcp("NODE", 2));
        }
        // The same node in another spelling is the same node.
        assert_eq!(settings.resolve(told_by, Some("node"), 1), *told_by);
        let other = settings.resolve(told_by, Some("node"), 2);
        assert_eq!(other, Node::tcp("node", 2));
        let unix = Node::Unix(std::path::Path::new("/s").into());
        assert_eq!(settings.resolve(&unix, None, 2), Node::tcp("127.0.0.1", 2));
    }

    #[test]
    fn the_address_map_is_given_the_announced_address_or_that_of_the_connection() {
        let (mut settings, seeds) = settings(&["redis://a:1"]);
        settings.address_map = Some(Box::new(|host: &str, port| {
            (format!("{host}.nat"), port + 1)
        }));
        let to = |host| settings.resolve(&seeds[0], host, 5);
        assert_eq!(to(Some("b")), Node::tcp("b.nat", 6));
        assert_eq!(to(None), Node::tcp("a.nat", 6));
    }
}
