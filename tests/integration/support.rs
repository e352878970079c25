//! What the tests share: short spellings, and waiting for the module's own counters.
//!
//! Waits have no deadline unless a test is about deadlines: `timeout-ms 0` everywhere else, so that
//! no test depends on how fast the machine is.

use testkit::differences::{LOOKS_UP_COMMANDS_IN_IO_THREADS, LOOKS_UP_PIPELINES_AHEAD};
use testkit::{
    eventually, FakeReplica, RawConn, Replicated, ReplicatedBuilder, Server, ServerBuilder,
};

/// The module, waiting for ever unless a command says otherwise.
pub fn patient(builder: ServerBuilder) -> ServerBuilder {
    builder.module_args(&["timeout-ms", "0"])
}

/// Two threads that read and write for the server beside its own. More of them show nothing else,
/// and are slow where there are fewer cores than threads.
pub fn in_threads(builder: ServerBuilder) -> ServerBuilder {
    builder
        .config("io-threads", "3")
        // Newer servers always read in threads; they still take the setting.
        .config("io-threads-do-reads", "yes")
}

/// A primary that waits for ever, with so many replicas in step.
#[track_caller]
pub fn replicated(replicas: usize) -> Replicated {
    builder(replicas).start()
}

/// As [`replicated`], to be changed before it starts.
pub fn builder(replicas: usize) -> ReplicatedBuilder {
    Replicated::builder().replicas(replicas).primary(patient)
}

/// A replica that never reports by itself: what it is sent and what it answers is all there is. It has acknowledged
/// the first bytes of the stream, since one that acknowledged nothing does not count.
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

/// Sends one command, written as a line of words, and returns the reply as text.
#[track_caller]
pub fn say(conn: &mut RawConn, line: &str) -> String {
    send(conn, line);
    String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned()
}

/// Sends one command, written as a line of words.
pub fn send(conn: &mut RawConn, line: &str) {
    conn.send(&line.split_whitespace().collect::<Vec<_>>());
}

/// The bytes of several commands, each a line of words, as one packet.
pub fn packet(lines: &[&str]) -> Vec<u8> {
    let encode = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        testkit::encode_command(&words)
    };
    lines.iter().flat_map(encode).collect()
}

/// So many connections that the server has accepted.
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

/// A number of INFO durable; the field without its `durable_`.
#[track_caller]
pub fn info(server: &Server, field: &str) -> i64 {
    server.info_number("durable", &format!("durable_{field}"))
}

/// Waits until exactly so many clients wait.
#[track_caller]
pub fn wait_for_waiters(server: &Server, count: i64) {
    eventually(&format!("{count} waiting clients"), || {
        info(server, "waiters") == count
    });
}

/// The refusal of a command that requires more replicas than count; `others` links do not count.
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

/// What DURABLE.REPLICAS says of each link, in its order: whether it counts, and why not.
#[track_caller]
pub fn verdicts(server: &Server) -> Vec<(u64, String)> {
    let links: Vec<std::collections::HashMap<String, String>> = server.run(&["DURABLE.REPLICAS"]);
    let verdict = |link: &std::collections::HashMap<String, String>| {
        let counts = link["counts"].parse().expect("counts is a number");
        (counts, link["reason"].clone())
    };
    links.iter().map(verdict).collect()
}

/// The value of a key, `None` where there is none.
#[track_caller]
pub fn get(server: &Server, key: &str) -> Option<String> {
    server.run(&["GET", key])
}

/// Whether the module refuses to be unloaded on this server, whatever is going on.
pub fn stays_for_good(server: &Server) -> bool {
    server.has(LOOKS_UP_PIPELINES_AHEAD)
}

#[track_caller]
pub fn assert_stays(server: &Server, why: &str) {
    let refused = say(&mut server.raw(), "MODULE UNLOAD durable");
    assert!(refused.starts_with("-ERR "), "{refused}");
    server.wait_for_log(&format!("not unloaded: {why}"));
}

/// Nobody waits, and the server has no blocked client and no timer left: only then does it unload
/// the module. Loads it again, and shows that it works. With I/O threads that look commands up the module stays.
#[track_caller]
pub fn unload_and_load_again(server: &Server) {
    wait_for_waiters(server, 0);
    eventually("no client to be blocked", || {
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
    // The module stays while a client's last command was one of its own. The tests are done with their
    // clients here.
    server.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // The module itself refuses for the one turn in which a wake-up is still under way.
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
    assert_eq!(info(server, "waiters_peak"), 0, "the old state is gone");
}
