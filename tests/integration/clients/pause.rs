//! CLIENT PAUSE: the server aborts when a module writes to the replicas during a pause. So the
//! module sends no request for acknowledgements until the pause ends. Writes of the turn in which
//! the pause began wait for that request, unless the replica's own report comes first.

use testkit::{eventually, FakeReplica, RawConn, Server};

use crate::support::{connections, info, packet, patient, replicated, say, send, silent_replica};

/// Two clients whose commands run in one turn, the write before the pause.
///
/// The server serves sockets in the order in which they became readable, but the socket that it
/// served last may still be first. So the writer is the client that connected last.
fn write_and_pause_in_one_turn(primary: &Server, write: &str, pause: &str) -> (RawConn, RawConn) {
    let mut clients = connections(primary, 2);
    let (mut pauser, mut writer) = (clients.remove(0), clients.remove(0));
    primary.pause();
    send(&mut writer, write);
    send(&mut pauser, pause);
    primary.resume();
    assert_eq!(pauser.read_reply_bytes(), b"+OK\r\n");
    (writer, pauser)
}

#[test]
fn a_write_in_the_turn_of_a_pause_for_all_is_acknowledged() {
    let group = replicated(1);
    let (mut writer, mut pauser) =
        write_and_pause_in_one_turn(&group.primary, "DURABLE.SET k v", "CLIENT PAUSE 300 ALL");
    assert_eq!(writer.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(say(&mut pauser, "GET k"), "$1\r\nv\r\n");
    assert_eq!(say(&mut writer, "DURABLE.SET k w"), "+OK\r\n");
}

#[test]
fn a_write_in_the_turn_of_a_pause_for_writes_is_acknowledged_when_the_pause_ends() {
    // A replica that acknowledges only when the test says so.
    let primary = patient(Server::builder().name("primary")).start();
    let mut fake = silent_replica(&primary);
    let before = info(&primary, "ack_requests_total");

    let (mut writer, mut pauser) =
        write_and_pause_in_one_turn(&primary, "DURABLE.SET k v", "CLIENT PAUSE 86400000 WRITE");
    fake.wait_for_offset(primary.offset());
    // Turns pass, and no request is sent in any of them.
    for _ in 0..10 {
        assert_eq!(say(&mut pauser, "PING"), "+PONG\r\n");
    }
    assert_eq!(info(&primary, "waiters"), 1);
    assert_eq!(info(&primary, "ack_requests_total"), before);
    assert!(!writer.is_readable_now());

    assert_eq!(say(&mut pauser, "CLIENT UNPAUSE"), "+OK\r\n");
    let requested = |fake: &FakeReplica| {
        let commands = fake.commands();
        let write = commands
            .iter()
            .position(|command| command == &["SET", "k", "v"]);
        write.is_some_and(|write| {
            commands[write..]
                .iter()
                .any(|command| command[0] == "REPLCONF")
        })
    };
    eventually("the request after the pause", || requested(&fake));
    fake.ack_what_was_read();
    assert_eq!(writer.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_replicas_own_report_acknowledges_a_write_even_during_the_pause() {
    let group = replicated(1);
    let (mut writer, mut pauser) = write_and_pause_in_one_turn(
        &group.primary,
        "DURABLE.SET k v",
        "CLIENT PAUSE 86400000 WRITE",
    );
    assert_eq!(writer.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(say(&mut pauser, "CLIENT UNPAUSE"), "+OK\r\n");
}

#[test]
fn a_write_that_arrives_during_the_pause_is_executed_when_it_ends() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut writer, mut operator) = (primary.raw(), primary.raw());
    assert_eq!(say(&mut operator, "CLIENT PAUSE 86400000 WRITE"), "+OK\r\n");
    send(&mut writer, "DURABLE.SET k v");
    eventually("the server to hold back the write", || {
        primary.info_number("clients", "blocked_clients") == 1
    });
    assert_eq!(say(&mut operator, "EXISTS k"), ":0\r\n");
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(say(&mut operator, "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(writer.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_deadline_that_passes_during_a_pause_is_kept() {
    let group = replicated(1);
    let primary = &group.primary;
    group.replicas[0].pause();
    let write = "DURABLE.SET k v TIMEOUT 50";
    let (mut writer, mut pauser) =
        write_and_pause_in_one_turn(primary, write, "CLIENT PAUSE 86400000 WRITE");
    let reply = writer.read_reply_bytes();
    assert!(
        reply.starts_with(b"-UNACKED 0 of 1 "),
        "{}",
        reply.escape_ascii()
    );
    assert_eq!(say(&mut pauser, "CLIENT UNPAUSE"), "+OK\r\n");
    group.replicas[0].resume();
    assert_eq!(say(&mut writer, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn pauses_that_come_and_go_under_load_lose_no_reply() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 20);
    let mut operator = primary.raw();
    let sets = packet(&["DURABLE.SET k v"; 10]);
    for client in &mut clients {
        client.send_bytes(&sets);
    }
    for _ in 0..40 {
        for line in [
            "CLIENT PAUSE 86400000 WRITE",
            "CLIENT UNPAUSE",
            "CLIENT PAUSE 1 ALL",
        ] {
            assert_eq!(say(&mut operator, line), "+OK\r\n");
        }
    }
    for client in &mut clients {
        for _ in 0..10 {
            assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
        }
    }
    assert_eq!(info(primary, "acked_total"), 200);
}
