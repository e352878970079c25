//! Clients that stop waiting: they disconnect, are killed, or are unblocked by an operator. Each
//! wait ends once and is counted once. Afterwards the module can be unloaded.

use testkit::{eventually, RawConn, Replicated};

use crate::support::{
    connections, get, info, packet, replicated, say, send, unload_and_load_again, wait_for_waiters,
};

/// A client that waits for a paused replica, and its client id.
fn waiting() -> (Replicated, RawConn, u64) {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let id = conn.client_id();
    group.replicas[0].pause();
    send(&mut conn, "DURABLE.SET k v TIMEOUT 0");
    wait_for_waiters(&group.primary, 1);
    (group, conn, id)
}

/// The ends of waits: acknowledged, timed out, disconnected, demoted.
fn ends(group: &Replicated) -> [i64; 4] {
    [
        "acked_total",
        "unacked_total",
        "disconnected_total",
        "demoted_total",
    ]
    .map(|field| info(&group.primary, field))
}

/// Asserts that the write was executed, whatever happened to its client, and that the module can be
/// unloaded and loaded.
fn settles(group: &Replicated) {
    unload_and_load_again(&group.primary);
    let replica = &group.replicas[0];
    replica.resume();
    eventually("the write to reach the replica", || {
        get(replica, "k").is_some()
    });
    let mut conn = group.primary.raw();
    eventually(
        "the replica to acknowledge a write of the new module",
        || say(&mut conn, "DURABLE.SET k w TIMEOUT 0") == "+OK\r\n",
    );
}

#[test]
fn a_client_that_closes_its_connection_stops_waiting() {
    let (group, conn, _) = waiting();
    drop(conn);
    wait_for_waiters(&group.primary, 0);
    assert_eq!(ends(&group), [0, 0, 1, 0]);
    settles(&group);
}

#[test]
fn a_client_that_is_killed_stops_waiting() {
    let (group, mut conn, id) = waiting();
    group
        .primary
        .run::<()>(&["CLIENT", "KILL", "ID", &id.to_string()]);
    assert_eq!(conn.read_until_closed(), b"");
    wait_for_waiters(&group.primary, 0);
    assert_eq!(ends(&group), [0, 0, 1, 0]);
    settles(&group);
}

#[test]
fn a_client_that_an_operator_unblocks_is_told_that_nobody_acknowledged() {
    for how in ["", "TIMEOUT"] {
        let (group, mut conn, id) = waiting();
        let unblocked = say(
            &mut group.primary.raw(),
            &format!("CLIENT UNBLOCK {id} {how}"),
        );
        assert_eq!(unblocked, ":1\r\n");
        let reply = String::from_utf8(conn.read_reply_bytes()).expect("a reply that is not UTF-8");
        // The error names the time that has passed, since the wait had no timeout.
        assert!(
            reply.starts_with("-UNACKED 0 of 1 replicas acknowledged within ")
                && reply.ends_with(" ms; applied on the primary, may still reach the replicas\r\n"),
            "{reply}"
        );
        assert_eq!(ends(&group), [0, 1, 0, 0]);
        assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
        settles(&group);
    }
}

#[test]
fn a_client_that_an_operator_unblocks_with_an_error_is_told_by_the_server() {
    let (group, mut conn, id) = waiting();
    let unblocked = say(
        &mut group.primary.raw(),
        &format!("CLIENT UNBLOCK {id} ERROR"),
    );
    assert_eq!(unblocked, ":1\r\n");
    let reply = String::from_utf8(conn.read_reply_bytes()).expect("a reply that is not UTF-8");
    assert!(reply.starts_with("-UNBLOCKED "), "{reply}");
    assert_eq!(ends(&group), [0, 0, 1, 0]);
    assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    settles(&group);
}

