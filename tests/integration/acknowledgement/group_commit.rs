//! Group commit: all commands of one turn of the event loop share one request to the replicas.
//!
//! The tests pause the server while commands arrive. When it continues, it finds all of them in one
//! turn.

use testkit::{eventually, Replicated};

use crate::support::{connections, get, info, replicated, say, send};

const CLIENTS: usize = 50;

/// Sends one command on each of many connections in one turn, and returns how many requests the
/// replicas got.
fn requests_in_one_turn(group: &Replicated, line: impl Fn(usize) -> String) -> i64 {
    let primary = &group.primary;
    let mut clients = connections(primary, CLIENTS);
    let before = info(primary, "ack_requests_total");
    primary.pause();
    for (number, client) in clients.iter_mut().enumerate() {
        send(client, &line(number));
    }
    primary.resume();
    for client in &mut clients {
        let reply = client.read_reply_bytes();
        assert!(
            reply == b"+OK\r\n" || reply == b":1\r\n",
            "{}",
            reply.escape_ascii()
        );
    }
    info(primary, "ack_requests_total") - before
}

#[test]
fn writes_of_many_clients_in_one_turn_share_one_request() {
    let group = replicated(1);
    let requests = requests_in_one_turn(&group, |number| format!("DURABLE.SET k{number} v"));
    assert_eq!(requests, 1);
    // All of them waited at the same time.
    assert_eq!(info(&group.primary, "waiters_peak"), CLIENTS as i64);
    for number in 0..CLIENTS {
        assert!(get(&group.replicas[0], &format!("k{number}")).is_some());
    }
}

#[test]
fn writes_in_different_databases_share_one_request_too() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, CLIENTS);
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(say(client, &format!("SELECT {}", number % 16)), "+OK\r\n");
    }
    let before = info(primary, "ack_requests_total");
    primary.pause();
    for client in &mut clients {
        send(client, "DURABLE.SET k v");
    }
    primary.resume();
    for client in &mut clients {
        assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(info(primary, "ack_requests_total") - before, 1);
    let mut replica = group.replicas[0].raw();
    for database in 0..16 {
        say(&mut replica, &format!("SELECT {database}"));
        assert_eq!(
            say(&mut replica, "EXISTS k"),
            ":1\r\n",
            "database {database}"
        );
    }
}

#[test]
fn fences_in_one_turn_share_one_request() {
    let group = replicated(1);
    group.primary.run::<()>(&["SET", "k", "v"]);
    assert!(requests_in_one_turn(&group, |_| "DURABLE.WAIT".into()) <= 1);
}

#[test]
fn nobody_waiting_means_no_requests() {
    let group = replicated(1);
    let before = info(&group.primary, "ack_requests_total");
    for number in 0..100 {
        group.primary.run::<()>(&["SET", "k", &number.to_string()]);
        group
            .primary
            .run::<()>(&["DURABLE.SET", "k", "v", "REPLICAS", "0"]);
    }
    assert_eq!(info(&group.primary, "ack_requests_total"), before);
}

#[test]
fn a_client_that_writes_in_every_turn_holds_nobody_up() {
    // Writers that never pause, while others wait for their acknowledgements.
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 8);
    for round in 0..100 {
        for client in &mut clients {
            send(client, &format!("DURABLE.SET k {round}"));
        }
        for client in &mut clients {
            assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
        }
    }
    eventually("all waits to end", || info(primary, "waiters") == 0);
    assert_eq!(info(primary, "acked_total"), 800);
}
