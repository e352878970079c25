//! The numbers that a requirement resolves to, the moment when they are fixed, and the errors for a
//! requirement that is not met, for the whole family and DURABLE.CALL.

use crate::samples::FAMILY;
use crate::support::{
    builder, connections, get, info, replicated, say, send, silent_replica, wait_for_waiters,
};

#[test]
fn a_majority_counts_the_primary_and_all_does_not() {
    let group = replicated(0);
    let mut conn = group.primary.raw();
    // The expected replicas, and how many of them make a majority together with the primary.
    for (expected, majority) in [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 3),
        (6, 3),
        (999, 500),
        (1000, 500),
    ] {
        say(
            &mut conn,
            &format!("CONFIG SET durable.expected-replicas {expected}"),
        );
        for (word, required) in [("MAJORITY", majority), ("ALL", expected)] {
            let missing = format!(
                "-NOREPLICAS 0 of {required} required replicas are connected; nothing was executed\r\n"
            );
            for line in [
                format!("DURABLE.SET k v REPLICAS {word}"),
                format!("DURABLE.GET k REPLICAS {word}"),
                format!("DURABLE.CALL REPLICAS {word} SET k v"),
                format!("DURABLE.WAIT REPLICAS {word}"),
            ] {
                assert_eq!(say(&mut conn, &line), missing, "{line}");
            }
            say(&mut conn, &format!("CONFIG SET durable.replicas {word}"));
            assert_eq!(
                say(&mut conn, "DURABLE.DEL k"),
                missing,
                "{word} as a setting"
            );
        }
    }
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
}

#[test]
fn a_majority_answers_while_the_minority_stands_still() {
    let group = builder(3)
        .primary(|builder| {
            builder.module_args(&[
                "timeout-ms",
                "0",
                "expected-replicas",
                "3",
                "replicas",
                "majority",
            ])
        })
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    group.replicas[2].pause();
    for line in [
        "DURABLE.SET k v",
        "DURABLE.GET k",
        "DURABLE.CALL APPEND k w",
    ] {
        assert!(!say(&mut conn, line).starts_with('-'), "{line}");
    }
    send(&mut conn, "DURABLE.SET k v REPLICAS ALL");
    wait_for_waiters(primary, 1);
    assert_eq!(say(&mut primary.raw(), "DURABLE.WAIT"), ":2\r\n");
    assert!(!conn.is_readable_now());
    group.replicas[2].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    for replica in &group.replicas {
        assert_eq!(get(replica, "k").as_deref(), Some("v"));
    }
}

#[test]
fn a_change_of_the_expected_replicas_touches_nobody_who_waits() {
    let group = builder(2)
        .primary(|builder| {
            builder.module_args(&[
                "timeout-ms",
                "0",
                "expected-replicas",
                "2",
                "replicas",
                "all",
            ])
        })
        .start();
    let primary = &group.primary;
    let mut clients = connections(primary, 3);
    group.replicas[1].pause();
    for (client, line) in
        clients
            .iter_mut()
            .zip(["DURABLE.INCR n", "DURABLE.CALL INCR n", "DURABLE.WAIT"])
    {
        send(client, line);
    }
    wait_for_waiters(primary, 3);
    let mut operator = primary.raw();
    say(&mut operator, "CONFIG SET durable.expected-replicas 1");
    assert_eq!(say(&mut operator, "DURABLE.INCR n"), ":3\r\n");
    assert_eq!(info(primary, "waiters"), 3);
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    say(&mut operator, "CONFIG SET durable.expected-replicas 1000");
    say(&mut operator, "CONFIG SET durable.timeout-ms 1");
    group.replicas[1].resume();
    for (client, reply) in clients.iter_mut().zip([":1\r\n", ":2\r\n", ":2\r\n"]) {
        assert_eq!(String::from_utf8_lossy(&client.read_reply_bytes()), reply);
    }
}

