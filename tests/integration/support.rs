//! Helpers for many tests: short names for common steps, and waiting for the module's counters.
//!
//! Waits have no deadline (`timeout-ms 0`) except in tests about deadlines, so that no test depends
//! on the speed of the machine.

use testkit::differences::{LOOKS_UP_COMMANDS_IN_IO_THREADS, LOOKS_UP_PIPELINES_AHEAD};
use testkit::{
    eventually, FakeReplica, RawConn, Replicated, ReplicatedBuilder, Server, ServerBuilder,
};

/// Loads the module with waits without a deadline.
pub fn patient(builder: ServerBuilder) -> ServerBuilder {
    builder.module_args(&["timeout-ms", "0"])
}

/// Two I/O threads besides the main thread. More of them would show nothing else, and would be slow
/// on a machine with fewer cores.
pub fn in_threads(builder: ServerBuilder) -> ServerBuilder {
    builder
        .config("io-threads", "3")
        // Newer servers always read in threads, and still accept the setting.
        .config("io-threads-do-reads", "yes")
}

/// A primary with `replicas` replicas and waits without a deadline.
#[track_caller]
pub fn replicated(replicas: usize) -> Replicated {
    builder(replicas).start()
}

/// The description of [`replicated`], for changes before the start.
pub fn builder(replicas: usize) -> ReplicatedBuilder {
    Replicated::builder().replicas(replicas).primary(patient)
}

/// A fake replica, which never reports by itself. It has acknowledged the first bytes of the
/// stream: a replica that has acknowledged nothing does not count.
#[track_caller]
pub fn silent_replica(primary: &Server) -> FakeReplica {
    let mut fake = FakeReplica::start(primary);
    primary.run::<()>(&["SET", "first", "v"]);
    fake.wait_for_offset(primary.offset());
    let acked = fake.ack_what_was_read();
    eventually("the first acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == acked
    });
    fake
}

/// Sends one command, given as words in a line, and returns the reply as text.
#[track_caller]
pub fn say(conn: &mut RawConn, line: &str) -> String {
    send(conn, line);
    String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned()
}

/// Sends one command, given as words in a line.
pub fn send(conn: &mut RawConn, line: &str) {
    conn.send(&line.split_whitespace().collect::<Vec<_>>());
}

/// The bytes of several commands, each given as words in a line.
pub fn packet(lines: &[&str]) -> Vec<u8> {
    let encode = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        testkit::encode_command(&words)
    };
    lines.iter().flat_map(encode).collect()
}

/// Connections that the server has accepted.
#[track_caller]
pub fn connections(server: &Server, count: usize) -> Vec<RawConn> {
    (0..count)
        .map(|_| {
            let mut conn = server.raw();
            assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
            conn
        })
        .collect()
}

/// A number of INFO durable. `field` is the name without `durable_`.
#[track_caller]
pub fn info(server: &Server, field: &str) -> i64 {
    server.info_number("durable", &format!("durable_{field}"))
}

/// Waits until exactly `count` clients wait.
#[track_caller]
pub fn wait_for_waiters(server: &Server, count: i64) {
    eventually(&format!("{count} waiting clients"), || {
        info(server, "waiters") == count
    });
}

/// The NOREPLICAS error, with `connected` links that count and `others` that do not.
pub fn refusal(connected: u32, required: u32, others: u32) -> String {
    let others = match others {
        0 => String::new(),
        _ => format!(", {others} more links do not count (see DURABLE.REPLICAS)"),
    };
    format!(
        "-NOREPLICAS {connected} of {required} required replicas are connected{others}; \
         nothing was executed\r\n"
    )
}

/// For each link of DURABLE.REPLICAS, in its order: whether it counts (1 or 0), and why not.
#[track_caller]
pub fn verdicts(server: &Server) -> Vec<(u64, String)> {
    let links: Vec<std::collections::HashMap<String, String>> = server.run(&["DURABLE.REPLICAS"]);
    let verdict = |link: &std::collections::HashMap<String, String>| {
        let counts = link["counts"].parse().expect("counts is not a number");
        (counts, link["reason"].clone())
    };
    links.iter().map(verdict).collect()
}

/// The value of a key, or `None`.
#[track_caller]
pub fn get(server: &Server, key: &str) -> Option<String> {
    server.run(&["GET", key])
}

/// Whether the module always refuses to be unloaded on this server.
pub fn stays_for_good(server: &Server) -> bool {
    server.has(LOOKS_UP_PIPELINES_AHEAD)
}

/// Asserts that the module refuses to be unloaded, and logs this reason.
#[track_caller]
pub fn assert_stays(server: &Server, why: &str) {
    let refused = say(&mut server.raw(), "MODULE UNLOAD durable");
    assert!(refused.starts_with("-ERR "), "{refused}");
    server.wait_for_log(&format!("not unloaded: {why}"));
}

/// Unloads the module and loads it again. The server unloads it only without blocked clients and
/// without timers, so this asserts that none are left. On servers where the module refuses, it
/// asserts the refusal.
#[track_caller]
pub fn unload_and_load_again(server: &Server) {
    wait_for_waiters(server, 0);
    eventually("the server to have no blocked client", || {
        server.info_number("clients", "blocked_clients") == 0
    });
    if stays_for_good(server) {
        return assert_stays(server, "this server looks commands up long before");
    }
    let threads: Vec<String> = server.run(&["CONFIG", "GET", "io-threads"]);
    if server.has(LOOKS_UP_COMMANDS_IN_IO_THREADS) && threads[1] != "1" {
        return assert_stays(
            server,
            "I/O threads may be about to run a command of the module",
        );
    }
    // The module refuses while a client's last command was one of its own. The tests no longer need
    // their clients here.
    server.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // The module refuses for the turn in which a wake-up is pending.
    eventually("the module to be unloaded", || {
        server
            .try_run::<()>(&["MODULE", "UNLOAD", "durable"])
            .is_ok()
    });
    let mut conn = server.raw();
    let unknown = say(&mut conn, "DURABLE.SET again v");
    assert!(unknown.starts_with("-ERR unknown command"), "{unknown}");
    let path = testkit::module_path().display().to_string();
    assert_eq!(conn.call_text(&["MODULE", "LOAD", &path]), "+OK\r\n");
    assert_eq!(
        info(server, "waiters_peak"),
        0,
        "counters of the old module"
    );
}
