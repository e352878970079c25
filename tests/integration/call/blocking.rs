//! Blocking commands and DURABLE.CALL: inside it they do not block, and its writes serve clients
//! that block.

use testkit::eventually;

use crate::support::{replicated, say, send};

#[test]
fn blocking_commands_do_not_block_and_answer_as_in_a_transaction() {
    let group = replicated(1);
    for protocol in [2, 3] {
        let mut conn = group.primary.raw();
        if protocol == 3 {
            conn.hello3();
        }
        say(&mut conn, "FLUSHALL");
        say(&mut conn, "XGROUP CREATE stream g $ MKSTREAM");
        let empty = [
            "BLPOP k 0",
            "BRPOP k k2 0",
            "BLMOVE k k2 LEFT RIGHT 0",
            "BRPOPLPUSH k k2 0",
            "BLMPOP 0 1 k LEFT",
            "BZPOPMIN k 0",
            "BZPOPMAX k 0",
            "BZMPOP 0 1 k MIN",
            "XREAD BLOCK 0 STREAMS stream $",
            "XREADGROUP GROUP g c BLOCK 0 STREAMS stream >",
        ];
        for line in empty {
            say(&mut conn, "MULTI");
            say(&mut conn, line);
            let executed = say(&mut conn, "EXEC");
            let plain = executed
                .strip_prefix("*1\r\n")
                .expect("EXEC has more than one reply");
            assert_eq!(
                say(&mut conn, &format!("DURABLE.CALL {line}")),
                plain,
                "{line}"
            );
        }
        // With data they answer at once.
        say(&mut conn, "RPUSH k a b");
        let popped = say(&mut conn, "DURABLE.CALL BLPOP k 0");
        assert_eq!(popped, "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
        assert_eq!(
            say(&mut conn, "DURABLE.CALL BLMOVE k k2 LEFT LEFT 0"),
            "$1\r\nb\r\n"
        );
    }
    assert_eq!(
        say(&mut group.replicas[0].raw(), "LRANGE k2 0 -1"),
        "*1\r\n$1\r\nb\r\n"
    );
}

#[test]
fn a_client_that_blocks_for_itself_is_served_by_a_durable_push() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut popper, mut pusher) = (primary.raw(), primary.raw());
    let mut second = primary.raw();
    send(&mut popper, "BLPOP k 0");
    send(&mut second, "BLPOP k2 0");
    eventually("both clients to wait for a push", || {
        primary.info_number("clients", "blocked_clients") == 2
    });
    assert_eq!(say(&mut pusher, "DURABLE.RPUSH k a"), ":1\r\n");
    assert_eq!(popper.read_reply_bytes(), b"*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_eq!(say(&mut pusher, "DURABLE.CALL RPUSH k2 b"), ":1\r\n");
    assert_eq!(second.read_reply_bytes(), b"*2\r\n$2\r\nk2\r\n$1\r\nb\r\n");
    assert_eq!(say(&mut pusher, "DURABLE.WAIT"), ":1\r\n");
    // The pops have reached the replica.
    assert_eq!(say(&mut group.replicas[0].raw(), "EXISTS k k2"), ":0\r\n");
}
