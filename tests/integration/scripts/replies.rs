//! Scripts inside DURABLE.CALL: replies, errors and effects are those of the plain command, and the
//! reply comes once the requirement is met.

use testkit::{RawConn, Server};

use crate::support::{calls, get, info, replicated, say, send, wait_for_waiters};

const LIBRARY: &str = "#!lua name=lib
redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
redis.register_function{function_name='read', flags={'no-writes'},
    callback=function(keys, args) return redis.call('GET', keys[1]) end}";

/// Loads a script and returns its digest.
fn load(conn: &mut RawConn, script: &str) -> String {
    let reply = conn.call_text(&["SCRIPT", "LOAD", script]);
    reply.lines().nth(1).expect("a digest").to_owned()
}

/// What the plain command and DURABLE.CALL reply, each to a fresh database.
fn both(conn: &mut RawConn, words: &[&str]) -> (String, String) {
    let durable = [&["DURABLE.CALL", "REPLICAS", "0"], words].concat();
    let mut reply = |words: &[&str]| {
        say(conn, "FLUSHALL");
        say(conn, "SET text v");
        conn.call_text(words)
    };
    (reply(words), reply(&durable))
}

#[test]
fn every_form_replies_as_the_plain_command_in_both_protocols() {
    let server = Server::builder().start();
    for protocol in [2, 3] {
        let mut conn = server.raw();
        if protocol == 3 {
            conn.hello3();
        }
        say(&mut conn, "FUNCTION FLUSH");
        conn.call_text(&["FUNCTION", "LOAD", LIBRARY]);
        let put = load(&mut conn, "return redis.call('SET', KEYS[1], ARGV[1])");
        let read = load(&mut conn, "return redis.call('GET', KEYS[1])");
        let large = "x".repeat(100_000);
        let cases: &[&[&str]] = &[
            &["EVAL", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "1", "n", "5"],
            &["eval", "return {1, 'a', false, {2, {3}}}", "0"],
            &["EVAL", "redis.setresp(3) return {map={a=1}, 2}", "0"],
            &["EVAL", "redis.setresp(3) redis.call('HSET', KEYS[1], 'f', 'v') return redis.call('HGETALL', KEYS[1])", "1", "h"],
            &["EVAL", "return {double=1.5}", "0"],
            &["EVAL", "return true", "0"],
            &["EVAL", "return nil", "0"],
            &["EVAL", "return ARGV[1]", "0", &large],
            &["EVAL", "return redis.status_reply('FINE')", "0"],
            &["EVAL", "", "0"],
            &["EVALSHA", &put, "1", "k", "v"],
            &["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "text"],
            &["EVALSHA_RO", &read, "1", "text"],
            &["FCALL", "put", "1", "k", "v"],
            &["FCALL", "read", "1", "text"],
            &["FCALL_RO", "read", "1", "text"],
            // Errors of scripts.
            &["EVAL", "return redis.call('INCR', KEYS[1])", "1", "text"],
            &["EVAL", "return redis.pcall('INCR', KEYS[1])", "1", "text"],
            &["EVAL", "error('boom')", "0"],
            &["EVAL", "return redis.error_reply('MYCODE of the script')", "0"],
            &["EVAL", "return {err='boom'}", "0"],
            &["EVAL", "return redis.call('NONE')", "0"],
            &["EVAL", "return redis.call('BLPOP', KEYS[1], 0)", "1", "none"],
            &["EVAL", "return redis.call('CONFIG', 'GET', 'save')", "0"],
            &["EVAL_RO", "return redis.call('SET', KEYS[1], 'w')", "1", "text"],
            &["FCALL_RO", "put", "1", "k", "v"],
            // Errors that quote the server.
            &["EVAL", "return redis.error_reply('ERR Attempted to access a non local key in a cluster node')", "0"],
            &["EVAL", "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])", "1", "n",
                "ERR Attempted to access a non local key in a cluster node"],
            &["EVAL", "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])", "1", "n",
                "ERR Can not execute a command 'eval' while the cluster is down"],
            // Refused before they begin.
            &["EVAL", "#!lua", "0"],
            &["EVAL", "this is no lua", "0"],
            &["EVAL", "return 1"],
            &["EVAL", "return 1", "x"],
            &["EVAL", "return 1", "-1"],
            &["EVAL", "return 1", "2", "k"],
            &["EVAL", "#!lua flags=none\nreturn 1", "0"],
            &["EVAL", "#!python\nreturn 1", "0"],
            &["EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"],
            &["EVALSHA", "short", "0"],
            &["FCALL", "none", "0"],
            &["FCALL", "put", "x"],
        ];
        for words in cases {
            let (plain, durable) = both(&mut conn, words);
            assert_eq!(durable, plain, "{words:?}");
        }
    }
}

#[test]
fn the_reply_comes_once_the_replica_has_the_effects() {
    let group = replicated(1);
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let mut conn = primary.raw();
    assert_eq!(
        conn.call_text(&[
            "DURABLE.CALL",
            "EVAL",
            "redis.call('SET', KEYS[1], 1) redis.call('INCR', KEYS[1]) return 'done'",
            "1",
            "k"
        ]),
        "$4\r\ndone\r\n"
    );
    assert_eq!(get(replica, "k").as_deref(), Some("2"));
    assert_eq!(calls(replica, "eval"), 0, "replicated as effects");
    replica.pause();
    conn.send(&[
        "DURABLE.CALL",
        "EVAL",
        "return redis.call('INCR', KEYS[1])",
        "1",
        "k",
    ]);
    wait_for_waiters(primary, 1);
    assert!(!conn.is_readable_now());
    assert_eq!(get(primary, "k").as_deref(), Some("3"), "it has run");
    replica.resume();
    assert_eq!(String::from_utf8_lossy(&conn.read_reply_bytes()), ":3\r\n");
    assert_eq!(get(replica, "k").as_deref(), Some("3"));
    // A script that only reads shows nothing that the replica does not have.
    replica.pause();
    send(&mut conn, "SET k 4");
    conn.read_reply_bytes();
    conn.send(&[
        "DURABLE.CALL",
        "EVAL_RO",
        "return redis.call('GET', KEYS[1])",
        "1",
        "k",
    ]);
    wait_for_waiters(primary, 1);
    assert!(!conn.is_readable_now());
    replica.resume();
    assert_eq!(
        String::from_utf8_lossy(&conn.read_reply_bytes()),
        "$1\r\n4\r\n"
    );
    assert_eq!(info(primary, "waiters"), 0);
}

#[test]
fn an_unacknowledged_script_has_run_once_and_its_time_runs_from_its_end() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    let slow = "for step = 1, 30000000 do end
        return redis.call('INCR', KEYS[1])";
    let reply = conn.call_text(&["DURABLE.CALL", "TIMEOUT", "20", "EVAL", slow, "1", "n"]);
    assert_eq!(
        reply,
        "-UNACKED 0 of 1 replicas acknowledged within 20 ms; applied on the primary, may still \
         reach the replicas\r\n"
    );
    assert_eq!(get(&group.primary, "n").as_deref(), Some("1"));
    group.replicas[0].resume();
}

