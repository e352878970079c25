//! The server sleeps between its crons while clients wait, with a deadline and without one. An
//! event loop that never sleeps would take a whole processor.

use std::fs;

use testkit::{eventually, Cluster, Server};

use crate::support::slots::{alone, token, wait_for_blocked};
use crate::support::{key_of, send, silent_replica, silent_replica_and_key, wait_for_waiters};

/// How often the server's main thread has slept.
fn sleeps(server: &Server) -> u64 {
    let pid = server.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/task/{pid}/status"));
    let status = status.expect("the status of the server's main thread");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let number = line.and_then(|number| number.trim().parse().ok());
    number.expect("a number of voluntary context switches")
}

/// The cron runs ten times a second. A server that sleeps does so before each cron.
#[track_caller]
fn assert_sleeps(server: &Server) {
    let uptime = || server.info_number("server", "uptime_in_seconds");
    let (slept, began) = (sleeps(server), uptime());
    eventually("two seconds of crons", || uptime() > began + 2);
    let slept = sleeps(server) - slept;
    assert!(slept >= 10, "slept {slept} times");
}

#[track_caller]
fn assert_sleeps_while_waiting(server: &Server, key: &str) {
    for timeout in ["0", "3600000"] {
        let mut conn = server.raw();
        send(&mut conn, &format!("DURABLE.SET {key} v TIMEOUT {timeout}"));
        wait_for_waiters(server, 1);
        assert_sleeps(server);
        assert!(!conn.is_readable_now(), "it still waits");
        drop(conn);
        wait_for_waiters(server, 0);
    }
}

#[test]
fn a_server_sleeps_while_clients_wait() {
    let primary = Server::builder().start();
    let _replica = silent_replica(&primary);
    assert_sleeps_while_waiting(&primary, "k");
}

#[test]
fn a_cluster_node_sleeps_while_clients_wait() {
    let cluster = Cluster::builder(3, 0).start();
    let node = &cluster.nodes[0];
    let key = key_of(&cluster, 0);
    let _replica = silent_replica_and_key(node, &key);
    assert_sleeps_while_waiting(node, &key);
}

#[test]
fn a_cluster_node_sleeps_while_clients_watch() {
    for max_age in ["100", "0"] {
        let cluster = alone(max_age);
        let node = &cluster.nodes[0];
        let mut watcher = node.raw();
        let before = token(&mut watcher);
        send(&mut watcher, &format!("SLOTHINT.WATCH {before} 0"));
        wait_for_blocked(node, 1);
        assert_sleeps(node);
        assert!(!watcher.is_readable_now(), "the map has not changed");
    }
}
