//! DURABLE.CALL: where its options end, errors of options and of the inner command, and its use in
//! transactions and scripts.

use crate::support::{builder, family, get, info, replicated, say, send, wait_for_waiters};

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
    for sample in family(&group.primary) {
        sample.prepare(&mut conn);
        let plain = say(&mut conn, &sample.plain());
        let after = say(&mut conn, "DEBUG DIGEST");
        sample.prepare(&mut conn);
        let line = format!("DURABLE.CALL {}", sample.plain());
        assert_eq!(say(&mut conn, &line), plain, "{line}");
        assert_eq!(say(&mut conn, "DEBUG DIGEST"), after, "{line}");
    }
}
