//! DURABLE.SET has the reply and the effect of SET, byte for byte: on the primary and on the
//! replica, in RESP2 and in RESP3.

use testkit::differences::SET_HAS_IFEQ;
use testkit::RawConn;

use crate::support::{replicated, say, wait_for_waiters};

/// A command that makes data, and the arguments of SET. Servers without `IFEQ` and the like answer
/// a syntax error, and so must DURABLE.SET.
const CASES: &[(&str, &str)] = &[
    ("", "k v"),
    ("SET k old", "k v"),
    ("SET k old", "k v NX"),
    ("", "k v NX"),
    ("", "k v XX"),
    ("SET k old", "k v xx"),
    ("", "k v GET"),
    ("SET k old", "k v GET"),
    ("SET k old", "k v get Nx"),
    ("", "k v NX GET"),
    ("SET k old EX 5000", "k v KEEPTTL"),
    ("SET k old EX 5000", "k v"),
    ("", "k v EX 5000"),
    ("", "k v PX 5000000"),
    ("", "k v EXAT 99999999999"),
    ("", "k v PXAT 99999999999999"),
    // A time in the past: the key is deleted at once.
    ("SET k old", "k v PXAT 1"),
    ("SET k old", "k v EXAT 1 GET"),
    ("SET k old", "k v IFEQ old"),
    ("SET k old", "k v IFEQ other"),
    ("SET k TIMEOUT", "k v IFEQ TIMEOUT"),
    ("SET k replicas", "k v ifeq replicas GET"),
    ("SET k old", "k v IFNE FSYNC"),
    ("SET k old", "k v IFDEQ REPLICAS"),
    ("SET k old", "k v IFDNE TIMEOUT"),
    ("", "k v IFEQ"),
    // Values and keys that look like options.
    ("", "k TIMEOUT"),
    ("", "k REPLICAS"),
    ("SET TIMEOUT old", "TIMEOUT FSYNC GET"),
    // Errors.
    ("RPUSH k a", "k v GET"),
    ("RPUSH k a", "k v"),
    ("", "k v BOGUS"),
    ("", "k v NX XX"),
    ("", "k v EX"),
    ("", "k v EX 0"),
    ("", "k v PX -1"),
    ("", "k v EX abc"),
    ("", "k v EX 1 PX 1"),
    ("", "k v KEEPTTL EX 1"),
    ("", "k v EX 9223372036854775807"),
    ("", "k v extra words NX"),
];

/// The reply, and afterwards the value of the key and whether it expires.
fn outcome(conn: &mut RawConn, prepare: &str, command: &str) -> (String, String, bool) {
    say(conn, "FLUSHALL");
    if !prepare.is_empty() {
        say(conn, prepare);
    }
    let reply = say(conn, command);
    let key = command.split_whitespace().nth(1).expect("no key");
    let value = say(conn, &format!("DUMP {key}"));
    // The time of expiry depends on when the command ran, so only its existence is compared.
    let expires = say(conn, &format!("PEXPIRETIME {key}")) != ":-1\r\n";
    (reply, value, expires)
}

fn same_on_the_replica(conn: &mut RawConn, replica: &mut RawConn, key: &str) {
    assert_eq!(say(conn, "DURABLE.WAIT"), ":1\r\n");
    for look in ["DUMP", "PEXPIRETIME"] {
        let line = format!("{look} {key}");
        assert_eq!(say(conn, &line), say(replica, &line), "{line}");
    }
}

#[test]
fn reply_and_effect_are_those_of_set_in_both_protocols() {
    let group = replicated(1);
    for protocol in [2, 3] {
        let (mut conn, mut replica) = (group.primary.raw(), group.replicas[0].raw());
        if protocol == 3 {
            conn.hello3();
            replica.hello3();
        }
        for (prepare, arguments) in CASES {
            let plain = outcome(&mut conn, prepare, &format!("SET {arguments}"));
            // After IFEQ without its value, an option would be taken for the value.
            let options: &[&str] = if arguments.ends_with("IFEQ") {
                &[""]
            } else {
                &["", "TIMEOUT 0", "replicas 1 Timeout 600000"]
            };
            for options in options {
                let command = format!("DURABLE.SET {arguments} {options}");
                let durable = outcome(&mut conn, prepare, &command);
                assert_eq!(
                    durable, plain,
                    "{command} after {prepare:?}, RESP{protocol}"
                );
            }
            let key = arguments.split_whitespace().next().expect("no key");
            same_on_the_replica(&mut conn, &mut replica, key);
        }
    }
}

#[test]
fn the_kinds_of_reply_are_what_set_documents() {
    // Shows that the comparison above compares different kinds of replies.
    let group = replicated(1);
    let (mut two, mut three) = (group.primary.raw(), group.primary.raw());
    three.hello3();
    for conn in [&mut two, &mut three] {
        assert_eq!(say(conn, "DURABLE.SET k v"), "+OK\r\n");
        assert_eq!(say(conn, "DURABLE.SET k w GET"), "$1\r\nv\r\n");
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        say(conn, "RPUSH list a");
        assert_eq!(say(conn, "DURABLE.SET list v GET"), wrong);
        assert_eq!(say(conn, "DURABLE.SET k v BOGUS"), "-ERR syntax error\r\n");
        let expire = "-ERR invalid expire time in 'set' command\r\n";
        assert_eq!(say(conn, "DURABLE.SET k v EX 0"), expire);
    }
    assert_eq!(say(&mut two, "DURABLE.SET k v NX"), "$-1\r\n");
    assert_eq!(say(&mut three, "DURABLE.SET k v NX"), "_\r\n");
    assert_eq!(say(&mut two, "DURABLE.SET new v GET"), "$-1\r\n");
    assert_eq!(say(&mut three, "DURABLE.SET newer v GET"), "_\r\n");
}

