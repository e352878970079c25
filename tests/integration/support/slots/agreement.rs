//! Waits for a change of the slot map on all nodes, and checks every map until then.

use std::collections::BTreeMap;

use testkit::{eventually, Cluster, RawConn, Server};

use crate::support::slots::{agreed, Map};

/// Reads the map of every running node until `done`. Asserts that each map agrees with CLUSTER
/// SLOTS, and that each token always stands for the same map.
#[track_caller]
pub fn agreed_until(
    what: &str,
    cluster: &Cluster,
    mut done: impl FnMut(&[Map]) -> bool,
) -> Vec<Map> {
    let mut conns: Vec<RawConn> = running(cluster).iter().map(|node| node.raw()).collect();
    let mut known: BTreeMap<i64, Map> = BTreeMap::new();
    let mut last = Vec::new();
    eventually(what, || {
        last = conns.iter_mut().map(|conn| agreed(conn)).collect();
        for map in &last {
            let first = known.entry(map.token).or_insert_with(|| map.clone());
            assert_eq!(first, map, "one token stands for two maps");
        }
        done(&last)
    });
    last
}

pub fn running(cluster: &Cluster) -> Vec<&Server> {
    cluster
        .nodes
        .iter()
        .filter(|node| node.is_alive())
        .collect()
}

pub fn owns(map: &Map, id: &str) -> bool {
    map.slots.nodes.iter().any(|node| node.address.id == id)
}

pub fn lists(map: &Map, id: &str) -> bool {
    let replicas = map.slots.nodes.iter().flat_map(|node| &node.replicas);
    replicas.into_iter().any(|replica| replica.id == id)
}

pub fn one_token(maps: &[Map]) -> bool {
    maps.windows(2).all(|pair| pair[0] == pair[1])
}
