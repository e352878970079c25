//! DURABLE.CALL: where its options end, where its keys are, and blocking commands in it.

use testkit::Server;

use crate::samples::FAMILY;
use crate::support::{builder, get, info, replicated, say, send, wait_for_waiters};

#[test]
fn it_answers_when_the_replicas_have_acknowledged() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    group.replicas[0].pause();
    send(
        &mut conn,
        "DURABLE.CALL REPLICAS 1 TIMEOUT 0 SETRANGE k 0 v",
    );
    wait_for_waiters(primary, 1);
    assert_eq!(get(primary, "k").as_deref(), Some("v"));
    assert!(!conn.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("v"));
}

#[test]
fn options_end_at_the_first_word_that_is_none() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "SET TIMEOUT v");
    for options in [
        "",
        "TIMEOUT 0",
        "fsync 0 Replicas 1 timeout 5000",
        "REPLICAS 0",
    ] {
        let line = format!("DURABLE.CALL {options} GET TIMEOUT");
        assert_eq!(say(&mut conn, &line), "$1\r\nv\r\n", "{line}");
    }
    // After the command's name they are its own arguments.
    assert_eq!(
        say(&mut conn, "DURABLE.CALL GET TIMEOUT TIMEOUT 0"),
        "-ERR wrong number of arguments for 'get' command\r\n"
    );
    assert_eq!(say(&mut conn, "DURABLE.CALL DEL TIMEOUT 0"), ":1\r\n");
}

#[test]
fn bad_options_are_refused_by_name() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for (line, text) in [
        (
            "TIMEOUT",
            "TIMEOUT needs a value: 0 to 86400000 milliseconds, 0 for ever",
        ),
        (
            "TIMEOUT SET k v",
            "TIMEOUT does not take 'SET', but 0 to 86400000 milliseconds, 0 for ever",
        ),
        (
            "REPLICAS most SET k v",
            "REPLICAS does not take 'most', but 0 to 1000, MAJORITY or ALL",
        ),
        (
            "FSYNC 1001 SET k v",
            "FSYNC does not take '1001', but 0 to 1000",
        ),
        (
            "TIMEOUT 1 TIMEOUT 1 SET k v",
            "TIMEOUT is given twice, it is taken once",
        ),
        (
            "REPLICAS MAJORITY SET k v",
            "REPLICAS MAJORITY needs durable.expected-replicas, which is 0 (not set)",
        ),
    ] {
        let expected = format!("-ERR {text}; nothing was executed\r\n");
        assert_eq!(say(&mut conn, &format!("DURABLE.CALL {line}")), expected);
    }
    assert_eq!(say(&mut conn, "DBSIZE"), ":0\r\n");
}

#[test]
fn without_a_command_there_are_too_few_words() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let wrong = "-ERR wrong number of arguments for 'durable.call' command\r\n";
    for line in [
        "durable.call",
        "durable.call TIMEOUT 0",
        "durable.call REPLICAS 1 FSYNC 0",
    ] {
        assert_eq!(say(&mut conn, line), wrong, "{line}");
    }
}

#[test]
fn the_inner_commands_own_complaints_are_handed_through() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "RPUSH list a");
    // No replica can acknowledge, so any reply shows that errors do not wait.
    group.replicas[0].pause();
    for line in [
        "GET",
        "GET list",
        "SET k",
        "HSET k f",
        "XADD k 0-0 f v",
        "EXPIRE k soon",
        "OBJECT ENCODING",
        "OBJECT NOSUCH k",
        "NOSUCHCOMMAND with some words",
        "ZADD z nan m",
    ] {
        let plain = say(&mut conn, line);
        assert!(plain.starts_with('-'), "{line}: {plain}");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {line}")),
            plain,
            "{line}"
        );
    }
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
    group.replicas[0].resume();
}

