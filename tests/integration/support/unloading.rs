//! Unloading and loading the module, which shows that no wait and no timer is left.

use testkit::differences::{LOOKS_UP_COMMANDS_IN_IO_THREADS, LOOKS_UP_PIPELINES_AHEAD};
use testkit::{eventually, Server};

use crate::support::{info, say, wait_for_waiters};

/// Whether the module always refuses to be unloaded on this server.
pub fn never_unloads(server: &Server) -> bool {
    server.has(LOOKS_UP_PIPELINES_AHEAD)
}

/// Asserts that the module refuses to be unloaded, and logs this reason.
#[track_caller]
pub fn assert_unload_is_refused(server: &Server, why: &str) {
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
    if never_unloads(server) {
        return assert_unload_is_refused(server, "this server looks commands up long before");
    }
    let threads: Vec<String> = server.run(&["CONFIG", "GET", "io-threads"]);
    if server.has(LOOKS_UP_COMMANDS_IN_IO_THREADS) && threads[1] != "1" {
        return assert_unload_is_refused(
            server,
            "I/O threads may be about to run a command of the module",
        );
    }
    // The module refuses while a client's last command was one of its own. The tests no longer need
    // their clients here.
    server.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // The module also refuses in a turn in which a wake-up is pending. The next attempt succeeds.
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
