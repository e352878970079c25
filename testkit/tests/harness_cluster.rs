//! Tests of the kit: a formed cluster.

#![forbid(unsafe_code)]

use testkit::{eventually, Cluster};

#[test]
fn a_cluster_of_three_and_three_is_settled_when_the_test_begins() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| builder.module(false))
        .start();
    assert_eq!(cluster.nodes.len(), 6);
    let primaries = cluster.primaries();
    assert_eq!(primaries.len(), 3);
    for (number, primary) in primaries.iter().enumerate() {
        assert_eq!(primary.port(), cluster.nodes[number].port());
        let replicas = cluster.replicas_of(primary);
        assert_eq!(replicas.len(), 1);
        assert_eq!(replicas[0].port(), cluster.nodes[number + 3].port());
        let id: String = primary.run(&["CLUSTER", "MYID"]);
        assert_eq!(cluster.id_of(primary), id);
        assert_eq!(cluster.node_by_id(&id).port(), primary.port());
    }
    for (slot, owner) in [
        (0, 0),
        (5460, 0),
        (5461, 1),
        (10922, 1),
        (10923, 2),
        (16383, 2),
    ] {
        let port = cluster.nodes[owner].port();
        assert_eq!(cluster.owner_of_slot(slot).port(), port, "slot {slot}");
    }
    assert_eq!(cluster.slot_of("123456789"), 0x31C3);
    let owner = cluster.owner_of_key("123456789");
    owner.run::<()>(&["SET", "123456789", "v"]);

    // All nodes see a failover, and the old primary comes back as a replica.
    let owner_number = cluster
        .nodes
        .iter()
        .position(|node| node.port() == owner.port());
    let replica = &cluster.nodes[owner_number.expect("the owner is not in the list of nodes") + 3];
    cluster.notice_failures();
    owner.kill();
    eventually("the replica to take over", || {
        cluster
            .primaries()
            .iter()
            .any(|node| node.port() == replica.port())
    });
    cluster.wait_until_agreed();
    assert_eq!(cluster.owner_of_key("123456789").port(), replica.port());
    owner.restart();
    eventually("the old primary to follow the new one", || {
        cluster
            .replicas_of(replica)
            .iter()
            .any(|node| node.port() == owner.port())
    });
}
