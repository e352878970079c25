//! Requirement options in the family: SET and commands of fixed arity take them at their end, other
//! variadic commands do not.

use crate::support::{family, info, replicated, say};

const OPTIONS: &str = "accepted are [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]";

#[test]
fn each_command_of_fixed_arity_takes_the_options_behind_its_arguments() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for sample in family(&group.primary)
        .into_iter()
        .filter(|sample| sample.takes_options)
    {
        sample.prepare(&mut conn);
        let plain = say(&mut conn, &sample.plain());
        let after = say(&mut conn, "DEBUG DIGEST");
        for options in [
            "",
            "REPLICAS 1",
            "timeout 0",
            "Replicas 1 fsync 0 TimeOut 60000",
            "FSYNC 0 TIMEOUT 0 REPLICAS 0",
        ] {
            sample.prepare(&mut conn);
            let line = format!("{} {options}", sample.durable());
            assert_eq!(say(&mut conn, &line), plain, "{line}");
            assert_eq!(say(&mut conn, "DEBUG DIGEST"), after, "{line}");
        }
    }
}

#[test]
fn each_command_of_fixed_arity_refuses_bad_options_before_it_writes() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for sample in family(&group.primary)
        .into_iter()
        .filter(|sample| sample.takes_options)
    {
        sample.prepare(&mut conn);
        let (digest, offset) = (say(&mut conn, "DEBUG DIGEST"), group.primary.offset());
        for (options, text) in [
            (
                "TIMEOUT",
                "TIMEOUT needs a value: 0 to 86400000 milliseconds, 0 for ever".into(),
            ),
            (
                "TIMEOUT 1 x",
                format!("'x' is not a requirement option, {OPTIONS}"),
            ),
            (
                "REPLICAS 1001",
                "REPLICAS does not take '1001', but 0 to 1000, MAJORITY or ALL".into(),
            ),
            (
                "FSYNC 1 FSYNC 1",
                "FSYNC is given twice, it is taken once".into(),
            ),
            (
                "REPLICAS ALL",
                "REPLICAS ALL needs durable.expected-replicas, which is 0 (not set)".into(),
            ),
        ] {
            let line = format!("{} {options}", sample.durable());
            let expected = format!("-ERR {text}; nothing was executed\r\n");
            assert_eq!(say(&mut conn, &line), expected, "{line}");
        }
        if sample.name != "SET" {
            let line = format!("{} extra", sample.durable());
            let expected = format!(
                "-ERR 'extra' is not a requirement option, {OPTIONS}; nothing was executed\r\n"
            );
            assert_eq!(say(&mut conn, &line), expected, "{line}");
        }
        assert_eq!(say(&mut conn, "DEBUG DIGEST"), digest, "{}", sample.name);
        assert_eq!(group.primary.offset(), offset, "{}", sample.name);
    }
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
}

#[test]
fn variadic_commands_take_keys_and_members_that_are_spelt_like_options() {
    let group = replicated(1);
    let (mut conn, mut replica) = (group.primary.raw(), group.replicas[0].raw());
    for (line, reply) in [
        ("DURABLE.MSET TIMEOUT 5", "+OK\r\n"),
        ("DURABLE.DEL TIMEOUT 5", ":1\r\n"),
        ("DURABLE.MSET TIMEOUT FSYNC", "+OK\r\n"),
        ("DURABLE.UNLINK TIMEOUT", ":1\r\n"),
        ("DURABLE.SADD s TIMEOUT 5", ":2\r\n"),
        ("DURABLE.SREM s TIMEOUT REPLICAS", ":1\r\n"),
        ("DURABLE.HSET h TIMEOUT 5", ":1\r\n"),
        ("DURABLE.HDEL h FSYNC TIMEOUT", ":1\r\n"),
        ("DURABLE.LPUSH l TIMEOUT 5", ":2\r\n"),
        ("DURABLE.RPUSH l REPLICAS 1", ":4\r\n"),
        ("DURABLE.ZADD z 5 TIMEOUT", ":1\r\n"),
        ("DURABLE.ZREM z TIMEOUT 5", ":1\r\n"),
        ("DURABLE.XADD x 1-1 TIMEOUT 5", "$3\r\n1-1\r\n"),
    ] {
        assert_eq!(say(&mut conn, line), reply, "{line}");
    }
    assert_eq!(
        say(&mut replica, "LRANGE l 0 -1"),
        "*4\r\n$1\r\n5\r\n$7\r\nTIMEOUT\r\n$8\r\nREPLICAS\r\n$1\r\n1\r\n"
    );
}

