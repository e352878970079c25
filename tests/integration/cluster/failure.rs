//! A cluster that fails while clients wait. The module answers UNACKED, which says that the write
//! was executed, before the server answers CLUSTERDOWN, which clients understand as "not executed".

use testkit::{eventually, Cluster, FakeReplica, RawConn, Server};

use crate::support::{
    connections, info, key_of, patient, say, send, silent_replica_and_key, unload_and_load_again,
    wait_for_waiters,
};

const FAILED: &str = "-UNACKED 0 of 1 replicas acknowledged; the cluster failed while waiting; \
     applied on the primary, may still reach the replicas\r\n";

/// Three primaries, and a fake replica of the first that has acknowledged one write, so that it
/// counts.
fn cluster() -> (Cluster, FakeReplica) {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| patient(builder))
        .start();
    let fake = silent_replica_and_key(&cluster.nodes[0], &key_of(&cluster, 0));
    (cluster, fake)
}

fn waiting(node: &Server, line: &str, count: usize) -> Vec<RawConn> {
    let mut clients = connections(node, count);
    for client in &mut clients {
        send(client, line);
    }
    wait_for_waiters(node, count as i64);
    clients
}

fn get_unacked(clients: &mut [RawConn]) {
    for client in clients {
        let reply = client.read_reply_bytes();
        assert_eq!(String::from_utf8_lossy(&reply), FAILED);
    }
}

#[test]
fn clients_that_wait_when_most_primaries_are_gone_are_told_unacked() {
    let (cluster, _fake) = cluster();
    let node = &cluster.nodes[0];
    let key = key_of(&cluster, 0);
    let before = info(node, "unacked_total");
    let mut clients = waiting(node, &format!("DURABLE.INCR {{{key}}}:n"), 100);
    cluster.notice_failures();
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    get_unacked(&mut clients);
    assert_eq!(info(node, "unacked_total"), before + 100);
    assert_eq!(info(node, "waiters"), 0);
    // The connections still work, and the server refuses commands with a key.
    let refused = say(&mut clients[0], &format!("DURABLE.INCR {{{key}}}:n"));
    assert!(refused.starts_with("-CLUSTERDOWN "), "{refused}");
    drop(clients);
    unload_and_load_again(node);
}

#[test]
fn clients_that_wait_when_a_slot_has_no_owner_any_more_are_told_unacked() {
    let (cluster, _fake) = cluster();
    let node = &cluster.nodes[0];
    let key = key_of(&cluster, 0);
    let mut clients = waiting(node, &format!("DURABLE.APPEND {key} x"), 3);
    clients.extend(waiting_too(node, "DURABLE.WAIT", 4));
    cluster.notice_failures();
    // The other two primaries agree about the failure.
    cluster.nodes[2].kill();
    get_unacked(&mut clients);
}

fn waiting_too(node: &Server, line: &str, all: i64) -> Option<RawConn> {
    let mut client = node.raw();
    send(&mut client, line);
    wait_for_waiters(node, all);
    Some(client)
}

#[test]
fn a_cluster_that_goes_on_without_some_slots_ends_no_wait() {
    let (cluster, mut fake) = cluster();
    let node = &cluster.nodes[0];
    for node in &cluster.nodes {
        node.run::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let mut clients = waiting(
        node,
        &format!("DURABLE.APPEND {} x", key_of(&cluster, 0)),
        3,
    );
    cluster.notice_failures();
    cluster.nodes[2].kill();
    let lost = cluster.id_of(&cluster.nodes[2]);
    eventually("the node to be marked as failed", || {
        let nodes: String = node.run(&["CLUSTER", "NODES"]);
        let line = nodes.lines().find(|line| line.starts_with(lost));
        let flags = line.and_then(|line| line.split(' ').nth(2));
        flags.is_some_and(|flags| flags.split(',').any(|flag| flag == "fail"))
    });
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    fake.wait_for_offset(node.offset());
    fake.ack(node.offset());
    for client in &mut clients {
        assert!(client.read_reply_bytes().starts_with(b":"));
    }
}

#[test]
fn a_slot_that_moves_away_ends_no_wait() {
    let (cluster, mut fake) = cluster();
    let node = &cluster.nodes[0];
    let key = key_of(&cluster, 0);
    let mut clients = waiting(node, &format!("DURABLE.APPEND {key} x"), 3);
    let slot = cluster.slot_of(&key).to_string();
    node.run::<()>(&["DEL", &key]);
    for to in [1, 0, 2] {
        let set = [
            "CLUSTER",
            "SETSLOT",
            &slot,
            "NODE",
            cluster.id_of(&cluster.nodes[1]),
        ];
        cluster.nodes[to].run::<()>(&set);
    }
    // The server's cron checks every client within a second.
    let crons = || node.info_number("server", "uptime_in_seconds");
    let before = crons();
    eventually("the cron to check every client", || crons() > before + 2);
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    fake.wait_for_offset(node.offset());
    fake.ack(node.offset());
    for client in &mut clients {
        assert!(client.read_reply_bytes().starts_with(b":"));
    }
}

#[test]
fn a_cluster_that_fails_during_the_wait_says_so() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| patient(builder))
        .start();
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let key = key_of(&cluster, 0);
    let mut conn = primary.raw();
    cluster.notice_failures();
    replica.pause();
    send(&mut conn, &format!("DURABLE.SET {key} v"));
    wait_for_waiters(primary, 1);
    // Without a majority of its primaries the cluster fails.
    for number in [1, 2, 4, 5] {
        cluster.nodes[number].kill();
    }
    let reply = String::from_utf8(conn.read_reply_bytes()).expect("a reply that is not UTF-8");
    let expected = "-UNACKED 0 of 1 replicas acknowledged; the cluster failed while waiting; ";
    assert!(reply.starts_with(expected), "{reply}");
    wait_for_waiters(primary, 0);
    assert_eq!(info(primary, "unacked_total"), 1);
    // The write was executed.
    assert_eq!(primary.run::<i64>(&["DBSIZE"]), 1);
    unload_and_load_again(primary);
    replica.resume();
}
