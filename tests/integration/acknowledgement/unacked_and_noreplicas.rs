//! UNACKED for replicas that do not acknowledge in time, and NOREPLICAS for replicas that are
//! missing.

use testkit::{eventually, Server};

use crate::support::{
    connections, get, info, packet, patient, replicated, say, send, unload_and_load_again,
    wait_for_waiters,
};

#[test]
fn a_write_that_no_replica_acknowledged_in_time_is_told_so_and_is_applied() {
    let group = replicated(1);
    let replica = &group.replicas[0];
    let mut conn = group.primary.raw();
    replica.pause();
    let reply = say(&mut conn, "DURABLE.SET k v TIMEOUT 50");
    assert_eq!(
        reply,
        "-UNACKED 0 of 1 replicas acknowledged within 50 ms; \
         applied on the primary, may still reach the replicas\r\n"
    );
    assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    assert_eq!(info(&group.primary, "unacked_total"), 1);
    assert_eq!(info(&group.primary, "acked_total"), 0);
    assert_eq!(info(&group.primary, "waiters"), 0);
    replica.resume();
    eventually("the write to reach the replica", || {
        get(replica, "k").is_some()
    });
    // The connection still works.
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), "+OK\r\n");
}

#[test]
fn the_error_is_the_same_in_resp3_and_for_a_fence() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.hello3();
    group.replicas[0].pause();
    let expected = "-UNACKED 0 of 1 replicas acknowledged within 20 ms; \
                    applied on the primary, may still reach the replicas\r\n";
    assert_eq!(say(&mut conn, "DURABLE.SET k v TIMEOUT 20"), expected);
    assert_eq!(say(&mut conn, "DURABLE.SET k v GET TIMEOUT 20"), expected);
    assert_eq!(say(&mut conn, "DURABLE.WAIT TIMEOUT 20"), expected);
    assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    group.replicas[0].resume();
}

#[test]
fn the_configured_timeout_counts_where_the_command_names_none() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    say(&mut conn, "CONFIG SET durable.timeout-ms 30");
    let reply = say(&mut conn, "DURABLE.SET k v");
    assert!(reply.contains(" within 30 ms;"), "{reply}");
    group.replicas[0].resume();
}

#[test]
fn without_a_replica_nothing_is_executed() {
    let primary = patient(Server::builder()).start();
    let mut conn = primary.raw();
    say(&mut conn, "SET kept old");
    let before = (
        primary.offset(),
        primary.info_number("persistence", "rdb_changes_since_last_save"),
    );
    let refused = "-NOREPLICAS 0 of 1 required replicas are connected; nothing was executed\r\n";
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refused);
    assert_eq!(say(&mut conn, "DURABLE.SET kept v GET"), refused);
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), refused);
    assert_eq!(
        say(&mut conn, "DURABLE.SET k v REPLICAS 1000"),
        "-NOREPLICAS 0 of 1000 required replicas are connected; nothing was executed\r\n"
    );
    assert_eq!(say(&mut conn, "DBSIZE"), ":1\r\n");
    assert_eq!(say(&mut conn, "GET kept"), "$3\r\nold\r\n");
    let after = (
        primary.offset(),
        primary.info_number("persistence", "rdb_changes_since_last_save"),
    );
    assert_eq!(after, before);
    assert_eq!(info(&primary, "noreplicas_total"), 4);
}

#[test]
fn a_replica_that_went_away_is_missed_at_once() {
    let group = replicated(2);
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 2"), "+OK\r\n");
    group.replicas[1].kill();
    eventually("the primary to lose the killed replica", || {
        group.primary.replica_links().len() == 1
    });
    assert_eq!(
        say(&mut conn, "DURABLE.SET k w REPLICAS 2"),
        "-NOREPLICAS 1 of 2 required replicas are connected; nothing was executed\r\n"
    );
    assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), "+OK\r\n");
}

