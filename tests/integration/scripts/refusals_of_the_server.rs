//! What the server refuses to scripts: by access control, for want of memory, by flags of the
//! script. The errors are those of the plain command, and the server lives.

use testkit::{RawConn, Server};

use crate::support::scripts::same;
use crate::support::{connections, info, say, send_in_one_turn, user};

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

/// Access control logs what it denies, and nothing else.
#[test]
fn the_log_of_access_control_has_denied_scripts_and_no_others() {
    let server = Server::builder().start();
    let mut operator = server.raw();
    let words = [
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL",
        "return 1",
        "1",
        "k",
    ];
    let mut allowed = user(&server, "~* +durable.call +eval");
    assert_eq!(allowed.call_text(&words), ":1\r\n");
    assert_eq!(say(&mut operator, "ACL LOG"), "*0\r\n");
    for (rules, denied) in [
        ("~* +durable.call", "eval"),
        ("~app:* +durable.call +eval", "k"),
    ] {
        say(&mut operator, "ACL LOG RESET");
        let mut conn = user(&server, rules);
        assert!(conn.call_text(&words).starts_with("-NOPERM "));
        let log = say(&mut operator, "ACL LOG");
        assert!(log.contains(&format!("\r\n{denied}\r\n")), "{log}");
    }
}

/// Scripts that arrive in one turn fill the memory one after the other. The server looks at the
/// memory for commands of clients only.
#[test]
fn scripts_of_one_turn_do_not_write_beyond_maxmemory() {
    const SIZE: i64 = 1 << 20;
    let server = Server::builder().start();
    let mut clients = connections(&server, 30);
    let limit = server.info_number("memory", "used_memory") + 10 * SIZE;
    say(&mut clients[0], &format!("CONFIG SET maxmemory {limit}"));
    let fill = format!("return redis.call('SET', KEYS[1], string.rep('x', {SIZE}))");
    let keys: Vec<String> = (0..clients.len())
        .map(|number| format!("k{number}"))
        .collect();
    let words = |key| ["DURABLE.CALL", "REPLICAS", "0", "EVAL", &fill, "1", key];
    let commands: Vec<_> = keys.iter().map(|key| words(key)).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
    send_in_one_turn(&server, &mut clients, &commands);
    let replies: Vec<Vec<u8>> = clients.iter_mut().map(RawConn::read_reply_bytes).collect();
    let refused = replies
        .iter()
        .filter(|reply| reply.starts_with(b"-OOM "))
        .count();
    assert!((20..30).contains(&refused), "{refused}");
    let used = server.info_number("memory", "used_memory");
    assert!(used < limit + 2 * SIZE, "{used} of {limit}");
    // What only reads is run, and so is everything once there is room again.
    let read = [
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL_RO",
        "return redis.call('EXISTS', KEYS[1])",
        "1",
        "k0",
    ];
    assert_eq!(clients[0].call_text(&read), ":1\r\n");
    say(&mut clients[0], "FLUSHALL SYNC");
    assert_eq!(clients[0].call_text(&words("k0")), "+OK\r\n");
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
