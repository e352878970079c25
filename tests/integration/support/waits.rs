//! Clients that wait, each with another kind of command, and the state after their waits.

use testkit::{eventually, RawConn, Replicated, Server};

use crate::support::{connections, say, send, unload_and_load_again, wait_for_waiters};

/// Commands of every kind: writes, a read, DURABLE.CALL and a fence.
pub const EVERY_KIND: [&str; 6] = [
    "DURABLE.SET waited v",
    "DURABLE.CALL SET waited v",
    "DURABLE.GET waited",
    "DURABLE.INCR waited:count",
    "DURABLE.CALL RPUSH waited:list v",
    "DURABLE.WAIT",
];

/// Clients that wait for a paused replica, one for each of `lines`.
pub fn waiting(group: &Replicated, lines: &[&str]) -> Vec<RawConn> {
    let mut clients = connections(&group.primary, lines.len());
    group.replicas[0].pause();
    wait_one_by_one(&group.primary, &mut clients, lines);
    clients
}

/// Sends each line on its own connection when the wait of the line before has begun.
pub fn wait_one_by_one(primary: &Server, clients: &mut [RawConn], lines: &[&str]) {
    for (number, (client, line)) in clients.iter_mut().zip(lines).enumerate() {
        send(client, line);
        wait_for_waiters(primary, number as i64 + 1);
    }
}

/// Asserts that no client waits, that the module can be unloaded, and that primary and replicas
/// have the same data.
pub fn settles(group: &Replicated) {
    unload_and_load_again(&group.primary);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 0");
    let set = format!("DURABLE.SET after v REPLICAS {}", group.replicas.len());
    eventually("all replicas to acknowledge a write", || {
        say(&mut conn, &set) == "+OK\r\n"
    });
    let digest = |server: &Server| say(&mut server.raw(), "DEBUG DIGEST");
    for replica in &group.replicas {
        assert_eq!(digest(replica), digest(&group.primary));
    }
}
