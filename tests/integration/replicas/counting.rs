//! Which links count as replicas: online, with an acknowledged offset that is above 0 and within
//! the stream, and with a listening port. A replica that came back counts once, although its dead
//! link is still listed.

use testkit::{eventually, Cut, FakeReplica, Server};

use crate::support::{info, patient, refusal, say, send, verdicts, wait_for_waiters};

fn primary() -> Server {
    let primary = patient(Server::builder().name("primary")).start();
    primary.run::<()>(&["SET", "first", "v"]);
    primary
}

/// Waits until the primary shows this acknowledged offset for its last link.
fn wait_until_told(primary: &Server, offset: u64) {
    eventually(
        &format!("the acknowledgement of {offset} to arrive"),
        || {
            let links = primary.replica_links();
            links.last().is_some_and(|link| link.acked_offset == offset)
        },
    );
}

#[test]
fn a_replica_that_came_back_after_an_unnoticed_cut_counts_once() {
    let primary = primary();
    let cut = Cut::to(&primary);
    let replica = Server::builder()
        .name("replica")
        .config("replicaof", &format!("127.0.0.1 {}", cut.port()))
        .start();
    let mut conn = primary.raw();
    eventually("the replica to acknowledge a write", || {
        say(&mut conn, "DURABLE.SET k v") == "+OK\r\n"
    });
    cut.sever();
    eventually(
        "the replica to be listed twice and to acknowledge on both links",
        || {
            let links = primary.replica_links();
            links.len() == 2
                && links
                    .iter()
                    .all(|link| link.port == replica.port() && link.acked_offset > 0)
        },
    );
    // For admission the old link still counts for two seconds.
    eventually("two replicas to be refused", || {
        say(&mut conn, "DURABLE.WAIT REPLICAS 2 TIMEOUT 1") == refusal(1, 2, 1)
    });
    let counts: Vec<_> = verdicts(&primary).into_iter().collect();
    let dead = (0, "same address as a newer link".to_owned());
    assert_eq!(counts, [dead, (1, String::new())]);
    // The new link acknowledges. The old one is dead, and no wait depends on it.
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), "+OK\r\n");
    assert_eq!(say(&mut replica.raw(), "GET k"), "$1\r\nw\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
}

#[test]
fn a_link_that_never_acknowledged_anything_does_not_count() {
    let primary = primary();
    let mut conn = primary.raw();
    // In use, the module asks a replica as soon as it comes, and counts none in advance.
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 0));
    let mut fake = FakeReplica::start(&primary);
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 1));
    primary.run::<()>(&["SET", "k", "v"]);
    fake.wait_for_offset(primary.offset());
    wait_until_told(&primary, 0);
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), refusal(0, 1, 1));
    let acked = fake.ack_what_was_read();
    wait_until_told(&primary, acked);
    send(&mut conn, "DURABLE.SET k w");
    wait_for_waiters(&primary, 1);
}

#[test]
fn a_newcomer_is_asked_without_anybody_waiting() {
    // A new replica counts after its first acknowledgement. On an idle primary no wait causes a
    // request for one.
    let primary = primary();
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 0));
    let mut fake = FakeReplica::start(&primary);
    let requested = |fake: &FakeReplica| {
        let commands = fake.commands();
        commands.iter().any(|command| command[0] == "REPLCONF")
    };
    eventually("a request to the new replica", || requested(&fake));
    eventually("the new replica to count after its acknowledgement", || {
        fake.ack_what_was_read();
        !say(&mut conn, "DURABLE.WAIT TIMEOUT 1").starts_with("-NOREPLICAS ")
    });
}

#[test]
fn a_link_that_claims_more_than_there_is_does_not_count() {
    let primary = primary();
    let mut liar = FakeReplica::start(&primary);
    let impossible = primary.offset() + 1_000_000;
    liar.ack(impossible);
    wait_until_told(&primary, impossible);
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 1));
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
}

#[test]
fn a_wait_is_not_ended_by_a_link_that_begins_to_lie() {
    let primary = primary();
    let mut liar = FakeReplica::start(&primary);
    primary.run::<()>(&["SET", "k", "v"]);
    liar.wait_for_offset(primary.offset());
    let honest = liar.ack_what_was_read();
    wait_until_told(&primary, honest);
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k w");
    wait_for_waiters(&primary, 1);
    let impossible = primary.offset() + 1_000_000;
    liar.ack(impossible);
    wait_until_told(&primary, impossible);
    assert_eq!(info(&primary, "waiters"), 1);
    assert!(
        !conn.is_readable_now(),
        "an offset beyond the stream was believed"
    );
}

#[test]
fn a_link_without_a_listening_port_does_not_count() {
    let primary = primary();
    let mut reader = FakeReplica::builder()
        .without_listening_port()
        .start(&primary);
    primary.run::<()>(&["SET", "k", "v"]);
    reader.wait_for_offset(primary.offset());
    let acked = reader.ack_what_was_read();
    wait_until_told(&primary, acked);
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), refusal(0, 1, 1));
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
}

#[test]
fn a_client_that_reports_offsets_without_being_a_replica_acknowledges_nothing() {
    let primary = primary();
    let mut fake = FakeReplica::start(&primary);
    primary.run::<()>(&["SET", "k", "v"]);
    fake.wait_for_offset(primary.offset());
    let acked = fake.ack_what_was_read();
    wait_until_told(&primary, acked);
    let (mut conn, mut stranger) = (primary.raw(), primary.raw());
    send(&mut conn, "DURABLE.SET k w");
    wait_for_waiters(&primary, 1);
    // The server does not answer REPLCONF ACK.
    send(&mut stranger, &format!("REPLCONF ACK {}", primary.offset()));
    assert_eq!(say(&mut stranger, "PING"), "+PONG\r\n");
    assert_eq!(info(&primary, "waiters"), 1);
    assert!(!conn.is_readable_now());
    fake.wait_for_offset(primary.offset());
    fake.ack_what_was_read();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_replica_that_is_still_loading_its_full_sync_does_not_count() {
    let primary = primary();
    let mut conn = primary.raw();
    say(&mut conn, "DEBUG POPULATE 2000 key 200");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 0));
    let replica = Server::builder()
        .name("replica")
        // Loads from a file, slowly, and processes events while it loads.
        .config("repl-diskless-load", "disabled")
        .config("loading-process-events-interval-bytes", "1024")
        .start();
    // 20 ms per key: the load takes longer than this test.
    replica.run::<()>(&["CONFIG", "SET", "key-load-delay", "20000"]);
    replica.replica_of(&primary);
    eventually("the replica to be online and loading", || {
        let listed = primary.replica_links();
        listed.len() == 1
            && listed[0].acked_offset == 0
            && replica.info_number("persistence", "loading") == 1
    });
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refusal(0, 1, 1));
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), refusal(0, 1, 1));
    assert_eq!(
        replica.info_number("persistence", "loading"),
        1,
        "the replica has loaded before the end of the check"
    );
    replica.run::<()>(&["CONFIG", "SET", "key-load-delay", "0"]);
    eventually("the replica to count once it has loaded", || {
        say(&mut conn, "DURABLE.SET k v") == "+OK\r\n"
    });
    assert_eq!(say(&mut replica.raw(), "GET k"), "$1\r\nv\r\n");
}