#[test]
fn without_replicas_nothing_of_the_family_is_executed() {
    let group = replicated(0);
    let mut conn = group.primary.raw();
    let refused = "-NOREPLICAS 0 of 1 required replicas are connected; nothing was executed\r\n";
    for sample in FAMILY {
        sample.prepare(&mut conn);
        let before = (say(&mut conn, "DEBUG DIGEST"), group.primary.offset());
        assert_eq!(say(&mut conn, &sample.durable()), refused);
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {}", sample.plain())),
            refused
        );
        assert_eq!(
            (say(&mut conn, "DEBUG DIGEST"), group.primary.offset()),
            before
        );
        // Without a requirement they are executed.
        if sample.takes_options {
            let reply = say(&mut conn, &format!("{} REPLICAS 0", sample.durable()));
            assert!(!reply.starts_with('-'), "{}: {reply}", sample.name);
        }
    }
    assert_eq!(
        info(&group.primary, "noreplicas_total"),
        2 * FAMILY.len() as i64
    );
}

#[test]
fn inside_a_transaction_nothing_of_the_family_that_would_wait_is_executed() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for sample in FAMILY {
        sample.prepare(&mut conn);
        let before = say(&mut conn, "DEBUG DIGEST");
        say(&mut conn, "MULTI");
        assert_eq!(say(&mut conn, &sample.durable()), "+QUEUED\r\n");
        let expected = format!(
            "*1\r\n-ERR DURABLE.{} cannot wait inside MULTI or a script; nothing was executed, \
             use DURABLE.WAIT after it\r\n",
            sample.name
        );
        assert_eq!(say(&mut conn, "EXEC"), expected);
        assert_eq!(say(&mut conn, "DEBUG DIGEST"), before, "{}", sample.name);
    }
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
}

#[test]
fn when_too_many_wait_nothing_of_the_family_is_executed() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters", "1"]))
        .start();
    let primary = &group.primary;
    let (mut waiting, mut conn) = (primary.raw(), primary.raw());
    group.replicas[0].pause();
    send(&mut waiting, "DURABLE.CALL SETEX k 5000 v");
    wait_for_waiters(primary, 1);
    let before = say(&mut conn, "DEBUG DIGEST");
    let refused = "-OVERLOADED 1 clients are already waiting; nothing was executed\r\n";
    for sample in FAMILY {
        assert_eq!(say(&mut conn, &sample.durable()), refused);
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {}", sample.plain())),
            refused
        );
    }
    assert_eq!(say(&mut conn, "DEBUG DIGEST"), before);
    assert_eq!(info(primary, "overloaded_total"), 2 * FAMILY.len() as i64);
    group.replicas[0].resume();
    assert_eq!(waiting.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn each_of_the_family_is_told_when_nobody_acknowledged_in_time() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 15");
    let unacked = "-UNACKED 0 of 1 replicas acknowledged within 15 ms; \
                   applied on the primary, may still reach the replicas\r\n";
    group.replicas[0].pause();
    for sample in FAMILY {
        sample.prepare(&mut conn);
        say(&mut conn, &sample.plain());
        let applied = say(&mut conn, "DEBUG DIGEST");
        for line in [sample.durable(), format!("DURABLE.CALL {}", sample.plain())] {
            sample.prepare(&mut conn);
            assert_eq!(say(&mut conn, &line), unacked, "{line}");
            assert_eq!(say(&mut conn, "DEBUG DIGEST"), applied, "{line}");
        }
    }
    assert_eq!(info(primary, "unacked_total"), 2 * FAMILY.len() as i64);
    group.replicas[0].resume();
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
    testkit::eventually("the write to reach the replica", || {
        fake.commands().iter().any(|command| command[0] == write)
    });
    // One byte less than the end of the write. The request follows after the write.
    let request = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n".len() as u64;
    testkit::eventually("the request after the write", || {
        fake.commands()
            .last()
            .is_some_and(|command| command[0] == "REPLCONF")
    });
    let end = fake.offset() - request;
    fake.ack(end - 1);
    testkit::eventually("the short acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == end - 1
    });
    assert_eq!(info(primary, "waiters"), 1);
    assert!(!conn.is_readable_now());
    fake.ack(end);
    assert_eq!(conn.read_reply_bytes(), b":10\r\n");
}
