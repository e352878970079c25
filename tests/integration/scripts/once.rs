//! Scripts inside DURABLE.ONCE: effects and record are one, and errors of a script that had begun
//! are recorded.

use testkit::{RawConn, Server};

use crate::support::{connections, get, info, replicated, say, send_in_one_turn, wait_for_waiters};

const INCR: &str = "return redis.call('INCR', KEYS[1])";

fn once(conn: &mut RawConn, id: &str, words: &[&str]) -> String {
    conn.call_text(&[&["DURABLE.ONCE", id, "REPLICAS", "0"], words].concat())
}

#[test]
fn a_script_runs_once_and_its_reply_is_repeated_in_both_protocols() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let library = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('INCR', keys[1]) end)";
    conn.call_text(&["FUNCTION", "LOAD", library]);
    let digest = conn.call_text(&["SCRIPT", "LOAD", INCR]);
    let sha = digest.lines().nth(1).expect("a digest").to_owned();
    let map = "redis.call('HINCRBY', KEYS[1], 'f', 1) redis.setresp(3) return redis.call('HGETALL', KEYS[1])";
    let mut executed = 0;
    for protocol in [2, 3] {
        if protocol == 3 {
            conn.hello3();
        }
        for (name, words) in [
            ("eval", &["EVAL", INCR, "1", "n"][..]),
            ("evalsha", &["EVALSHA", &sha, "1", "n"]),
            ("fcall", &["FCALL", "f", "1", "n"]),
            ("map", &["EVAL", map, "1", "h"]),
            (
                "read",
                &["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "n"],
            ),
        ] {
            let id = format!("{name}-{protocol}");
            let first = once(&mut conn, &id, words);
            assert!(!first.starts_with('-'), "{id}: {first}");
            assert_eq!(once(&mut conn, &id, words), first, "{id}");
            executed += 1;
            assert_eq!(info(&server, "once_total"), executed);
            assert_eq!(info(&server, "once_repeated_total"), executed);
        }
    }
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n6\r\n");
    let other = once(&mut conn, "eval-2", &["EVAL", INCR, "1", "n", "x"]);
    assert_eq!(
        other,
        "-ERR this id was used for another command; nothing was executed\r\n"
    );
}

#[test]
fn errors_of_a_script_that_had_begun_are_recorded_and_no_others() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    say(&mut conn, "SET text v");
    for (id, script) in [
        (
            "raised",
            "redis.call('INCR', KEYS[1]) return redis.call('INCR', 'text')",
        ),
        (
            "returned",
            "redis.call('INCR', KEYS[1]) return redis.error_reply('MYCODE text')",
        ),
        ("table", "redis.call('INCR', KEYS[1]) return {err='boom'}"),
        ("error", "redis.call('INCR', KEYS[1]) error('boom')"),
        (
            "caught",
            "redis.call('INCR', KEYS[1]) return redis.pcall('INCR', 'text')",
        ),
        ("before", "error('boom')"),
        ("before2", "return redis.error_reply('MYCODE text')"),
    ] {
        let words = ["EVAL", script, "1", "n"];
        say(&mut conn, "SET n 0");
        let first = once(&mut conn, id, &words);
        assert!(first.starts_with('-'), "{id}: {first}");
        let after = get(&server, "n");
        assert_eq!(once(&mut conn, id, &words), first, "{id}");
        assert_eq!(get(&server, "n"), after, "{id} was executed again");
    }
    assert_eq!(info(&server, "once_total"), 7);
    assert_eq!(info(&server, "once_repeated_total"), 7);
    // These did not begin. The same id works later.
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    for words in [
        &["EVALSHA", sha, "1", "n"][..],
        &["EVAL", "no lua", "1", "n"],
        &["EVAL", INCR, "x", "n"],
        &["FCALL", "f", "1", "n"],
        &["EVAL", "#!lua flags=wrong\nreturn 1", "1", "n"],
        &["EVAL", "#!lua", "1", "n"],
    ] {
        let reply = once(&mut conn, "not-begun", words);
        assert!(reply.starts_with('-'), "{words:?}: {reply}");
    }
    say(&mut conn, "CONFIG SET maxmemory 1");
    let out_of_memory = once(&mut conn, "oom", &["EVAL", "#!lua\nreturn 1", "1", "n"]);
    assert!(out_of_memory.starts_with("-OOM "), "{out_of_memory}");
    say(&mut conn, "CONFIG SET maxmemory 0");
    assert_eq!(
        once(&mut conn, "oom", &["EVAL", "#!lua\nreturn 1", "1", "n"]),
        ":1\r\n"
    );
    assert_eq!(
        once(&mut conn, "not-begun", &["EVAL", INCR, "1", "fresh"]),
        ":1\r\n"
    );
    assert_eq!(info(&server, "once_total"), 9);
}