/// Commands with their keys in many different places.
const KEYED: &[&str] = &[
    "GET a",
    "MSET a 1 b 2",
    "DEL a b c",
    "OBJECT ENCODING a",
    "XINFO STREAM a",
    "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
    "ZUNION 2 a b",
    "LMPOP 2 a b LEFT",
    "BLMPOP 0 2 a b LEFT",
    "SORT a BY w_* GET # STORE d",
    "XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "BITOP AND d a b",
    "GEORADIUS a 1 1 1 km STORE d",
    "SINTERCARD 2 a b LIMIT 1",
    "SMOVE a b m",
    "COPY a b",
    "SET TIMEOUT REPLICAS",
    "MEMORY USAGE a",
    "PFMERGE d a b",
    "SUNIONSTORE d a b",
];

#[test]
fn its_keys_are_those_of_the_inner_command_wherever_they_stand() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let family: Vec<String> = FAMILY.iter().map(|sample| sample.plain()).collect();
    let lines = family
        .iter()
        .map(String::as_str)
        .chain(KEYED.iter().copied());
    for line in lines {
        for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let plain = say(&mut conn, &format!("COMMAND {question} {line}"));
            assert!(plain.starts_with('*'), "{line}: {plain}");
            for options in ["", "TIMEOUT 0", "REPLICAS MAJORITY FSYNC 1 TIMEOUT 5"] {
                let durable = format!("COMMAND {question} DURABLE.CALL {options} {line}");
                assert_eq!(say(&mut conn, &durable), plain, "{durable}");
            }
        }
    }
}

#[test]
fn a_line_without_keys_has_none() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for line in [
        "DBSIZE",
        "TIMEOUT",
        "TIMEOUT x",
        "REPLICAS 1",
        "NOSUCHCOMMAND k",
        "DURABLE.SET k v",
        "DURABLE.CALL DURABLE.CALL GET k",
        "GET",
        "XREAD STREAMS",
        "ZUNIONSTORE d 99999999 a",
        "ZUNIONSTORE d -1 a",
        "LMPOP x a",
    ] {
        let reply = say(&mut conn, &format!("COMMAND GETKEYS DURABLE.CALL {line}"));
        assert!(
            reply.starts_with("-ERR ") || reply == "*0\r\n",
            "{line}: {reply}"
        );
    }
    // DURABLE.CALL nested very deeply: the search for keys does not recurse.
    let mut words = vec!["COMMAND", "GETKEYS"];
    words.resize(100_000, "DURABLE.CALL");
    let reply = conn.call_text(&words);
    assert!(reply.starts_with("-ERR ") || reply == "*0\r\n", "{reply}");
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
}

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
    testkit::eventually("both clients to wait for a push", || {
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

#[test]
fn in_a_transaction_and_in_a_script_it_runs_what_requires_nothing() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let refused = "-ERR DURABLE.CALL cannot wait inside MULTI or a script; nothing was executed, \
                   use DURABLE.WAIT after it\r\n";
    say(&mut conn, "MULTI");
    for line in [
        "DURABLE.CALL SET k v",
        "DURABLE.CALL REPLICAS 0 SET k w",
        "DURABLE.INCR n",
    ] {
        assert_eq!(say(&mut conn, line), "+QUEUED\r\n");
    }
    let family = refused.replace("DURABLE.CALL", "DURABLE.INCR");
    assert_eq!(
        say(&mut conn, "EXEC"),
        format!("*3\r\n{refused}+OK\r\n{family}")
    );
    let script = "return redis.call('DURABLE.CALL', 'REPLICAS', '0', 'APPEND', KEYS[1], 'x')";
    assert_eq!(conn.call_text(&["EVAL", script, "1", "k"]), ":2\r\n");
    assert_eq!(say(&mut conn, "EXISTS n"), ":0\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("wx"));
}

#[test]
fn each_command_of_the_family_goes_through_it_as_well() {
    let group = builder(1).start();
    let mut conn = group.primary.raw();
    for sample in FAMILY {
        sample.prepare(&mut conn);
        let plain = say(&mut conn, &sample.plain());
        let after = say(&mut conn, "DEBUG DIGEST");
        sample.prepare(&mut conn);
        let line = format!("DURABLE.CALL {}", sample.plain());
        assert_eq!(say(&mut conn, &line), plain, "{line}");
        assert_eq!(say(&mut conn, "DEBUG DIGEST"), after, "{line}");
    }
}
