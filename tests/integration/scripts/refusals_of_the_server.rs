//! What the server refuses to scripts: by access control, for want of memory, by flags of the
//! script. The errors are those of the plain command, and the server lives.

use testkit::{RawConn, Server};

use crate::support::{info, say, user};

/// The plain command and DURABLE.CALL get the same reply.
#[track_caller]
fn same(conn: &mut RawConn, words: &[&str]) -> String {
    let plain = conn.call_text(words);
    let durable = [&["DURABLE.CALL", "REPLICAS", "0"], words].concat();
    assert_eq!(conn.call_text(&durable), plain, "{words:?}");
    plain
}

#[test]
fn a_script_that_access_control_denies_in_its_own_calls_gets_the_error_of_the_plain_one() {
    let server = Server::builder().start();
    say(&mut server.raw(), "SET secret v");
    let mut conn = user(&server, "~app:* +@all -flushall");
    for protocol in [2, 3] {
        if protocol == 3 {
            conn.hello3();
        }
        for words in [
            // A key that was not declared, a command, and the same caught by the script.
            &[
                "EVAL",
                "return redis.call('SET', 'secret', 'w')",
                "1",
                "app:k",
            ][..],
            &["EVAL", "return redis.call('GET', 'secret')", "0"],
            &["EVAL", "return redis.call('FLUSHALL')", "0"],
            &["EVAL", "return redis.pcall('GET', 'secret')['err']", "0"],
            &["EVAL_RO", "return redis.call('GET', 'secret')", "0"],
        ] {
            let reply = same(&mut conn, words);
            let is_denied = reply.contains("permission") || reply.contains("can't");
            assert!(is_denied, "{words:?}: {reply}");
        }
        let fine = &[
            "EVAL",
            "return redis.call('SET', KEYS[1], 'v')",
            "1",
            "app:k",
        ];
        assert_eq!(same(&mut conn, fine), "+OK\r\n");
    }
    assert_eq!(say(&mut server.raw(), "GET secret"), "$1\r\nv\r\n");
    // The log of access control has entries of scripts that ran from a timer.
    let log = say(&mut server.raw(), "ACL LOG");
    assert!(log.contains("secret"), "{log}");
}

#[test]
fn the_user_needs_the_script_command_and_its_declared_keys() {
    let server = Server::builder().start();
    let script = "return redis.call('GET', KEYS[1])";
    for (rules, key) in [
        ("~* +durable.call +get", "k"),
        ("~app:* +durable.call +eval +get", "k"),
        ("~* +eval +get", "k"),
    ] {
        let mut conn = user(&server, rules);
        let reply = conn.call_text(&["DURABLE.CALL", "REPLICAS", "0", "EVAL", script, "1", key]);
        assert!(reply.starts_with("-NOPERM "), "{rules}: {reply}");
    }
    let mut conn = user(&server, "~app:* +durable.call +eval +get");
    let reply = conn.call_text(&[
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL",
        script,
        "1",
        "app:k",
    ]);
    assert_eq!(reply, "$-1\r\n");
    assert_eq!(info(&server, "waiters"), 0);
}

#[test]
fn beyond_maxmemory_and_with_flags_the_replies_are_those_of_the_plain_command() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    say(&mut conn, "SET k v");
    let library = "#!lua name=lib
redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], 'w') end)
redis.register_function{function_name='always', flags={'allow-oom'},
    callback=function(keys, args) return redis.call('SET', keys[1], 'w') end}
redis.register_function{function_name='read', flags={'no-writes'},
    callback=function(keys, args) return redis.call('GET', keys[1]) end}";
    conn.call_text(&["FUNCTION", "LOAD", library]);
    let set = "return redis.call('SET', KEYS[1], 'w')";
    let flags = |flags: &str, body: &str| format!("#!lua flags={flags}\n{body}");
    let get = "return redis.call('GET', KEYS[1])";
    for limit in ["1", "0"] {
        say(&mut conn, &format!("CONFIG SET maxmemory {limit}"));
        let cases = [
            (set.to_owned(), limit == "0"),
            (get.to_owned(), true),
            (flags("", set), limit == "0"),
            (flags("", get), limit == "0"),
            (flags("allow-oom", set), true),
            (flags("no-writes", get), true),
            (flags("no-writes", set), false),
            (flags("no-writes,allow-oom", set), false),
            (flags("no-cluster", get), limit == "0"),
            // A write that is allowed first. After it the script may go on.
            (format!("redis.call('DEL', KEYS[1]) {set}"), true),
        ];
        for (script, works) in &cases {
            let reply = same(&mut conn, &["EVAL", script, "1", "k"]);
            assert_eq!(!reply.starts_with('-'), *works, "{limit} {script}: {reply}");
        }
        for (name, works) in [("put", limit == "0"), ("always", true), ("read", true)] {
            let reply = same(&mut conn, &["FCALL", name, "1", "k"]);
            assert_eq!(!reply.starts_with('-'), works, "{limit} {name}: {reply}");
        }
    }
}

/// DURABLE.CALL counts as a write, so the server refuses it when it arrives.
#[test]
fn without_enough_good_replicas_no_script_runs() {
    let server = Server::builder()
        .config("min-replicas-to-write", "1")
        .start();
    let mut conn = server.raw();
    for script in ["return redis.call('SET', KEYS[1], 'w')", "return 1"] {
        let words = ["DURABLE.CALL", "REPLICAS", "0", "EVAL", script, "1", "k"];
        let reply = conn.call_text(&words);
        assert!(reply.starts_with("-NOREPLICAS "), "{reply}");
    }
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
}