#[test]
fn a_timeout_of_zero_waits_until_the_replica_answers() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut for_ever, mut others) = (primary.raw(), primary.raw());
    group.replicas[0].pause();
    send(&mut for_ever, "DURABLE.SET k v TIMEOUT 0");
    wait_for_waiters(primary, 1);
    // Waits of other clients time out, and do not end the wait without a timeout.
    for timeout in ["1", "20", "40"] {
        let reply = say(
            &mut others,
            &format!("DURABLE.SET other v TIMEOUT {timeout}"),
        );
        assert!(reply.starts_with("-UNACKED "), "{reply}");
    }
    assert_eq!(info(primary, "waiters"), 1);
    assert!(!for_ever.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(for_ever.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_later_command_with_an_earlier_deadline_is_given_up_first() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut long, mut short) = (primary.raw(), primary.raw());
    group.replicas[0].pause();
    send(&mut long, "DURABLE.SET long v TIMEOUT 86400000");
    wait_for_waiters(primary, 1);
    let reply = say(&mut short, "DURABLE.SET short v TIMEOUT 10");
    assert!(reply.contains(" within 10 ms;"), "{reply}");
    assert!(!long.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(long.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn of_two_required_replicas_the_one_that_acknowledged_is_counted() {
    let group = replicated(2);
    let primary = &group.primary;
    group.replicas[1].pause();
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v REPLICAS 2 TIMEOUT 0");
    wait_for_waiters(primary, 1);
    // This fence needs one replica, which then has everything before the fence.
    let mut other = primary.raw();
    assert_eq!(say(&mut other, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    assert!(
        !conn.is_readable_now(),
        "answered by one of two required replicas"
    );

    // An operator ends the wait, so that no clock decides whether the first replica was in time.
    let mut given_up = primary.raw();
    let id = given_up.client_id();
    send(&mut given_up, "DURABLE.SET k w REPLICAS 2 TIMEOUT 0");
    wait_for_waiters(primary, 2);
    assert_eq!(say(&mut other, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    assert_eq!(say(&mut other, &format!("CLIENT UNBLOCK {id}")), ":1\r\n");
    let reply = given_up.read_reply_bytes();
    let reply = String::from_utf8_lossy(&reply);
    assert!(
        reply.starts_with("-UNACKED 1 of 2 replicas acknowledged within "),
        "{reply}"
    );
    group.replicas[1].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn thousands_of_waits_that_time_out_leave_nothing_behind() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 100);
    group.replicas[0].pause();
    // Each client waits for one command at a time: forty rounds of a hundred waits.
    let sets = packet(&["DURABLE.SET k v TIMEOUT 1"; 40]);
    for client in &mut clients {
        client.send_bytes(&sets);
    }
    for client in &mut clients {
        for _ in 0..40 {
            let reply = client.read_reply_bytes();
            assert!(
                reply.starts_with(b"-UNACKED 0 of 1 "),
                "{}",
                reply.escape_ascii()
            );
        }
    }
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "unacked_total"), 4000);
    unload_and_load_again(primary);
    group.replicas[0].resume();
    let mut conn = primary.raw();
    eventually("the replica to acknowledge a write again", || {
        say(&mut conn, "DURABLE.SET k v TIMEOUT 0") == "+OK\r\n"
    });
}

#[test]
fn more_waits_than_one_turn_gives_up_all_end_at_one_deadline() {
    // More waits than the module gives up in one turn of the event loop.
    const COUNT: usize = 2500;
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, COUNT);
    group.replicas[0].pause();
    primary.pause();
    for client in &mut clients {
        send(client, "DURABLE.SET k v TIMEOUT 100");
    }
    primary.resume();
    for client in &mut clients {
        let reply = client.read_reply_bytes();
        assert!(
            reply.starts_with(b"-UNACKED 0 of 1 "),
            "{}",
            reply.escape_ascii()
        );
    }
    assert_eq!(info(primary, "unacked_total"), COUNT as i64);
    drop(clients);
    unload_and_load_again(primary);
    group.replicas[0].resume();
}
