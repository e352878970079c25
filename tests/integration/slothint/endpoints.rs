//! Hosts and ports of slot hints are exactly those of the server's MOVED and CLUSTER SLOTS,
//! whatever the nodes announce.

use testkit::differences::ANNOUNCES_AN_ADDRESS_PER_FAMILY;
use testkit::{eventually, Cluster, RawConn, Server};

use crate::support::slots::{
    afresh, agreed, hint, map, map_and_slots, redirections_agree, set, token, wait_for_blocked,
    Slots,
};
use crate::support::{has_ipv6, ipv6_cluster};

#[test]
fn hints_for_every_slot_are_what_moved_says_on_primaries_and_replicas() {
    let cluster = afresh(3, 1).start();
    for node in &cluster.nodes {
        let mut conn = node.raw();
        agreed(&mut conn);
        redirections_agree(&mut conn, cluster.id_of(node));
    }
}

#[test]
fn hints_for_every_slot_are_what_moved_says_with_host_names() {
    let cluster = afresh(3, 0).start();
    for node in &cluster.nodes {
        set(node, "cluster-preferred-endpoint-type", "hostname");
    }
    let mut conn = cluster.nodes[0].raw();
    // No node has a name yet.
    let hosts = |slots: &Slots| -> Vec<String> {
        let mut hosts: Vec<String> = slots
            .nodes
            .iter()
            .map(|node| node.address.host.clone().unwrap_or_default())
            .collect();
        hosts.sort();
        hosts
    };
    assert_eq!(hosts(&agreed(&mut conn).slots), ["?", "?", "?"]);
    redirections_agree(&mut conn, cluster.id_of(&cluster.nodes[0]));

    set(
        &cluster.nodes[1],
        "cluster-announce-hostname",
        "one.example",
    );
    eventually("the name to reach the first node", || {
        hosts(&agreed(&mut conn).slots) == ["?", "?", "one.example"]
    });
    redirections_agree(&mut conn, cluster.id_of(&cluster.nodes[0]));
    set(
        &cluster.nodes[0],
        "cluster-announce-hostname",
        "own.example",
    );
    let mut other = cluster.nodes[1].raw();
    let both = ["?", "one.example", "own.example"];
    assert_eq!(hosts(&agreed(&mut conn).slots), both);
    eventually("the name to reach the other node", || {
        hosts(&agreed(&mut other).slots) == both
    });
    redirections_agree(&mut other, cluster.id_of(&cluster.nodes[1]));

    // The setting is per node: hints follow the redirections of the node that answers.
    set(&cluster.nodes[1], "cluster-preferred-endpoint-type", "ip");
    assert_eq!(hosts(&agreed(&mut other).slots), ["127.0.0.1"; 3]);
    redirections_agree(&mut other, cluster.id_of(&cluster.nodes[1]));
}

#[test]
fn hints_for_every_slot_are_what_moved_says_with_unknown_endpoints() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", "0"])
                .config("cluster-preferred-endpoint-type", "unknown-endpoint")
        })
        .start();
    for node in &cluster.nodes {
        let mut conn = node.raw();
        let map = agreed(&mut conn);
        assert!(map
            .slots
            .nodes
            .iter()
            .all(|node| node.address.host.is_none()));
        redirections_agree(&mut conn, cluster.id_of(node));
    }
}

/// Makes a node send its announced address at once, by a new connection of the cluster bus.
/// Otherwise it sends it every few seconds.
#[track_caller]
fn announce_at_once(node: &Server, to: &str) {
    node.run::<()>(&["DEBUG", "CLUSTERLINK", "KILL", "TO", to]);
}

#[test]
fn what_a_node_announces_at_run_time_is_told_at_once_there_and_soon_everywhere() {
    // The nodes use the announced addresses for the cluster bus, so they listen there.
    let cluster = Cluster::builder(2, 1)
        .node(|_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", "0"])
                .config("bind", "127.0.0.1 127.0.0.7 127.0.0.8")
        })
        .start();
    let [first, second, replica, _] = &cluster.nodes[..] else {
        panic!("the cluster does not have four nodes");
    };
    let mut here = first.raw();
    let mut there = second.raw();
    let id = cluster.id_of(first);
    let address = |conn: &mut RawConn, id: &str| {
        let map = agreed(conn);
        let nodes = map.slots.nodes.iter();
        let mut all = nodes.flat_map(|node| std::iter::once(&node.address).chain(&node.replicas));
        let found = all.find(|address| address.id == id).cloned();
        found.map(|address| (address.host.unwrap_or_default(), address.port))
    };
    for (setting, value, host, port) in [
        ("cluster-announce-port", "7777", "127.0.0.1", 7777),
        ("cluster-announce-ip", "127.0.0.7", "127.0.0.7", 7777),
        ("cluster-announce-port", "0", "127.0.0.7", first.port()),
    ] {
        let before = token(&mut here);
        set(first, setting, value);
        assert_ne!(token(&mut here), before, "{setting} {value}");
        let expected = Some((host.to_string(), port));
        assert_eq!(address(&mut here, id), expected, "{setting} {value}");
        announce_at_once(first, cluster.id_of(second));
        eventually("the other node to learn the new address", || {
            address(&mut there, id) == expected
        });
        redirections_agree(&mut there, cluster.id_of(second));
    }
    // The address of a replica, too.
    set(replica, "cluster-announce-ip", "127.0.0.8");
    for (conn, node) in [(&mut here, first), (&mut there, second)] {
        announce_at_once(replica, cluster.id_of(node));
        eventually("the map with the replica's new address", || {
            let found = address(conn, cluster.id_of(replica));
            found == Some(("127.0.0.8".to_string(), replica.port()))
        });
    }
}

