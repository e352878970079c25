//! The background refresh.

use testkit::{eventually, Cluster, Role, Server};

use crate::support::{assert_own_values, client_of, keys_of, set_to_themselves};

fn watchers(cluster: &Cluster) -> usize {
    let watching = |node: &Server| {
        let clients = node.run::<String>(&["CLIENT", "LIST"]);
        let clients = clients.to_ascii_lowercase();
        clients.matches("cmd=slothint.watch").count()
    };
    let running = cluster.nodes.iter().filter(|node| node.is_alive());
    running.map(watching).sum()
}

#[test]
fn a_failover_by_order_is_known_before_any_command_meets_it() {
    let cluster = Cluster::start(3, 1);
    let keys = keys_of(&cluster, &cluster.nodes[0], 100);
    let client = client_of(&cluster.nodes[1]);
    let watch = client.watch().unwrap();
    eventually("the first map", || client.known_slots() == 16384);
    let mut session = client.session();
    set_to_themselves(&mut session, &keys);
    let replica = &cluster.nodes[3];
    eventually("the failover to be accepted", || {
        let _ = replica.try_run::<()>(&["CLUSTER", "FAILOVER"]);
        replica.role() == Role::Primary
    });
    let port = format!(":{}", replica.port());
    eventually("the watch to tell", || {
        keys.iter().all(|key| {
            client
                .node_of(key)
                .is_some_and(|node| node.to_string().ends_with(&port))
        })
    });
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.patches, stats.failovers),
        (0, 0, 0),
        "{stats:?}"
    );
    // The watch counts after the cache has learnt, and fetches maps between two waits.
    eventually("the update to be counted", || {
        client.stats().watch_updates >= 1
    });
    eventually("one wait at one node", || watchers(&cluster) == 1);
    watch.stop();
    eventually("the server to see the connection closed", || {
        watchers(&cluster) == 0
    });
}

#[test]
fn a_watch_whose_node_crashes_goes_on_at_another() {
    let cluster = Cluster::start(3, 1);
    let client = client_of(&cluster.nodes[0]);
    let _watch = client.watch().unwrap();
    eventually("the first map", || client.known_slots() == 16384);
    let keys = keys_of(&cluster, &cluster.nodes[0], 10);
    cluster.nodes[0].kill();
    let port = format!(":{}", cluster.nodes[3].port());
    eventually("the watch to tell of the new primary", || {
        keys.iter().all(|key| {
            client
                .node_of(key)
                .is_some_and(|node| node.to_string().ends_with(&port))
        })
    });
}

#[test]
fn a_dropped_watch_leaves_neither_thread_nor_connection() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let watch = client.watch().unwrap();
    eventually("the watch to begin", || watchers(&cluster) == 1);
    drop(watch);
    eventually("the watch to end", || watchers(&cluster) == 0);
}