#[test]
fn database_and_protocol_are_those_of_the_client() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.hello3();
    say(&mut conn, "SELECT 5");
    let script = "redis.call('SELECT', 7) redis.call('HSET', KEYS[1], 'f', 'v') redis.setresp(3) return redis.call('HGETALL', KEYS[1])";
    let words = ["DURABLE.CALL", "EVAL", script, "1", "h"];
    assert_eq!(conn.call_text(&words), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    let set = [
        "DURABLE.CALL",
        "EVAL",
        "return redis.call('SET', KEYS[1], 'v')",
        "1",
        "k",
    ];
    assert_eq!(conn.call_text(&set), "+OK\r\n");
    assert_eq!(say(&mut conn, "EXISTS k"), ":1\r\n");
    for server in [&group.primary, &group.replicas[0]] {
        let mut other = server.raw();
        say(&mut other, "SELECT 5");
        assert_eq!(say(&mut other, "EXISTS k"), ":1\r\n");
        say(&mut other, "SELECT 7");
        assert_eq!(say(&mut other, "EXISTS h"), ":1\r\n");
    }
}

#[test]
fn each_script_is_one_transaction_for_replicas() {
    let group = replicated(1);
    let mut monitor = group.replicas[0].raw();
    say(&mut monitor, "MONITOR");
    let mut conn = group.primary.raw();
    let script = "redis.call('SET', KEYS[1], 'a') return redis.call('SET', KEYS[1], 'b')";
    group.primary.pause();
    let mut clients: Vec<_> = (0..2).map(|_| group.primary.raw()).collect();
    for (client, key) in clients.iter_mut().zip(["k", "j"]) {
        client.send(&["DURABLE.CALL", "EVAL", script, "1", key]);
    }
    group.primary.resume();
    for client in &mut clients {
        assert_eq!(
            String::from_utf8_lossy(&client.read_reply_bytes()),
            "+OK\r\n"
        );
    }
    assert_eq!(say(&mut conn, "DURABLE.SET end v"), "+OK\r\n");
    let mut seen = Vec::new();
    loop {
        let line = String::from_utf8_lossy(&monitor.read_reply_bytes()).to_lowercase();
        let word = |word: &str| line.contains(&format!("\"{word}\""));
        if word("end") {
            break;
        }
        for name in ["multi", "exec", "set"] {
            if word(name) {
                seen.push(name);
            }
        }
    }
    assert_eq!(seen, ["multi", "set", "set", "exec"].repeat(2));
}