#[test]
fn nodes_of_an_ipv6_cluster_are_named_by_their_ipv6_addresses() {
    if !has_ipv6() {
        return;
    }
    let cluster = ipv6_cluster(2, 1);
    for node in &cluster.nodes {
        let mut v6 = RawConn::connect(&format!("[::1]:{}", node.port()));
        let hosts: Vec<Option<String>> = agreed(&mut v6)
            .slots
            .nodes
            .into_iter()
            .map(|node| node.address.host)
            .collect();
        assert_eq!(hosts, [Some("::1".to_string()), Some("::1".to_string())]);
        redirections_agree(&mut v6, cluster.id_of(node));
        let mut v4 = node.raw();
        assert_eq!(agreed(&mut v4), map(&mut v6));
        redirections_agree(&mut v4, cluster.id_of(node));
    }
}

#[test]
fn valkey_tells_ipv6_clients_the_address_that_is_announced_to_them() {
    let cluster = two_families();
    let Some(cluster) = cluster else { return };
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    set(first, "cluster-announce-client-ipv4", "192.0.2.4");
    set(first, "cluster-announce-client-ipv6", "2001:db8::4");
    for node in [first, second] {
        let mut v4 = node.raw();
        let mut v6 = RawConn::connect(&format!("[::1]:{}", node.port()));
        eventually("the announcement to arrive", || {
            host_of(&mut v4, cluster.id_of(first)) == "192.0.2.4"
                && host_of(&mut v6, cluster.id_of(first)) == "2001:db8::4"
        });
        // In turns: one family's answer does not depend on the other's.
        for _ in 0..3 {
            let four = agreed(&mut v4);
            let six = agreed(&mut v6);
            assert_ne!(four.token, six.token);
            assert_eq!(agreed(&mut v6), six);
            assert_eq!(agreed(&mut v4), four);
        }
        redirections_agree(&mut v4, cluster.id_of(node));
        redirections_agree(&mut v6, cluster.id_of(node));
        // Reading the map of one family does not wake watchers of the other.
        let six = token(&mut v6);
        let mut other = node.raw();
        v6.send(&["SLOTHINT.WATCH", &six.to_string(), "0"]);
        wait_for_blocked(node, 1);
        for _ in 0..20 {
            agreed(&mut other);
        }
        assert!(!v6.is_readable_now());
    }
}

fn two_families() -> Option<Cluster> {
    let probe = Server::builder().module(false).start();
    if !probe.has(ANNOUNCES_AN_ADDRESS_PER_FAMILY) || !has_ipv6() {
        return None;
    }
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", "0"])
                .config("bind", "127.0.0.1 ::1")
        })
        .start();
    Some(cluster)
}

#[track_caller]
fn host_of(conn: &mut RawConn, id: &str) -> String {
    let (map, _) = map_and_slots(conn);
    let node = map.slots.nodes.iter().find(|node| node.address.id == id);
    node.and_then(|node| node.address.host.clone())
        .unwrap_or_default()
}

#[test]
fn the_kind_of_address_may_change_under_a_batch_of_connections() {
    let cluster = afresh(2, 0).start();
    let node = &cluster.nodes[0];
    let mut conns = [node.raw(), node.raw(), node.raw()];
    let mut seen = std::collections::BTreeMap::new();
    for round in 0..30 {
        let kind = ["ip", "hostname", "unknown-endpoint"][round % 3];
        set(node, "cluster-preferred-endpoint-type", kind);
        for conn in &mut conns {
            let map = agreed(conn);
            assert_eq!(hint(conn, &["foo", "bar"]).token, map.token);
            // Different maps have different tokens. The count below shows that equal maps have the
            // same token.
            let known = seen.entry(map.token).or_insert_with(|| map.clone());
            assert_eq!(*known, map);
        }
        assert_eq!(seen.len(), (round + 1).min(3));
    }
}