/// A script can put any bytes into a big number.
#[test]
fn a_big_number_with_a_null_byte_is_repeated() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    conn.hello3();
    let script = "redis.call('INCR', KEYS[1]) return {big_number='12\\0' .. '34'}";
    let words = ["EVAL", script, "1", "n"];
    let first = once(&mut conn, "id", &words);
    assert!(first.starts_with("(12"), "{first:?}");
    assert_eq!(once(&mut conn, "id", &words), first);
    assert_eq!(get(&server, "n").as_deref(), Some("1"));
}

#[test]
fn bad_ids_and_scripts_without_a_key_are_refused_and_tampered_records_too() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for (id, words, refused) in [
        (
            "id",
            &["EVAL", "return 1", "0"][..],
            "-ERR DURABLE.ONCE needs a command with a key",
        ),
        (
            &"x".repeat(65),
            &["EVAL", INCR, "1", "n"],
            "-ERR DURABLE.ONCE takes an id of 1 to 64 bytes",
        ),
    ] {
        let reply = once(&mut conn, id, words);
        assert!(reply.starts_with(refused), "{reply}");
    }
    assert_eq!(once(&mut conn, "id", &["EVAL", INCR, "1", "n"]), ":1\r\n");
    let records: Vec<String> = server.run(&["KEYS", "durable:once:*"]);
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    for value in ["", "junk", "\u{1}2", "\u{2}"] {
        conn.call_text(&["SET", record, value]);
        let reply = once(&mut conn, "id", &["EVAL", INCR, "1", "n"]);
        assert!(
            reply.starts_with("-ERR ") && reply.ends_with("nothing was executed\r\n"),
            "{reply}"
        );
    }
    say(&mut conn, &format!("DEL {record}"));
    say(&mut conn, &format!("RPUSH {record} a"));
    let reply = once(&mut conn, "id", &["EVAL", INCR, "1", "n"]);
    assert!(reply.ends_with("nothing was executed\r\n"), "{reply}");
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn twenty_connections_with_one_id_make_one_execution_and_get_one_reply() {
    let group = replicated(1);
    group.replicas[0].pause();
    let mut clients = connections(&group.primary, 20);
    for client in &mut clients {
        client.send(&["DURABLE.ONCE", "id", "EVAL", INCR, "1", "n"]);
    }
    wait_for_waiters(&group.primary, 20);
    group.replicas[0].resume();
    for client in &mut clients {
        assert_eq!(
            String::from_utf8_lossy(&client.read_reply_bytes()),
            ":1\r\n"
        );
    }
    assert_eq!(info(&group.primary, "once_total"), 1);
    assert_eq!(info(&group.primary, "once_repeated_total"), 19);
    assert_eq!(get(&group.replicas[0], "n").as_deref(), Some("1"));
}

/// Scripts and plain commands with one id.
#[test]
fn while_a_script_waits_for_its_turn_the_id_can_be_used_by_another_command() {
    let server = Server::builder().start();
    let mut clients = connections(&server, 2);
    let script = [
        "DURABLE.ONCE",
        "id",
        "REPLICAS",
        "0",
        "EVAL",
        INCR,
        "1",
        "n",
    ];
    let plain = ["DURABLE.ONCE", "id", "REPLICAS", "0", "INCR", "n"];
    send_in_one_turn(&server, &mut clients, &[&script, &plain]);
    assert_eq!(clients[1].read_reply_bytes(), b":1\r\n");
    assert_eq!(
        String::from_utf8_lossy(&clients[0].read_reply_bytes()),
        "-ERR this id was used for another command; nothing was executed\r\n"
    );
}
