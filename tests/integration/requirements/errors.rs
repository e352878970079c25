//! The errors for a requirement that is not met, for the whole family and DURABLE.CALL: NOREPLICAS,
//! OVERLOADED, UNACKED, and the error inside MULTI.

use crate::support::{builder, family, info, replicated, say, send, wait_for_waiters};

#[test]
fn without_replicas_nothing_of_the_family_is_executed() {
    let group = replicated(0);
    let family = family(&group.primary);
    let mut conn = group.primary.raw();
    let refused = "-NOREPLICAS 0 of 1 required replicas are connected; nothing was executed\r\n";
    for sample in &family {
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
        2 * family.len() as i64
    );
}

#[test]
fn inside_a_transaction_nothing_of_the_family_that_would_wait_is_executed() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for sample in family(&group.primary) {
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
    let family = family(primary);
    let (mut waiting, mut conn) = (primary.raw(), primary.raw());
    group.replicas[0].pause();
    send(&mut waiting, "DURABLE.CALL SETEX k 5000 v");
    wait_for_waiters(primary, 1);
    let before = say(&mut conn, "DEBUG DIGEST");
    let refused = "-OVERLOADED 1 clients are already waiting; nothing was executed\r\n";
    for sample in &family {
        assert_eq!(say(&mut conn, &sample.durable()), refused);
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {}", sample.plain())),
            refused
        );
    }
    assert_eq!(say(&mut conn, "DEBUG DIGEST"), before);
    assert_eq!(info(primary, "overloaded_total"), 2 * family.len() as i64);
    group.replicas[0].resume();
    assert_eq!(waiting.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn each_of_the_family_is_told_when_nobody_acknowledged_in_time() {
    let group = replicated(1);
    let primary = &group.primary;
    let family = family(primary);
    let mut conn = primary.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 15");
    let unacked = "-UNACKED 0 of 1 replicas acknowledged within 15 ms; \
                   applied on the primary, may still reach the replicas\r\n";
    group.replicas[0].pause();
    for sample in &family {
        sample.prepare(&mut conn);
        say(&mut conn, &sample.plain());
        let applied = say(&mut conn, "DEBUG DIGEST");
        for line in [sample.durable(), format!("DURABLE.CALL {}", sample.plain())] {
            sample.prepare(&mut conn);
            assert_eq!(say(&mut conn, &line), unacked, "{line}");
            assert_eq!(say(&mut conn, "DEBUG DIGEST"), applied, "{line}");
        }
    }
    assert_eq!(info(primary, "unacked_total"), 2 * family.len() as i64);
    group.replicas[0].resume();
}
