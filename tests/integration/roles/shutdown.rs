//! The primary shuts down while clients wait: no client gets an acknowledgement that did not
//! happen.

use testkit::{eventually, Server};

use crate::support::{get, replicated, say, send, unload_and_load_again, waiting};

const LINES: [&str; 4] = [
    "DURABLE.SET k v",
    "DURABLE.CALL SET k2 v",
    "DURABLE.GET k",
    "DURABLE.WAIT",
];

fn ended_in_order(server: &Server) {
    eventually("the server to end", || !server.is_alive());
    let log = server.log();
    assert!(log.contains("ready to exit, bye bye"), "{log}");
    assert!(
        !log.contains("crashed") && !log.contains("ASSERTION"),
        "{log}"
    );
}

#[test]
fn a_shutdown_with_waiting_clients_is_an_orderly_one_and_claims_nothing() {
    for how in ["NOW", "NOW NOSAVE", "NOW FORCE"] {
        let group = replicated(1);
        let mut clients = waiting(&group, &LINES);
        send(&mut group.primary.raw(), &format!("SHUTDOWN {how}"));
        for client in &mut clients {
            assert_eq!(client.read_until_closed(), b"", "SHUTDOWN {how}");
        }
        ended_in_order(&group.primary);
        group.replicas[0].resume();
    }
}

#[test]
fn a_shutdown_that_waits_for_the_replicas_lets_them_acknowledge() {
    let group = replicated(1);
    let mut clients = waiting(&group, &LINES);
    let mut operator = group.primary.raw();
    send(&mut operator, "SHUTDOWN");
    group
        .primary
        .wait_for_log("Waiting for replicas before shutting down");
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        // Either acknowledged just before the end or not answered.
        let last =
            String::from_utf8(client.read_until_closed()).expect("a reply that is not UTF-8");
        let known =
            last.is_empty() || ["+OK\r\n", "$1\r\nv\r\n", ":1\r\n"].contains(&last.as_str());
        assert!(known, "{line}: {last}");
    }
    ended_in_order(&group.primary);
    eventually("the write to reach the replica", || {
        get(&group.replicas[0], "k2").is_some()
    });
}

#[test]
fn a_shutdown_that_is_aborted_goes_on_as_before() {
    let group = replicated(1);
    let mut clients = waiting(&group, &LINES);
    let (mut stopping, mut operator) = (group.primary.raw(), group.primary.raw());
    send(&mut stopping, "SHUTDOWN");
    group
        .primary
        .wait_for_log("Waiting for replicas before shutting down");
    assert_eq!(say(&mut operator, "SHUTDOWN ABORT"), "+OK\r\n");
    assert!(stopping.read_reply_bytes().starts_with(b"-ERR "));
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    unload_and_load_again(&group.primary);
}
