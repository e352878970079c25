//! The slot map while nodes fail and roles change: at every moment it agrees with CLUSTER SLOTS.

use testkit::differences::UNBLOCKS_ALL_WHEN_THE_CLUSTER_FAILS;
use testkit::redis::Value;
use testkit::{eventually, Cluster, RawConn, Role, Server};

use crate::support::slots::{
    a_key_of_each_slot, afresh, agreed, agreed_until, hint, lists, one_token, owns, read, read_map,
    redirections_agree, running, set, token, wait_for_blocked, Talk,
};
use crate::support::{say, send, unload_and_load_again};

#[test]
fn a_replica_that_fails_is_left_out_and_comes_back() {
    let cluster = afresh(3, 1).start();
    let replica = &cluster.nodes[4];
    let id = cluster.id_of(replica);
    let before = agreed(&mut cluster.nodes[0].raw());
    assert!(lists(&before, id));
    cluster.notice_failures();
    replica.kill();
    let without = agreed_until("the map without the replica", &cluster, |maps| {
        maps.iter().all(|map| !lists(map, id)) && one_token(maps)
    });
    assert_ne!(without[0].token, before.token);
    assert_eq!(without[0].slots.ranges, before.slots.ranges);
    replica.restart();
    // The nodes may see its return at different moments.
    agreed_until("the map with the replica again", &cluster, |maps| {
        maps.iter().all(|map| *map == before)
    });
}

#[test]
fn a_primary_that_fails_without_a_replica_still_owns_its_slots() {
    let cluster = afresh(3, 0).start();
    let [first, second, third] = &cluster.nodes[..] else {
        panic!("the cluster does not have three nodes");
    };
    let id = cluster.id_of(third);
    let before = agreed(&mut first.raw());
    cluster.notice_failures();
    third.kill();
    let mut conn = first.raw();
    agreed_until("the cluster to fail", &cluster, |maps| {
        assert!(maps.iter().all(|map| owns(map, id)));
        say(&mut conn, "GET bar").starts_with("-CLUSTERDOWN")
    });
    // Hints still work, and the map has not changed.
    assert_eq!(hint(&mut conn, a_key_of_each_slot()).nodes.len(), 3);
    assert_eq!(agreed(&mut second.raw()), before);
}

#[test]
fn a_replica_takes_over_after_a_crash_and_the_old_primary_comes_back() {
    let cluster = afresh(3, 1).start();
    let [primary, second, _, replica, ..] = &cluster.nodes[..] else {
        panic!("the cluster has fewer than four nodes");
    };
    let (old, new) = (cluster.id_of(primary), cluster.id_of(replica));
    set(second, "cluster-require-full-coverage", "no");
    let mut watcher = second.raw();
    let before = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {before} 0"));
    wait_for_blocked(second, 1);
    cluster.notice_failures();
    primary.kill();
    let after = agreed_until("the replica to take over", &cluster, |maps| {
        maps.iter().all(|map| owns(map, new) && !owns(map, old)) && one_token(maps)
    });
    let total: u32 = after[0]
        .slots
        .ranges
        .iter()
        .map(|(first, last, _)| u32::from(last - first) + 1)
        .sum();
    assert_eq!(total, 16384, "slots are missing in the map");
    // The second node does not need full coverage, so in its view the cluster did not fail. Its
    // watcher gets the new map.
    let woken = read(&watcher.take());
    assert_ne!(read_map(&woken).token, before);
    for node in running(&cluster) {
        redirections_agree(&mut node.raw(), cluster.id_of(node));
    }
    primary.restart();
    agreed_until(
        "the map with the old primary as a replica",
        &cluster,
        |maps| maps.iter().all(|map| lists(map, old)) && one_token(maps),
    );
    assert_eq!(primary.role(), Role::Replica);
    redirections_agree(&mut primary.raw(), old);
}

#[test]
fn a_failover_that_is_asked_for_is_followed_by_all() {
    let cluster = afresh(3, 1).start();
    let (primary, replica) = (&cluster.nodes[1], &cluster.nodes[4]);
    let (old, new) = (cluster.id_of(primary), cluster.id_of(replica));
    let mut watchers: Vec<RawConn> = cluster.nodes.iter().map(Server::raw).collect();
    for watcher in &mut watchers {
        let token = token(watcher);
        send(watcher, &format!("SLOTHINT.WATCH {token} 0"));
    }
    for node in &cluster.nodes {
        wait_for_blocked(node, 1);
    }
    replica.run::<()>(&["CLUSTER", "FAILOVER"]);
    let maps = agreed_until("the roles to change", &cluster, |maps| {
        maps.iter().all(|map| owns(map, new) && lists(map, old)) && one_token(maps)
    });
    let node = maps[0]
        .slots
        .nodes
        .iter()
        .find(|node| node.address.id == new);
    assert_eq!(
        node.expect("the new primary is not in the map")
            .replicas
            .len(),
        1
    );
    for (watcher, node) in watchers.iter_mut().zip(&cluster.nodes) {
        let reply = read(&watcher.take());
        if node.port() == primary.port() && !matches!(reply, Value::Array(_)) {
            // A server that becomes a replica ends every wait and closes the connection.
            let text = format!("{reply:?}");
            assert!(text.contains("UNBLOCKED"), "{text}");
            continue;
        }
        read_map(&reply);
    }
    for node in &cluster.nodes {
        redirections_agree(&mut node.raw(), cluster.id_of(node));
        unload_and_load_again(node);
    }
}

#[test]
fn a_watcher_whose_cluster_fails_is_told_so_or_goes_on() {
    // Full coverage is required, so the crash of a primary without a replica fails the cluster.
    let cluster = afresh(3, 0).start();
    let node = &cluster.nodes[0];
    let mut watcher = node.raw();
    let known = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {known} 0"));
    wait_for_blocked(node, 1);
    cluster.notice_failures();
    cluster.nodes[2].kill();
    let mut conn = node.raw();
    eventually("the cluster to fail", || {
        say(&mut conn, "GET bar").starts_with("-CLUSTERDOWN")
    });
    if node.has(UNBLOCKS_ALL_WHEN_THE_CLUSTER_FAILS) {
        // The server itself ends the wait. The map has not changed.
        let reply = String::from_utf8_lossy(&watcher.take()).into_owned();
        assert!(reply.starts_with("-CLUSTERDOWN"), "{reply}");
        assert_eq!(token(&mut watcher), known);
    } else {
        // The wait goes on, and the next change ends it.
        set(node, "cluster-preferred-endpoint-type", "unknown-endpoint");
        let woken = read_map(&read(&watcher.take()));
        assert_ne!(woken.token, known);
    }
    wait_for_blocked(node, 0);
    unload_and_load_again(node);
}

#[test]
fn a_replica_that_lost_its_primary_and_serves_no_stale_data_still_hints() {
    let cluster = Cluster::builder(2, 1)
        .node(|_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", "0"])
                .config("replica-serve-stale-data", "no")
        })
        .start();
    let replica = &cluster.nodes[2];
    let mut conn = replica.raw();
    say(&mut conn, "READONLY");
    cluster.nodes[0].kill();
    eventually("the replica to lose its link", || {
        replica
            .info("replication")
            .get("master_link_status")
            .map(String::as_str)
            == Some("down")
    });
    let refused = say(&mut conn, "DBSIZE");
    assert!(refused.starts_with("-MASTERDOWN"), "{refused}");
    assert_eq!(hint(&mut conn, &["foo", "bar"]).nodes.len(), 2);
    agreed(&mut conn);
}