#[test]
fn the_word_after_ifeq_is_a_value_whatever_it_is_spelt_like() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "SET k TIMEOUT");
    let reply = say(&mut conn, "DURABLE.SET k v IFEQ TIMEOUT TIMEOUT 0");
    // Older servers have no IFEQ, and answer a syntax error.
    if group.primary.has(SET_HAS_IFEQ) {
        assert_eq!(reply, "+OK\r\n");
        assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    } else {
        assert_eq!(reply, "-ERR syntax error\r\n");
        assert_eq!(say(&mut conn, "GET k"), "$7\r\nTIMEOUT\r\n");
    }
}

#[test]
fn keys_and_values_are_bytes_of_any_kind() {
    let group = replicated(1);
    let every_byte: Vec<u8> = (0..=255).collect();
    let big: Vec<u8> = (0..1024 * 1024u32).map(|n| (n % 251) as u8).collect();
    let texts: [&[u8]; 7] = [
        b"",
        b"\0",
        b"a\0b",
        b"\r\n",
        b"$3\r\n+OK\r\n",
        b"\xff\xfe",
        &every_byte,
    ];
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    for text in texts {
        pairs.extend([(text, &b"v"[..]), (&b"k"[..], text), (text, text)]);
    }
    pairs.extend([(&b"big"[..], &big[..]), (&big[..], &b"v"[..])]);
    let (mut conn, mut replica) = (group.primary.raw(), group.replicas[0].raw());
    for (key, value) in pairs {
        let shown = key[..key.len().min(64)].escape_ascii();
        assert_eq!(
            conn.call(&[b"DURABLE.SET", key, value]),
            b"+OK\r\n",
            "{shown}"
        );
        let mut expected = format!("${}\r\n", value.len()).into_bytes();
        expected.extend_from_slice(value);
        expected.extend_from_slice(b"\r\n");
        assert!(
            replica.call(&[b"GET", key]) == expected,
            "the replica has another value for {shown}"
        );
        // GET returns the whole old value.
        let held = conn.call(&[b"DURABLE.SET", key, b"next", b"GET"]);
        assert!(held == expected, "GET returned another value for {shown}");
    }
}

#[test]
fn errors_of_the_inner_command_do_not_wait_for_a_replica() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "RPUSH list a");
    group.replicas[0].pause();
    // No replica can acknowledge and there is no timeout, so any reply shows that errors do not
    // wait.
    let syntax = say(&mut conn, "DURABLE.SET k v BOGUS");
    assert_eq!(syntax, "-ERR syntax error\r\n");
    assert!(say(&mut conn, "DURABLE.SET list v GET").starts_with("-WRONGTYPE "));
    group.replicas[0].resume();
}

#[test]
fn a_server_without_memory_refuses_as_it_refuses_set() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET maxmemory 1");
    let plain = say(&mut conn, "SET k v");
    assert!(plain.starts_with("-OOM "), "{plain}");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), plain);
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
}

/// The server encodes a number as an integer only if nothing else references the string. A client
/// that waits references its arguments.
#[test]
fn what_is_stored_is_encoded_as_by_the_plain_command_also_while_the_client_waits() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    let long = "x".repeat(100_000);
    let values = ["12345", "5", "-1", "short", "4.5", &"y".repeat(60), &long];
    let described = |conn: &mut RawConn, key: &str| {
        ["ENCODING", "REFCOUNT"].map(|what| conn.call_text(&["OBJECT", what, key]))
    };
    for value in values {
        conn.call(&["SET", "plain", value]);
        let plain = described(&mut conn, "plain");
        for durable in [
            vec!["DURABLE.SET", "durable", value],
            vec!["DURABLE.CALL", "SET", "durable", value],
            vec!["DURABLE.MSET", "durable", value, "other", value],
        ] {
            assert_eq!(conn.call_text(&durable), "+OK\r\n");
            assert_eq!(described(&mut conn, "durable"), plain, "{durable:?}");
        }
        if value == long {
            continue;
        }
        let mut waiting = primary.raw();
        group.replicas[0].pause();
        waiting.send(&["DURABLE.SET", "durable", value]);
        wait_for_waiters(primary, 1);
        assert_eq!(described(&mut conn, "durable"), plain, "{value}");
        group.replicas[0].resume();
        assert_eq!(waiting.read_reply_bytes(), b"+OK\r\n");
    }
    // More arguments than the module passes to the server one by one.
    let many: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let mut command = vec!["DURABLE.MSET"];
    command.extend(many.iter().map(String::as_str));
    assert_eq!(conn.call_text(&command), "+OK\r\n");
    assert_eq!(conn.call_text(&["GET", "k58"]), "$3\r\nk59\r\n");
}
