//! The option FSYNC: how many of the replicas must also have fsynced the write. Without reports of
//! fsyncs (see testkit's `differences`) the module refuses every number above 0.

use testkit::Replicated;

use crate::support::{
    builder, fsync_is_refused, fsynced_offsets, info, replicated, say, send, wait_for_waiters,
};

/// A primary whose replicas keep an append-only file with this `appendfsync` policy.
fn with_files(replicas: usize, policy: &'static str) -> Replicated {
    builder(replicas)
        .replica(move |_, builder| {
            builder
                .config("appendonly", "yes")
                .config("appendfsync", policy)
        })
        .start()
}

#[test]
fn replicas_that_fsync_always_answer_it() {
    let group = with_files(2, "always");
    if fsync_is_refused(&group.primary) {
        return;
    }
    let mut conn = group.primary.raw();
    for number in 0..20 {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k {number} FSYNC 1")),
            "+OK\r\n"
        );
        let line = format!("DURABLE.SET k {number} REPLICAS 2 FSYNC 2");
        assert_eq!(say(&mut conn, &line), "+OK\r\n");
    }
    assert_eq!(
        say(&mut conn, "DURABLE.CALL REPLICAS 2 FSYNC 2 GET k"),
        "$2\r\n19\r\n"
    );
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 2 FSYNC 1"), ":2\r\n");
    // What is on disk survives a crash of the replica.
    group.replicas[0].kill();
    group.replicas[0].restart();
    assert_eq!(say(&mut group.replicas[0].raw(), "GET k"), "$2\r\n19\r\n");
}

#[test]
fn the_servers_own_count_of_fsyncs_agrees() {
    let group = with_files(1, "always");
    if fsync_is_refused(&group.primary) {
        return;
    }
    // WAITAOF waits for the end of the stream at the time of the last reply to its client. A client
    // that waited got its reply when the stream had grown past its write. So another client writes
    // plainly first, and calls WAITAOF.
    let (mut plain, mut conn) = (group.primary.raw(), group.primary.raw());
    for number in 0..50 {
        assert_eq!(say(&mut plain, &format!("SET k {number}")), "+OK\r\n");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k {number} FSYNC 1")),
            "+OK\r\n"
        );
        // The fsync is known already, so WAITAOF answers at once.
        let known = say(&mut plain, "WAITAOF 0 1 1");
        assert!(known.ends_with(":1\r\n"), "{known}");
    }
}

#[test]
fn replicas_that_fsync_every_second_answer_it_in_time() {
    let group = with_files(1, "everysec");
    if fsync_is_refused(&group.primary) {
        return;
    }
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v FSYNC 1"), "+OK\r\n");
    assert!(fsynced_offsets(&group.primary)[0] > 0);
}

#[test]
fn a_replica_without_a_file_never_answers_it() {
    let group = replicated(1);
    let primary = &group.primary;
    if fsync_is_refused(primary) {
        return;
    }
    let (mut conn, mut operator) = (primary.raw(), primary.raw());
    let id = conn.client_id();
    send(&mut conn, "DURABLE.SET k v FSYNC 1");
    wait_for_waiters(primary, 1);
    // The write is acknowledged: a fence without FSYNC is answered at once.
    assert_eq!(
        say(&mut operator, "DURABLE.WAIT REPLICAS 1 FSYNC 0"),
        ":1\r\n"
    );
    assert!(!conn.is_readable_now());
    assert_eq!(fsynced_offsets(primary), [-1]);
    assert_eq!(
        say(&mut operator, &format!("CLIENT UNBLOCK {id}")),
        ":1\r\n"
    );
    let reply = String::from_utf8(conn.read_reply_bytes()).expect("a reply that is not UTF-8");
    assert!(
        reply.starts_with("-UNACKED 1 of 1 replicas acknowledged and 0 of 1 fsynced within ")
            && reply.ends_with(" ms; applied on the primary, may still reach the replicas\r\n"),
        "{reply}"
    );
}

#[test]
fn the_error_names_both_counts_and_the_time() {
    let group = replicated(1);
    if fsync_is_refused(&group.primary) {
        return;
    }
    group.replicas[0].pause();
    assert_eq!(
        say(
            &mut group.primary.raw(),
            "DURABLE.SET k v FSYNC 1 TIMEOUT 20"
        ),
        "-UNACKED 0 of 1 replicas acknowledged and 0 of 1 fsynced within 20 ms; \
         applied on the primary, may still reach the replicas\r\n"
    );
    group.replicas[0].resume();
}

#[test]
fn the_setting_counts_where_the_command_names_none() {
    let group = replicated(1);
    let primary = &group.primary;
    if fsync_is_refused(primary) {
        return;
    }
    let mut conn = primary.raw();
    say(&mut conn, "CONFIG SET durable.fsync 1");
    for line in [
        "DURABLE.SET k v TIMEOUT 20",
        "DURABLE.GET k TIMEOUT 20",
        "DURABLE.CALL TIMEOUT 20 GET k",
    ] {
        let reply = say(&mut conn, line);
        assert!(
            reply.contains(" and 0 of 1 fsynced within 20 ms;"),
            "{line}: {reply}"
        );
    }
    // REPLICAS 0 needs no fsync either, and a command may require less than the setting.
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 0"), "+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k v FSYNC 0"), "+OK\r\n");
    say(&mut conn, "CONFIG SET durable.fsync 2");
    assert_eq!(
        say(&mut conn, "DURABLE.SET k w"),
        "-ERR FSYNC 2 (durable.fsync) is more than REPLICAS 1; FSYNC takes 0 to the number of replicas required; \
         nothing was executed\r\n"
    );
    assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
}

#[test]
fn the_configured_requirement_tells_the_acknowledged_offset() {
    let group = with_files(1, "always");
    let primary = &group.primary;
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    let acknowledged = info(primary, "acknowledged_offset");
    assert!(acknowledged > 0);
    if fsync_is_refused(primary) {
        return;
    }
    say(&mut conn, "CONFIG SET durable.fsync 1");
    assert_eq!(say(&mut conn, "DURABLE.SET k w"), "+OK\r\n");
    assert!(info(primary, "acknowledged_offset") > acknowledged);
    say(&mut conn, "CONFIG SET durable.replicas 2");
    assert_eq!(
        info(primary, "acknowledged_offset"),
        0,
        "two replicas are required and one is connected"
    );
}
