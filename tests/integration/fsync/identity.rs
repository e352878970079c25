//! Whose fsync reports count: those of the link that the server lists as the replica, and no
//! others.

use testkit::{eventually, eventually_some, FakeReplica, RawConn, Server};

use crate::support::{
    fsync_is_refused, fsynced_offsets, info, patient, say, send, silent_replica, wait_for_waiters,
};

/// A primary with one fake replica that has acknowledged, and a client that waits for its fsync.
struct Waiting {
    primary: Server,
    fake: FakeReplica,
    conn: RawConn,
    target: u64,
}

fn waiting_for_fsync() -> Option<Waiting> {
    let primary = patient(Server::builder().name("primary")).start();
    if fsync_is_refused(&primary) {
        return None;
    }
    let mut fake = silent_replica(&primary);
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v FSYNC 1");
    wait_for_waiters(&primary, 1);
    let target = primary.offset();
    fake.wait_for_offset(target);
    fake.ack(target);
    eventually("the write to be acknowledged", || {
        primary.replica_links()[0].acked_offset >= target
    });
    assert_eq!(info(&primary, "waiters"), 1);
    assert!(
        !conn.is_readable_now(),
        "answered after the acknowledgement, without the fsync"
    );
    Some(Waiting {
        primary,
        fake,
        conn,
        target,
    })
}

#[test]
fn only_an_offset_that_covers_the_write_is_an_answer() {
    let Some(mut waiting) = waiting_for_fsync() else {
        return;
    };
    let end = waiting.primary.offset();
    // Offset 1 is before the write, so the write is not on disk.
    waiting.fake.ack_fsynced(end, 1);
    eventually("DURABLE.REPLICAS to show the report", || {
        fsynced_offsets(&waiting.primary) == [1]
    });
    assert_eq!(info(&waiting.primary, "waiters"), 1);
    assert!(!waiting.conn.is_readable_now());
    waiting.fake.ack_fsynced(end, waiting.target);
    assert_eq!(waiting.conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_clients_word_for_a_replicas_disk_is_not_taken() {
    let Some(mut waiting) = waiting_for_fsync() else {
        return;
    };
    let mut liar = waiting.primary.raw();
    let port = waiting.fake.listening_port();
    assert_eq!(
        say(&mut liar, &format!("REPLCONF listening-port {port}")),
        "+OK\r\n"
    );
    assert_eq!(say(&mut liar, "REPLCONF ip-address 127.0.0.1"), "+OK\r\n");
    let end = waiting.primary.offset();
    // The server does not answer REPLCONF ACK.
    send(&mut liar, &format!("REPLCONF ACK {end} FACK {end}"));
    assert_eq!(say(&mut liar, "PING"), "+PONG\r\n");
    assert_eq!(info(&waiting.primary, "waiters"), 1);
    assert!(!waiting.conn.is_readable_now(), "a client was believed");
    assert_eq!(fsynced_offsets(&waiting.primary), [-1]);
    // The replica's own report still counts.
    waiting.fake.ack_fsynced(end, end);
    assert_eq!(waiting.conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn of_two_links_that_show_one_port_the_disk_of_each_counts_once_it_has_proved_itself() {
    let Some(mut waiting) = waiting_for_fsync() else {
        return;
    };
    let primary = &waiting.primary;
    let mut same = FakeReplica::builder()
        .listening_port(waiting.fake.listening_port())
        .start(primary);
    // An offset from before the second link came proves neither link.
    let before = waiting.target;
    same.ack_fsynced(before, before);
    waiting.fake.ack_fsynced(before, before);
    eventually("DURABLE.REPLICAS to show the reports", || {
        fsynced_offsets(primary) == [before as i64; 2]
    });
    assert_eq!(info(primary, "waiters"), 1);
    assert!(
        !waiting.conn.is_readable_now(),
        "a report of a link without a proof was believed"
    );
    primary.run::<()>(&["SET", "later", "v"]);
    let end = primary.offset();
    waiting.fake.wait_for_offset(end);
    waiting.fake.ack_fsynced(end, 1);
    same.wait_for_offset(end);
    same.ack(end);
    eventually("the acknowledgements to arrive", || {
        primary
            .replica_links()
            .iter()
            .all(|link| link.acked_offset == end)
    });
    assert_eq!(info(primary, "waiters"), 1);
    assert!(
        !waiting.conn.is_readable_now(),
        "answered although no replica has fsynced the write"
    );
    same.ack_fsynced(end, end);
    assert_eq!(waiting.conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn nobody_has_fsynced_more_than_was_acknowledged() {
    let Some(mut waiting) = waiting_for_fsync() else {
        return;
    };
    let mut second = waiting.primary.raw();
    // A report of an fsync far beyond the stream, with a true acknowledgement.
    waiting.fake.send(&[
        "REPLCONF",
        "ACK",
        &waiting.target.to_string(),
        "FACK",
        "999999999",
    ]);
    assert_eq!(waiting.conn.read_reply_bytes(), b"+OK\r\n");
    send(&mut second, "DURABLE.SET k w FSYNC 1");
    wait_for_waiters(&waiting.primary, 1);
    assert!(
        !second.is_readable_now(),
        "an fsync beyond the stream was believed for a later write"
    );
    let end = waiting.primary.offset();
    waiting.fake.wait_for_offset(end);
    waiting.fake.ack_fsynced(end, end);
    assert_eq!(second.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn of_a_replica_that_came_before_the_module_nothing_is_known_until_it_comes_again() {
    let group = testkit::Replicated::builder()
        .replicas(1)
        .primary(|builder| builder.module(false))
        .replica(|_, builder| {
            builder
                .config("appendonly", "yes")
                .config("appendfsync", "always")
        })
        .start();
    let primary = &group.primary;
    let path = testkit::module_path().display().to_string();
    primary.run::<()>(&["MODULE", "LOAD", &path, "timeout-ms", "0"]);
    if fsync_is_refused(primary) {
        return;
    }
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    assert_eq!(fsynced_offsets(primary), [-1]);
    let reply = say(&mut conn, "DURABLE.SET k v FSYNC 1 TIMEOUT 20");
    assert!(reply.contains(" 0 of 1 fsynced "), "{reply}");
    primary.run::<()>(&["CLIENT", "KILL", "TYPE", "replica"]);
    let reply = eventually_some("the replica to connect again", || {
        let reply = say(&mut conn, "DURABLE.SET k v FSYNC 1");
        (!reply.starts_with("-NOREPLICAS ")).then_some(reply)
    });
    assert_eq!(reply, "+OK\r\n");
}
