//! A durable write is answered after the replica has acknowledged it. The primary sends a request
//! for the acknowledgement right after the write.

use testkit::{eventually, FakeReplica, Server};

use crate::support::{get, info, patient, replicated, say, send, silent_replica, wait_for_waiters};

#[test]
fn what_was_acknowledged_is_read_from_the_replica_at_once() {
    let group = replicated(1);
    let (mut primary, mut replica) = (group.primary.raw(), group.replicas[0].raw());
    let (requests, acked) = counted(&group.primary);
    for number in 0..500 {
        let reply = say(&mut primary, &format!("DURABLE.SET k {number}"));
        assert_eq!(reply, "+OK\r\n");
        let length = number.to_string().len();
        let expected = format!("${length}\r\n{number}\r\n");
        assert_eq!(say(&mut replica, "GET k"), expected);
    }
    // The writes came one after another, so each caused one request.
    let (requests_now, acked_now) = counted(&group.primary);
    assert_eq!(acked_now - acked, 500);
    assert_eq!(requests_now - requests, 500);
}

fn counted(primary: &Server) -> (i64, i64) {
    (
        info(primary, "ack_requests_total"),
        info(primary, "acked_total"),
    )
}

fn with_a_silent_replica() -> (Server, FakeReplica) {
    let primary = patient(Server::builder().name("primary")).start();
    let fake = silent_replica(&primary);
    (primary, fake)
}

#[test]
fn the_replica_is_asked_right_behind_the_write_and_its_answer_releases_the_client() {
    let (primary, mut fake) = with_a_silent_replica();
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v");
    let getack = ["REPLCONF", "GETACK", "*"];
    let request = |fake: &FakeReplica| {
        let commands = fake.commands();
        let write = commands
            .iter()
            .position(|command| command == &["SET", "k", "v"])?;
        commands.get(write + 1).cloned()
    };
    // The request must not be in one MULTI with the write: the replica's answer would then name the
    // offset before the MULTI.
    eventually("the write and the request in the stream", || {
        request(&fake).is_some()
    });
    assert_eq!(request(&fake).expect("no request after the write"), getack);
    assert_eq!(info(&primary, "waiters"), 1);
    assert!(
        !conn.is_readable_now(),
        "answered without an acknowledgement"
    );

    // One byte less does not acknowledge the write. 37 is the length of the request.
    let written = fake.offset() - 37;
    fake.ack(written - 1);
    eventually("the short acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == written - 1
    });
    assert_eq!(info(&primary, "waiters"), 1);
    assert!(
        !conn.is_readable_now(),
        "answered by an acknowledgement of one byte less"
    );
    fake.ack(written);
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_write_that_changed_nothing_and_a_read_wait_for_what_they_show() {
    let (primary, mut fake) = with_a_silent_replica();
    primary.run::<()>(&["SET", "k", "plain"]);
    // Neither command writes anything. The reply of each shows what the plain SET has written.
    for command in ["DURABLE.SET k v NX", "DURABLE.SET k v NX GET"] {
        let mut conn = primary.raw();
        send(&mut conn, command);
        wait_for_waiters(&primary, 1);
        assert!(
            !conn.is_readable_now(),
            "{command} showed a write that no replica acknowledged"
        );
        fake.wait_for_offset(primary.offset());
        fake.ack_what_was_read();
        let expected = if command.ends_with("GET") {
            "$5\r\nplain\r\n"
        } else {
            "$-1\r\n"
        };
        assert_eq!(String::from_utf8_lossy(&conn.read_reply_bytes()), expected);
        primary.run::<()>(&["SET", "k", "plain"]);
    }
}

#[test]
fn nothing_but_plain_commands_reaches_the_replica() {
    let (primary, fake) = with_a_silent_replica();
    let mut conn = primary.raw();
    send(
        &mut conn,
        "DURABLE.SET k v PXAT 99999999999999 REPLICAS 1 TIMEOUT 0",
    );
    wait_for_waiters(&primary, 1);
    fake.wait_for_offset(primary.offset());
    for command in fake.commands() {
        let known = ["SELECT", "SET", "PING", "REPLCONF"].contains(&command[0].as_str());
        assert!(known, "unexpected in the stream: {command:?}");
    }
    let written = ["SET", "k", "v", "PXAT", "99999999999999"];
    assert!(fake.commands().iter().any(|command| command == &written));
}

#[test]
fn a_write_lands_in_the_database_that_the_client_selected() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    // Requests come between the writes. Each request has to leave the stream in the right database.
    for (round, database) in [5, 0, 5, 9].into_iter().enumerate() {
        assert_eq!(say(&mut conn, &format!("SELECT {database}")), "+OK\r\n");
        let reply = say(&mut conn, &format!("DURABLE.SET k{round} in-{database}"));
        assert_eq!(reply, "+OK\r\n");
        let mut replica = group.replicas[0].raw();
        for other in [0, 5, 9] {
            say(&mut replica, &format!("SELECT {other}"));
            let expected = if other == database {
                ":1\r\n"
            } else {
                ":0\r\n"
            };
            assert_eq!(say(&mut replica, &format!("EXISTS k{round}")), expected);
        }
        // A plain write of another client in another database stays in its own as well.
        group
            .primary
            .run::<()>(&["SET", &format!("plain{round}"), "v"]);
        assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
        assert!(get(&group.replicas[0], &format!("plain{round}")).is_some());
    }
}

#[test]
fn two_required_replicas_both_have_the_write() {
    let group = replicated(2);
    let mut conn = group.primary.raw();
    for number in 0..100 {
        let value = number.to_string();
        let reply = say(&mut conn, &format!("DURABLE.SET k {value} REPLICAS 2"));
        assert_eq!(reply, "+OK\r\n");
        for replica in &group.replicas {
            assert_eq!(get(replica, "k").as_deref(), Some(value.as_str()));
        }
    }
}

#[test]
fn an_acknowledgement_of_less_than_the_write_is_none() {
    let group = replicated(0);
    let primary = &group.primary;
    let mut fake = silent_replica(primary);
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.CALL SETRANGE k 0 some-value");
    wait_for_waiters(primary, 1);
    let write = "SETRANGE";
    eventually("the write to reach the replica", || {
        fake.commands().iter().any(|command| command[0] == write)
    });
    // One byte less than the end of the write. The request follows after the write.
    let request = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n".len() as u64;
    eventually("the request after the write", || {
        fake.commands()
            .last()
            .is_some_and(|command| command[0] == "REPLCONF")
    });
    let end = fake.offset() - request;
    fake.ack(end - 1);
    eventually("the short acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == end - 1
    });
    assert_eq!(info(primary, "waiters"), 1);
    assert!(!conn.is_readable_now());
    fake.ack(end);
    assert_eq!(conn.read_reply_bytes(), b":10\r\n");
}
