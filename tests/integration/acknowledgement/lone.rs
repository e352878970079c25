//! One client that writes alone. On Redis 7.0 the module then asks the replicas without having
//! looked at them (`core/src/coordinator/lone.rs`).

use std::collections::HashMap;

use testkit::{eventually, RawConn, Server};

use crate::support::{calls, get, info, patient, replicated, say, send};

/// More writes than a streak needs.
const MANY: u64 = 40;

fn write_alone(conn: &mut RawConn, key: &str) {
    for number in 0..MANY {
        let set = format!("DURABLE.SET {key} {number}");
        assert_eq!(say(conn, &set), "+OK\r\n");
    }
}

fn lag(primary: &Server) -> String {
    let links: Vec<HashMap<String, String>> = primary.run(&["DURABLE.REPLICAS"]);
    links[0]["lag-bytes"].clone()
}

#[test]
fn a_client_alone_takes_one_look_for_each_write() {
    const WRITES: u64 = 200;
    let group = replicated(1);
    let mut conn = group.primary.raw();
    write_alone(&mut conn, "k");
    let before = calls(&group.primary, "role");
    for _ in 0..WRITES {
        assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    }
    let looks = calls(&group.primary, "role") - before;
    // The server's cron and the reports that the replica sends once a second take a few more.
    assert!(looks < WRITES + WRITES / 4, "{looks} looks");
}

#[test]
fn what_is_acknowledged_is_on_the_replica_whoever_else_writes() {
    let group = replicated(1);
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let mut conn = primary.raw();
    let mut other = primary.raw();
    for round in 0..8 {
        write_alone(&mut conn, "k");
        // Neither waits for the other.
        send(&mut other, &format!("SET other {round}"));
        let set = format!("DURABLE.SET k {round}");
        assert_eq!(say(&mut conn, &set), "+OK\r\n");
        assert_eq!(get(replica, "k"), Some(round.to_string()));
        assert_eq!(other.read_reply_bytes(), b"+OK\r\n");
        let read = say(&mut conn, "DURABLE.GET other");
        assert!(read.contains(&round.to_string()), "{read}");
        assert_eq!(get(replica, "other"), Some(round.to_string()));
        // In another database, the request is behind a SELECT.
        say(&mut conn, &format!("SELECT {}", round % 2));
        assert_eq!(
            say(&mut conn, "DURABLE.INCR n"),
            format!(":{}\r\n", round / 2 + 1)
        );
        say(&mut conn, "SELECT 0");
    }
}

#[test]
fn after_writes_alone_the_replica_is_known_to_be_up_to_date() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    write_alone(&mut conn, "k");
    // At once, unless the replica has just sent a report of its own.
    eventually("the replica to be up to date", || {
        let acknowledged = say(&mut conn, "DURABLE.WAIT REPLICAS 0") == ":1\r\n";
        acknowledged && lag(&group.primary) == "0" && info(&group.primary, "max_lag_bytes") == 0
    });
}

#[test]
fn a_write_alone_is_given_up_at_its_deadline() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    write_alone(&mut conn, "k");
    group.replicas[0].pause();
    for _ in 0..3 {
        let reply = say(&mut conn, "DURABLE.SET k w TIMEOUT 20");
        assert!(reply.starts_with("-UNACKED 0 of 1 "), "{reply}");
    }
    group.replicas[0].resume();
    eventually("a write to be acknowledged again", || {
        say(&mut conn, "DURABLE.SET k x TIMEOUT 1000") == "+OK\r\n"
    });
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("x"));
}

#[test]
fn a_client_that_is_unblocked_and_writes_again_waits_for_its_second_write() {
    let group = testkit::Replicated::builder()
        .replicas(1)
        .primary(patient)
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    write_alone(&mut conn, "k");
    let id = conn.client_id();
    group.replicas[0].pause();
    send(&mut conn, "DURABLE.SET k first");
    send(&mut conn, "DURABLE.SET k second");
    eventually("the client to wait", || {
        primary.run::<u64>(&["CLIENT", "UNBLOCK", &id.to_string(), "TIMEOUT"]) == 1
    });
    let reply = String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
    assert!(reply.starts_with("-UNACKED "), "{reply}");
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("second"));
}
