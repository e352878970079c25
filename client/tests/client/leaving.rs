//! Nodes that leave the cluster and stay up: their empty maps do not count.

use redis_durable_client::{Client, Command, Fill};
use testkit::{eventually, Cluster, Server};

use crate::support::{
    assert_own_values, client_of, fail_over, goes_to, keys, keys_of, leave, promote,
    set_to_themselves, with_user,
};

#[test]
fn a_seed_that_has_left_does_not_make_a_client_forget_the_cluster() {
    let cluster = Cluster::start(3, 1);
    let leaver = &cluster.nodes[3];
    let client = client_of(leaver);
    let watch = client.watch().unwrap();
    eventually("the map", || client.known_slots() == 16384);
    leave(&cluster, leaver);
    let mut session = client.session();
    // The one node that was named is asked, and then those that became known by it.
    assert!(matches!(session.prefill_all(), Ok(Fill::Filled(_))));
    assert_eq!(client.known_slots(), 16384);
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert_eq!((stats.cluster_down, stats.moved), (0, 0), "{stats:?}");
    // The watch goes on at another node.
    let key = keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    fail_over(&cluster.nodes[4]);
    eventually("the watch to tell of a failover", || {
        goes_to(&client, &key, &cluster.nodes[4])
    });
    assert!(watch.is_running());
}

#[test]
fn a_default_node_that_has_left_is_found_out_once_and_not_for_each_slot() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| builder.module(false))
        .start();
    let leaver = &cluster.nodes[3];
    let client = client_of(leaver);
    let mut session = client.session();
    let keys = keys(200);
    let (first, later) = keys.split_at(30);
    set_to_themselves(&mut session, first);
    leave(&cluster, leaver);
    let moved = client.stats().moved;
    for key in later {
        session.run(&Command::set(key, key)).unwrap();
    }
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert!(stats.moved > moved, "the slots were not known");
    assert_eq!(stats.cluster_down, 1, "{stats:?}");
}

/// How many connections the server has from the user of the test.
fn connections(server: &Server) -> usize {
    let clients = server.run::<String>(&["CLIENT", "LIST"]);
    clients.matches("user=app").count()
}

#[test]
fn connections_to_a_node_that_has_left_are_closed() {
    let cluster = Cluster::start(3, 1);
    let leaver = &cluster.nodes[0];
    let client = Client::open([with_user(&cluster, &[], &cluster.nodes[1])]).unwrap();
    let mut session = client.session();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    assert_eq!(connections(leaver), 1);
    promote(&cluster, &cluster.nodes[3]);
    assert_own_values(&mut session, &keys);
    assert_eq!(connections(leaver), 1, "it may be promoted again");
    leave(&cluster, leaver);
    // The map of a server may be out of date for a moment.
    eventually("the connection to be closed", || {
        session.prefill_all().unwrap();
        assert_own_values(&mut session, &keys);
        connections(leaver) == 0
    });
    assert_eq!(client.stats().connections, 4);
}
