//! The background refresh.

use std::time::Duration;

use redis_durable_client::Client;
use testkit::{eventually, Cluster, Server};

use crate::support::{
    assert_own_values, calls, client_of, fail_over, goes_to, keys_of, promote, set_to_themselves,
    with_user,
};

fn watchers(cluster: &Cluster) -> usize {
    let watching = |node: &Server| {
        let clients = node.run::<String>(&["CLIENT", "LIST"]);
        let clients = clients.to_ascii_lowercase();
        clients.matches("cmd=slothint.watch").count()
    };
    let running = cluster.nodes.iter().filter(|node| node.is_alive());
    running.map(watching).sum()
}

/// Waits until the watch has the map and waits for the next one. The map has to be known: the first
/// request of the watch also shows as waiting, for one turn of the event loop.
#[track_caller]
fn wait_until_it_watches(client: &Client, cluster: &Cluster) {
    eventually("the watch to wait with the map", || {
        client.known_slots() == 16384 && watchers(cluster) == 1
    });
}

#[test]
fn a_failover_by_command_is_known_before_any_command_meets_it() {
    let cluster = Cluster::start(3, 1);
    let keys = keys_of(&cluster, &cluster.nodes[0], 100);
    let client = client_of(&cluster.nodes[1]);
    let watch = client.watch().unwrap();
    eventually("the first map", || client.known_slots() == 16384);
    let mut session = client.session();
    set_to_themselves(&mut session, &keys);
    let replica = &cluster.nodes[3];
    fail_over(replica);
    eventually("the watch to tell", || {
        keys.iter().all(|key| goes_to(&client, key, replica))
    });
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.patches, stats.failovers),
        (0, 0, 0),
        "{stats:?}"
    );
    // The watch counts an update after the cache has changed, and fetches maps between two waits.
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
    cluster.notice_failures();
    cluster.nodes[0].kill();
    eventually("the watch to tell of the new primary", || {
        let moved = |key: &String| goes_to(&client, key, &cluster.nodes[3]);
        keys.iter().all(moved)
    });
}

#[test]
fn a_dropped_watch_leaves_neither_thread_nor_connection() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let watch = client.watch().unwrap();
    wait_until_it_watches(&client, &cluster);
    drop(watch);
    eventually("the watch to end", || watchers(&cluster) == 0);
}

#[test]
fn while_the_cluster_is_down_the_watch_keeps_its_connection_and_its_map() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[0]);
    let watch = client.watch().unwrap();
    wait_until_it_watches(&client, &cluster);
    cluster.notice_failures();
    cluster.nodes[2].kill();
    eventually("the cluster to be down", || {
        let info = cluster.nodes[0].run::<String>(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:fail")
    });
    let waits = || calls(&cluster.nodes[0], "slothint.watch");
    let (before, began) = (client.stats(), waits());
    // The server ends each wait with an error.
    eventually("waits to be ended", || waits() >= began + 6);
    let stats = client.stats();
    let connections = stats.connections - before.connections;
    let maps = stats.map_requests - before.map_requests;
    assert!(
        connections == 0 && maps <= 1,
        "{connections} connections and {maps} maps"
    );
    assert!(watch.is_running());
}

#[test]
fn a_change_while_the_watch_could_not_connect_is_learnt_and_counted() {
    let cluster = Cluster::start(3, 1);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let address = with_user(&cluster, &[], &cluster.nodes[1]);
    let client = Client::open([address]).unwrap();
    let _watch = client.watch().unwrap();
    wait_until_it_watches(&client, &cluster);
    for node in &cluster.nodes {
        node.run::<()>(&["ACL", "SETUSER", "app", "off"]);
        node.run::<i64>(&["CLIENT", "KILL", "USER", "app"]);
    }
    assert_eq!(watchers(&cluster), 0);
    promote(&cluster, &cluster.nodes[3]);
    assert_eq!(client.stats().watch_updates, 0);
    for node in &cluster.nodes {
        node.run::<()>(&["ACL", "SETUSER", "app", "on"]);
    }
    eventually("the watch to tell", || {
        goes_to(&client, &key, &cluster.nodes[3])
    });
    eventually("the update to be counted", || {
        client.stats().watch_updates == 1
    });
}

#[test]
fn a_watch_that_comes_back_to_the_same_map_does_not_fetch_it_again() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let _watch = client.watch().unwrap();
    wait_until_it_watches(&client, &cluster);
    let before = client.stats();
    for node in &cluster.nodes {
        node.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    eventually("a new connection", || {
        client.stats().connections > before.connections && watchers(&cluster) == 1
    });
    let stats = client.stats();
    assert_eq!(
        (stats.map_requests, stats.watch_updates),
        (before.map_requests, 0)
    );
}

#[test]
fn a_watch_of_a_paused_node_can_be_stopped() {
    let cluster = Cluster::start(2, 0);
    let client = Client::builder([format!("redis://{}", cluster.nodes[0].addr())])
        .unwrap()
        .response_timeout(Some(Duration::from_secs(3600)))
        .build();
    let watch = client.watch().unwrap();
    wait_until_it_watches(&client, &cluster);
    for node in &cluster.nodes {
        node.pause();
    }
    let stopping = std::thread::spawn(move || watch.stop());
    eventually("the thread to end", || stopping.is_finished());
    for node in &cluster.nodes {
        node.resume();
    }
}