#[test]
fn an_option_behind_a_complete_variadic_command_is_refused_before_anything_runs() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let options = [
        ("REPLICAS", "2"),
        ("replicas", "majority"),
        ("Replicas", "ALL"),
        ("FSYNC", "0"),
        ("timeout", "86400000"),
    ];
    for sample in family(&group.primary)
        .into_iter()
        .filter(|sample| !sample.takes_options)
    {
        sample.prepare(&mut conn);
        let digest = say(&mut conn, "DEBUG DIGEST");
        for (name, value) in options {
            let line = format!("{} {name} {value}", sample.durable());
            let plain = sample.name;
            let expected = format!(
                "-ERR DURABLE.{plain} takes no trailing options; nothing was executed, use DURABLE.CALL {name} {value} \
                 {plain} … (or DURABLE.CALL {plain} … where {name} is a key)\r\n"
            );
            assert_eq!(say(&mut conn, &line), expected, "{line}");
        }
        assert_eq!(say(&mut conn, "DEBUG DIGEST"), digest, "{}", sample.name);
    }
    // Also several options, and inside MULTI.
    for line in [
        "DURABLE.MSET TIMEOUT 5 REPLICAS ALL",
        "DURABLE.DEL k k2 REPLICAS 2 TIMEOUT 500",
        "DURABLE.HSET h f REPLICAS 2 TIMEOUT 500",
    ] {
        let refused = say(&mut conn, line);
        assert!(refused.contains("takes no trailing options"), "{refused}");
    }
    assert_eq!(say(&mut conn, "MULTI"), "+OK\r\n");
    say(&mut conn, "DURABLE.DEL k REPLICAS 0");
    let refused = say(&mut conn, "EXEC");
    assert!(
        refused.starts_with("*1\r\n-ERR DURABLE.DEL takes no"),
        "{refused}"
    );
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
}

#[test]
fn words_at_the_end_of_a_variadic_command_that_are_no_option_are_executed() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for (line, reply) in [
        // The value is not one that the option takes.
        ("DURABLE.SADD s REPLICAS x", ":2\r\n"),
        ("DURABLE.SADD s FSYNC ALL", ":2\r\n"),
        ("DURABLE.SADD s TIMEOUT 86400001", ":2\r\n"),
        // Without these words the command would be incomplete.
        ("DURABLE.DEL REPLICAS 2", ":0\r\n"),
        ("DURABLE.HSET h REPLICAS 2", ":1\r\n"),
        ("DURABLE.RPUSH l TIMEOUT 5", ":2\r\n"),
        // The alternatives that the error names.
        ("DURABLE.CALL SADD s k REPLICAS 2", ":2\r\n"),
        ("DURABLE.CALL REPLICAS 1 SREM s k", ":1\r\n"),
    ] {
        assert_eq!(say(&mut conn, line), reply, "{line}");
    }
}

#[test]
fn variadic_commands_take_an_option_for_the_syntax_error_that_it_is_to_the_plain_one() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "MSET k v n 5");
    say(&mut conn, "RPUSH l a b");
    say(&mut conn, "XADD x 1-1 f v");
    for line in [
        "EXPIRE k 100 TIMEOUT",
        "PEXPIRE k 100 TIMEOUT -5",
        "LPOP l TIMEOUT",
        "RPOP l TIMEOUT",
        "ZADD z TIMEOUT 5",
        "XADD x TIMEOUT 5 f v",
        "XDEL x TIMEOUT",
    ] {
        let plain = say(&mut conn, line);
        assert!(plain.starts_with("-ERR "), "{line}: {plain}");
        assert_eq!(say(&mut conn, &format!("DURABLE.{line}")), plain, "{line}");
    }
}

#[test]
fn in_commands_of_fixed_arity_keys_and_values_may_be_spelt_like_options() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for (line, reply) in [
        ("DURABLE.SET TIMEOUT REPLICAS TIMEOUT 0", "+OK\r\n"),
        ("DURABLE.GET TIMEOUT TIMEOUT 0", "$8\r\nREPLICAS\r\n"),
        ("DURABLE.APPEND TIMEOUT FSYNC REPLICAS 1", ":13\r\n"),
        ("DURABLE.RENAME TIMEOUT FSYNC FSYNC 0", "+OK\r\n"),
        ("DURABLE.GETDEL FSYNC", "$13\r\nREPLICASFSYNC\r\n"),
        ("DURABLE.INCR REPLICAS REPLICAS 1", ":1\r\n"),
        ("DURABLE.HSETNX h TIMEOUT REPLICAS TIMEOUT 0", ":1\r\n"),
        ("DURABLE.HINCRBY h FSYNC 5 FSYNC 0", ":5\r\n"),
        ("DURABLE.ZINCRBY z 5 TIMEOUT TIMEOUT 0", "$1\r\n5\r\n"),
    ] {
        assert_eq!(say(&mut conn, line), reply, "{line}");
    }
}
