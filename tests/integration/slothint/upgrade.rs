//! Nodes whose nodes.conf was written by Redis 7.0, without shard ids. Later servers leave such
//! nodes out of CLUSTER SHARDS. A primary even leaves itself out of its own answer, and this never
//! changes.

use std::fs;

use testkit::{eventually, Cluster};

use crate::support::slots::{a_key_of_each_slot, afresh, agreed, hint, redirections_agree, set};

/// A line of nodes.conf as Redis 7.0 wrote it: nothing after the host name.
fn without_shards(line: &str) -> String {
    let Some((before, after)) = line.split_once('@') else {
        return line.to_owned();
    };
    let (address, rest) = after.split_once(' ').unwrap_or((after, ""));
    let mut fields = address.split(',');
    let (bus, host) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    let host = if host.is_empty() {
        String::new()
    } else {
        format!(",{host}")
    };
    format!("{before}@{bus}{host} {rest}")
}

/// Ends all nodes, removes the shard ids from their files, and starts them again.
fn upgraded_from_7_0(cluster: &Cluster) {
    for node in &cluster.nodes {
        node.shutdown();
        let file = node.dir().join("nodes.conf");
        let text = fs::read_to_string(&file).expect("cannot read nodes.conf");
        let lines: Vec<String> = text.lines().map(without_shards).collect();
        fs::write(&file, lines.join("\n") + "\n").expect("cannot write nodes.conf");
    }
    for node in &cluster.nodes {
        node.restart();
    }
    cluster.wait_until_agreed();
}

#[test]
fn every_node_still_tells_all_slots_and_their_owners() {
    let cluster = afresh(3, 1).start();
    upgraded_from_7_0(&cluster);
    for endpoint in ["ip", "hostname", "unknown-endpoint", "ip"] {
        for node in &cluster.nodes {
            set(node, "cluster-preferred-endpoint-type", endpoint);
        }
        for (number, node) in cluster.nodes.iter().enumerate() {
            let mut conn = node.raw();
            // The nodes may need a moment to learn the replicas of one another.
            eventually("the map with every replica", || {
                agreed(&mut conn)
                    .slots
                    .nodes
                    .iter()
                    .all(|owner| owner.replicas.len() == 1)
            });
            let map = agreed(&mut conn);
            let slots: u32 = map
                .slots
                .ranges
                .iter()
                .map(|(first, last, _)| u32::from(last - first) + 1)
                .sum();
            assert_eq!(slots, 16384);
            let keys = [0, 8_000, 16_000].map(|slot: usize| &a_key_of_each_slot()[slot]);
            assert_eq!(hint(&mut conn, &keys).nodes.len(), 3);
            // One primary and one replica are enough: the maps of all nodes agree.
            if [0, 5].contains(&number) {
                redirections_agree(&mut conn, cluster.id_of(node));
            }
        }
    }
}