#[test]
fn a_client_is_unblocked_once() {
    let (group, mut conn, id) = waiting();
    let mut operator = group.primary.raw();
    let twice = format!("CLIENT UNBLOCK {id}");
    // Both in one turn: the second finds no blocked client.
    operator.send_bytes(&packet(&[&twice, &twice]));
    assert_eq!(operator.read_reply_bytes(), b":1\r\n");
    assert_eq!(operator.read_reply_bytes(), b":0\r\n");
    assert!(conn.read_reply_bytes().starts_with(b"-UNACKED "));
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    settles(&group);
}

#[test]
fn one_that_leaves_does_not_end_the_wait_of_others() {
    let (group, mut conn, _) = waiting();
    let mut others = connections(&group.primary, 20);
    for other in &mut others {
        send(other, "DURABLE.SET k v");
    }
    wait_for_waiters(&group.primary, 21);
    others.truncate(10);
    wait_for_waiters(&group.primary, 11);
    assert!(!conn.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    for other in &mut others {
        assert_eq!(other.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(ends(&group), [11, 0, 10, 0]);
}

#[test]
fn what_a_client_sent_behind_its_write_is_executed_after_the_wait() {
    let (group, mut conn, id) = waiting();
    conn.send_bytes(&packet(&["SET later v", "GET k"]));
    let mut operator = group.primary.raw();
    assert_eq!(say(&mut operator, "EXISTS later"), ":0\r\n");
    say(&mut operator, &format!("CLIENT UNBLOCK {id}"));
    assert!(conn.read_reply_bytes().starts_with(b"-UNACKED "));
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(conn.read_reply_bytes(), b"$1\r\nv\r\n");
    settles(&group);
}

#[test]
fn unblocking_and_acknowledging_at_the_same_moment_answers_each_client_once() {
    // The acknowledgement and CLIENT UNBLOCK can arrive in one turn, in either order.
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 20);
    let ids: Vec<u64> = clients.iter_mut().map(RawConn::client_id).collect();
    let mut operator = primary.raw();
    let lines: Vec<String> = ids
        .iter()
        .map(|id| format!("CLIENT UNBLOCK {id}"))
        .collect();
    let unblock = packet(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    for round in 0..30 {
        for client in &mut clients {
            send(client, &format!("DURABLE.SET k {round}"));
        }
        operator.send_bytes(&unblock);
        for _ in &lines {
            operator.read_reply_bytes();
        }
        for client in &mut clients {
            let reply = client.read_reply_bytes();
            let known = reply == b"+OK\r\n" || reply.starts_with(b"-UNACKED ");
            assert!(known, "{}", reply.escape_ascii());
            // The next reply belongs to the next command.
            let echo = say(client, &format!("ECHO {round}"));
            assert!(echo.ends_with(&format!("\r\n{round}\r\n")), "{echo}");
        }
    }
    let [acked, unacked, ..] = ends(&group);
    assert_eq!(acked + unacked, 30 * 20);
    unload_and_load_again(primary);
}

#[test]
fn the_module_is_not_unloaded_under_a_waiting_client() {
    let (group, mut conn, _) = waiting();
    let refused = say(&mut group.primary.raw(), "MODULE UNLOAD durable");
    assert!(refused.starts_with("-ERR "), "{refused}");
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    unload_and_load_again(&group.primary);
}

#[test]
fn a_deadline_that_is_no_longer_needed_does_not_keep_the_module_loaded() {
    // The server refuses to unload a module with an armed timer, here one of a day.
    let (group, conn, _) = waiting();
    let primary = &group.primary;
    let mut other = primary.raw();
    send(&mut other, "DURABLE.SET other v TIMEOUT 86400000");
    wait_for_waiters(primary, 2);
    drop((conn, other));
    unload_and_load_again(primary);
    group.replicas[0].resume();
    let mut acknowledged = primary.raw();
    eventually("the replica to acknowledge a write again", || {
        say(&mut acknowledged, "DURABLE.SET k v TIMEOUT 86400000") == "+OK\r\n"
    });
    unload_and_load_again(primary);
}
