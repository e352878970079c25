//! Servers with I/O threads. They read and write clients in other threads than the module's, and at
//! other moments of the turn.
//!
//! From 8.0 on Redis moves each client that has to wait from its I/O thread to the main thread. For
//! this the main thread stops the I/O thread and starts it again. Each of the two threads spins
//! until the other one has reacted. With more threads than cores each of these meetings costs a
//! time slice of the scheduler. So these tests use few clients and rounds. More of them would show
//! nothing else.

use testkit::differences::CLIENTS_BELONG_TO_IO_THREADS;
use testkit::{Cluster, RawConn, Replicated};

use crate::support::{
    builder, connections, in_threads, info, keys_of, packet, patient, say, unload_and_load_again,
    wait_for_waiters,
};

/// The number of clients that wait at the same time.
const CLIENTS: usize = 10;

fn with_io_threads() -> Replicated {
    builder(1)
        .primary(|builder| in_threads(patient(builder)))
        .start()
}

#[test]
fn durable_writes_of_many_clients_are_all_acknowledged() {
    let group = with_io_threads();
    let primary = &group.primary;
    let mut clients = connections(primary, CLIENTS);
    for round in 10..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_bytes(&packet(&[&format!("DURABLE.SET k{number} {round}")]));
        }
        for client in &mut clients {
            assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
        }
    }
    let mut replica = group.replicas[0].raw();
    for number in 0..CLIENTS {
        assert_eq!(say(&mut replica, &format!("GET k{number}")), "$2\r\n19\r\n");
    }
    assert_eq!(info(primary, "acked_total"), 100);
}

#[test]
fn a_lone_client_is_answered_without_anybody_else_waking_the_server() {
    let group = with_io_threads();
    let mut conn = group.primary.raw();
    for number in 0..10 {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k {number}")),
            "+OK\r\n"
        );
    }
}

/// Moving clients between threads is slow, so docs/operations/io-threads.md recommends tracking.
#[test]
fn a_client_with_tracking_on_stays_on_the_main_thread() {
    let group = with_io_threads();
    let primary = &group.primary;
    if !primary.has(CLIENTS_BELONG_TO_IO_THREADS) {
        return;
    }
    let mut plain = primary.raw();
    let mut tracking = primary.raw();
    assert_eq!(say(&mut tracking, "CLIENT TRACKING ON OPTIN"), "+OK\r\n");
    for (conn, stays) in [(&mut plain, false), (&mut tracking, true)] {
        for round in 0..5 {
            assert_eq!(say(conn, &format!("DURABLE.SET k {round}")), "+OK\r\n");
            let line = say(conn, "CLIENT INFO");
            let on_main_thread = line.split_whitespace().any(|word| word == "io-thread=0");
            assert_eq!(on_main_thread, stays, "{line}");
        }
    }
}

#[test]
fn storms_of_unblocking_answer_each_client_once() {
    let group = with_io_threads();
    let primary = &group.primary;
    let mut clients = connections(primary, CLIENTS);
    let ids: Vec<u64> = clients.iter_mut().map(RawConn::client_id).collect();
    let lines: Vec<String> = ids
        .iter()
        .map(|id| format!("CLIENT UNBLOCK {id} TIMEOUT"))
        .collect();
    let unblock = packet(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut operators = connections(primary, 2);
    for round in 0..10 {
        for client in &mut clients {
            client.send_bytes(&packet(&[
                &format!("DURABLE.SET k {round}"),
                &format!("ECHO {round}"),
            ]));
        }
        for operator in &mut operators {
            operator.send_bytes(&unblock);
        }
        for operator in &mut operators {
            for _ in &lines {
                operator.read_reply_bytes();
            }
        }
        for client in &mut clients {
            let reply = client.read_reply_bytes();
            let known = reply == b"+OK\r\n" || reply.starts_with(b"-UNACKED ");
            assert!(known, "{}", reply.escape_ascii());
            let echo = client.read_reply_bytes();
            let expected = format!("\r\n{round}\r\n");
            assert!(
                echo.ends_with(expected.as_bytes()),
                "{}",
                echo.escape_ascii()
            );
        }
    }
    let ended = info(primary, "acked_total") + info(primary, "unacked_total");
    assert_eq!(ended, 100);
    wait_for_waiters(primary, 0);
    unload_and_load_again(primary);
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing_behind() {
    let group = with_io_threads();
    let primary = &group.primary;
    for _ in 0..5 {
        let mut clients = connections(primary, CLIENTS);
        for client in &mut clients {
            client.send_bytes(&packet(&["DURABLE.SET k v"; 5]));
        }
        drop(clients);
    }
    wait_for_waiters(primary, 0);
    assert_eq!(say(&mut primary.raw(), "DURABLE.SET k v"), "+OK\r\n");
    unload_and_load_again(primary);
}

/// In a cluster, Valkey and Redis from 8.2 on look for the keys of commands on I/O threads. If they
/// called the module for the keys there, they would crash.
#[test]
fn in_a_cluster_any_command_is_called_while_others_write() {
    let cluster = Cluster::builder(2, 1)
        .node(|_, builder| in_threads(patient(builder)).config("appendonly", "yes"))
        .start();
    let node = &cluster.nodes[0];
    let keys: Vec<String> = keys_of(&cluster, 0).take(CLIENTS + 2).collect();
    let mut clients = connections(node, keys.len());
    for round in 0..12 {
        for (number, (client, key)) in clients.iter_mut().zip(&keys).enumerate() {
            let line = match number % 4 {
                0 => format!("DURABLE.CALL SET {key} {round}"),
                1 => format!("DURABLE.CALL REPLICAS 0 GET {key}"),
                2 => format!("DURABLE.SET {key} {round}"),
                _ => format!("SET {key} {round}"),
            };
            client.send_bytes(&packet(&[&line]));
        }
        for client in &mut clients {
            let reply = client.read_reply_bytes();
            assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
        }
    }
    unload_and_load_again(node);
}
