//! FAILOVER and REPLICAOF while clients wait: each client gets a reply or sees its connection end,
//! and no wait is left.

use testkit::differences::UNBLOCKS_LATE_AFTER_FAILOVER;
use testkit::{eventually, RawConn, Role, Server};

use crate::support::{
    connections, get, info, replicated, say, send, unload_and_load_again, wait_for_waiters, waiting,
};

const LINES: [&str; 4] = [
    "DURABLE.SET k v",
    "DURABLE.CALL SET k2 v",
    "DURABLE.GET k",
    "DURABLE.WAIT",
];

/// Asserts that each client gets the server's UNBLOCKED and then the end of the connection.
fn are_unblocked(clients: &mut [RawConn]) {
    for (client, line) in clients.iter_mut().zip(LINES) {
        let last =
            String::from_utf8(client.read_until_closed()).expect("a reply that is not UTF-8");
        assert!(
            last.starts_with("-UNBLOCKED ") && last.lines().count() == 1,
            "{line}: {last}"
        );
    }
}

#[test]
fn a_failover_turns_the_waiting_clients_away_or_answers_them() {
    let group = replicated(2);
    let (primary, chosen) = (&group.primary, &group.replicas[0]);
    // The writes need both replicas and one is paused, so the waits last longer than the failover.
    group.replicas[1].pause();
    let mut clients = connections(primary, 10);
    for client in &mut clients {
        send(client, "DURABLE.INCR n REPLICAS 2");
    }
    wait_for_waiters(primary, 10);
    let to = format!("FAILOVER TO 127.0.0.1 {}", chosen.port());
    assert_eq!(say(&mut primary.raw(), &to), "+OK\r\n");
    for client in &mut clients {
        let last = String::from_utf8(client.read_reply_bytes()).expect("a reply that is not UTF-8");
        assert!(last.starts_with("-UNBLOCKED "), "{last}");
        // Only servers that end the waits late leave the connection open.
        if !primary.has(UNBLOCKS_LATE_AFTER_FAILOVER) {
            assert_eq!(client.read_until_closed(), b"");
        }
    }
    eventually("the chosen replica to become primary", || {
        chosen.role() == Role::Primary
    });
    eventually("the old primary to become a replica", || {
        primary.role() == Role::Replica
    });
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "demoted_total"), 10);
    // The clients did not learn the outcome. In fact all writes survived.
    assert_eq!(get(chosen, "n").as_deref(), Some("10"));
    let mut conn = chosen.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 0");
    eventually(
        "the old primary to acknowledge a write of the new one",
        || say(&mut conn, "DURABLE.SET k v") == "+OK\r\n",
    );
    unload_and_load_again(primary);
    group.replicas[1].resume();
}

#[test]
fn a_failover_that_is_aborted_goes_on_as_before() {
    let group = replicated(1);
    let mut clients = waiting(&group, &LINES);
    let mut operator = group.primary.raw();
    assert_eq!(say(&mut operator, "FAILOVER"), "+OK\r\n");
    // The server pauses writes and waits for the replica, like the clients.
    for _ in 0..10 {
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
    }
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    assert_eq!(say(&mut operator, "FAILOVER ABORT"), "+OK\r\n");
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    assert_eq!(say(&mut operator, "DURABLE.SET k v"), "+OK\r\n");
    unload_and_load_again(&group.primary);
}

#[test]
fn a_demotion_turns_every_kind_of_waiting_client_away() {
    let group = replicated(1);
    let other = Server::builder().name("the new primary").start();
    let mut clients = waiting(&group, &LINES);
    group.primary.replica_of(&other);
    are_unblocked(&mut clients);
    assert_eq!(info(&group.primary, "demoted_total"), LINES.len() as i64);
    assert_eq!(info(&group.primary, "waiters"), 0);
    unload_and_load_again(&group.primary);
    group.replicas[0].resume();
}
