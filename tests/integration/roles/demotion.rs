//! A primary becomes a replica while clients wait. These are the cases in which not every server
//! ends the waits itself: in a cluster, and for clients with CLIENT CAPA REDIRECT. The offsets of
//! the waits belong to the old stream. When the server is a primary again, acknowledgements of a
//! new stream must not release these waits.

use testkit::differences::HAS_CLIENT_CAPA;
use testkit::{eventually, Cluster, RawConn, Role, Server};

use crate::support::{
    connections, get, info, key_of, replicated, say, send, unload_and_load_again, wait_for_waiters,
    wait_one_by_one,
};

const LINES: [&str; 3] = ["DURABLE.SET k precious", "DURABLE.GET k", "DURABLE.WAIT"];

/// Clients that wait for `replica`, which is paused here. Each first sends the lines of `prepare`.
fn waiting(primary: &Server, replica: &Server, prepare: &[&str]) -> Vec<RawConn> {
    let mut clients = connections(primary, LINES.len());
    for client in &mut clients {
        for line in prepare {
            assert_eq!(say(client, line), "+OK\r\n", "{line}");
        }
    }
    replica.pause();
    wait_one_by_one(primary, &mut clients, &LINES);
    clients
}

/// Asserts that each client gets UNBLOCKED.
#[track_caller]
fn are_unblocked(clients: &mut [RawConn]) {
    for (client, line) in clients.iter_mut().zip(LINES) {
        let last = String::from_utf8(client.read_reply_bytes()).expect("a reply that is not UTF-8");
        assert!(last.starts_with("-UNBLOCKED "), "{line}: {last}");
    }
}

#[track_caller]
fn counted(primary: &Server) {
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "demoted_total"), LINES.len() as i64);
    for other in ["acked_total", "unacked_total", "disconnected_total"] {
        assert_eq!(info(primary, other), 0, "{other}");
    }
}

#[test]
fn in_a_cluster_waiting_clients_are_turned_away_and_never_told_of_another_history() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| builder.module_args(&["timeout-ms", "0"]))
        .start();
    let [primary, _, _, replica, ..] = &cluster.nodes[..] else {
        panic!("the cluster has fewer than four nodes");
    };
    let key = key_of(&cluster, 0);
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, &format!("SET {key} old")), "+OK\r\n");
    eventually("the replica to have the key", || {
        replica.offset() == primary.offset()
    });
    replica.run::<()>(&["SAVE"]);
    // From its next start on it cannot fetch anything from the primary.
    let stranger = ["masteruser", "nobody", "masterauth", "wrong"];
    replica.run::<()>(&[&["CONFIG", "SET"], &stranger[..]].concat());
    replica.run::<()>(&["CONFIG", "REWRITE"]);
    replica.pause();
    let mut client = primary.raw();
    send(
        &mut client,
        &format!("DURABLE.SET {key} precious REPLICAS 1"),
    );
    wait_for_waiters(primary, 1);
    // The replica dies and comes back without the last write. It takes over while the primary is
    // paused.
    replica.kill();
    replica.restart();
    let id = cluster.id_of(primary);
    eventually("the replica to hear of the primary", || {
        hears_of(replica, id)
    });
    primary.pause();
    replica.run::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    eventually("the replica to take over", || {
        replica.role() == Role::Primary
    });
    let mut new = replica.raw();
    // The new stream becomes much longer than the old one.
    for number in 0..100 {
        let line = format!("SET {{{key}}}{number} {}", "x".repeat(100));
        assert_eq!(say(&mut new, &line), "+OK\r\n");
    }
    assert_eq!(say(&mut new, &format!("SET {key} newer")), "+OK\r\n");
    primary.resume();
    let last = String::from_utf8(client.read_reply_bytes()).expect("a reply that is not UTF-8");
    assert!(last.starts_with("-UNBLOCKED "), "{last}");
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "demoted_total"), 1);
    assert_eq!(info(primary, "acked_total"), 0);
    eventually("the old primary to replicate from the new one", || {
        primary.role() == Role::Replica && get_readonly(primary, &key) == "newer"
    });
    unload_and_load_again(primary);
}

/// Whether a restarted node has got an answer from another node. A primary that is paused before
/// that may hang for ever in Redis 7.2 to 8.0: it reads the first message of its replica after the
/// news that the replica took over (`clusterNodeGetMaster` in `cluster_legacy.c`).
fn hears_of(node: &Server, id: &str) -> bool {
    let nodes: String = node.run(&["CLUSTER", "NODES"]);
    let line = nodes.lines().find(|line| line.starts_with(id));
    let mut words = line.unwrap_or_default().split(' ').skip(4);
    let (asked, heard) = (words.next(), words.next());
    asked == Some("0") && heard.is_some_and(|heard| heard != "0")
}

/// The value on a replica of a cluster.
fn get_readonly(replica: &Server, key: &str) -> String {
    let mut conn = replica.raw();
    say(&mut conn, "READONLY");
    let reply = say(&mut conn, &format!("GET {key}"));
    reply.lines().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn clients_that_take_redirections_are_turned_away_too() {
    let group = replicated(1);
    let primary = &group.primary;
    if say(&mut primary.raw(), "CLIENT CAPA REDIRECT").starts_with("-ERR") {
        // Only Valkey has CLIENT CAPA.
        assert!(!primary.has(HAS_CLIENT_CAPA));
        return;
    }
    let other = Server::builder().name("the new primary").start();
    let mut clients = waiting(primary, &group.replicas[0], &["CLIENT CAPA REDIRECT"]);
    primary.replica_of(&other);
    are_unblocked(&mut clients);
    counted(primary);
    // A primary again, with a replica that acknowledges: the clients get no further reply.
    primary.promote();
    group.replicas[0].resume();
    let mut conn = primary.raw();
    eventually("the replica to acknowledge a write again", || {
        say(&mut conn, "DURABLE.SET k w") == "+OK\r\n"
    });
    for client in &mut clients {
        // A server that ended the waits itself has closed the connections.
        if client.is_readable_now() {
            assert_eq!(client.read_until_closed(), b"");
        }
    }
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("w"));
    drop(clients);
    unload_and_load_again(primary);
}

#[test]
fn a_primary_that_is_demoted_and_promoted_in_one_transaction_answers_nobody_from_before() {
    let group = replicated(1);
    let primary = &group.primary;
    let other = Server::builder().name("another primary").start();
    let mut clients = waiting(primary, &group.replicas[0], &[]);
    let mut conn = primary.raw();
    say(&mut conn, "MULTI");
    say(&mut conn, &format!("REPLICAOF 127.0.0.1 {}", other.port()));
    say(&mut conn, "REPLICAOF NO ONE");
    assert_eq!(say(&mut conn, "EXEC"), "*2\r\n+OK\r\n+OK\r\n");
    group.replicas[0].resume();
    are_unblocked(&mut clients);
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "acked_total"), 0);
    unload_and_load_again(primary);
}
