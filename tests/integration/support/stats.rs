//! The module's counters, the server's clock and its command statistics.

use testkit::{eventually, Server};

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

/// The server's clock in microseconds.
pub fn server_time(server: &Server) -> u64 {
    let (seconds, micros): (u64, u64) = server.run(&["TIME"]);
    seconds * 1_000_000 + micros
}

/// How often a command was called, by INFO commandstats: `client|list`, say.
#[track_caller]
pub fn calls(server: &Server, command: &str) -> u64 {
    let stats = server.info("commandstats");
    let number = |line: &String| line.strip_prefix("calls=")?.split(',').next()?.parse().ok();
    let line = stats.get(&format!("cmdstat_{command}"));
    line.and_then(number).unwrap_or(0)
}
