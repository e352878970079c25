//! A cluster for tests of durable commands, and keys by their owner.

use testkit::Cluster;

/// Two primaries with a replica each.
pub fn two_primaries() -> Cluster {
    Cluster::builder(2, 1)
        .node(|_, builder| builder.module_args(&["timeout-ms", "0"]))
        .start()
}

/// A key that the node with this index owns.
pub fn key_of(cluster: &Cluster, node: usize) -> String {
    keys_of(cluster, node).next().expect("no key for this node")
}

/// Keys that the node with this index owns, each in any of its slots.
pub fn keys_of(cluster: &Cluster, node: usize) -> impl Iterator<Item = String> + '_ {
    let keys = (0..).map(|number| format!("key{number}"));
    keys.filter(move |key| cluster.owner_of_key(key).port() == cluster.nodes[node].port())
}
