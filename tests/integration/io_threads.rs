//! Servers with I/O threads: clients are read and written by other threads than the one that the
//! module lives on, and at other moments of the turn.

use testkit::{RawConn, Replicated};

use crate::support::{
    builder, connections, info, packet, patient, say, unload_and_load_again, wait_for_waiters,
};

fn with_io_threads() -> Replicated {
    builder(1)
        .primary(|builder| {
            patient(builder)
                .config("io-threads", "4")
                // Newer servers always read in threads; they still take the setting.
                .config("io-threads-do-reads", "yes")
        })
        .start()
}

#[test]
fn durable_writes_of_many_clients_are_all_acknowledged() {
    let group = with_io_threads();
    let primary = &group.primary;
    let mut clients = connections(primary, 50);
    for round in 0..40 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_bytes(&packet(&[&format!("DURABLE.SET k{number} {round}")]));
        }
        for client in &mut clients {
            assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
        }
    }
    let mut replica = group.replicas[0].raw();
    for number in 0..50 {
        assert_eq!(say(&mut replica, &format!("GET k{number}")), "$2\r\n39\r\n");
    }
    assert_eq!(info(primary, "acked_total"), 2000);
}

#[test]
fn a_lone_client_is_answered_without_anybody_else_waking_the_server() {
    let group = with_io_threads();
    let mut conn = group.primary.raw();
    for number in 0..100 {
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k {number}")),
            "+OK\r\n"
        );
    }
}

#[test]
fn storms_of_unblocking_answer_each_client_once() {
    let group = with_io_threads();
    let primary = &group.primary;
    let mut clients = connections(primary, 50);
    let ids: Vec<u64> = clients.iter_mut().map(RawConn::client_id).collect();
    let lines: Vec<String> = ids
        .iter()
        .map(|id| format!("CLIENT UNBLOCK {id} TIMEOUT"))
        .collect();
    let unblock = packet(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut operators = connections(primary, 2);
    for round in 0..50 {
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
    assert_eq!(ended, 50 * 50);
    wait_for_waiters(primary, 0);
    unload_and_load_again(primary);
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing_behind() {
    let group = with_io_threads();
    let primary = &group.primary;
    for _ in 0..5 {
        let mut clients = connections(primary, 50);
        for client in &mut clients {
            client.send_bytes(&packet(&["DURABLE.SET k v"; 5]));
        }
        drop(clients);
    }
    wait_for_waiters(primary, 0);
    assert_eq!(say(&mut primary.raw(), "DURABLE.SET k v"), "+OK\r\n");
    unload_and_load_again(primary);
}
