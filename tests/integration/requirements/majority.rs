//! MAJORITY and ALL: the numbers that they resolve to, and the moment when these are fixed.

use crate::support::{builder, connections, get, info, replicated, say, send, wait_for_waiters};

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
