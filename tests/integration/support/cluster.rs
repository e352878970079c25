//! Clusters for tests, and keys by their owner.

use testkit::Cluster;

/// Two primaries with a replica each.
pub fn two_primaries() -> Cluster {
    Cluster::builder(2, 1)
        .node(|_, builder| builder.module_args(&["timeout-ms", "0"]))
        .start()
}

/// Nodes that know each other by their IPv6 addresses. Each look at the topology is a fresh one.
pub fn ipv6_cluster(primaries: usize, replicas: usize) -> Cluster {
    Cluster::builder(primaries, replicas)
        .node(|_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", "0"])
                .config("bind", "::1 127.0.0.1")
        })
        .meet_at(|_, node| ("::1".into(), node.port()))
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
