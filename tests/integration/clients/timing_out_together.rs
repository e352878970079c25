//! Waits that time out together are looked up by one CLIENT LIST: Valkey scans all of its clients
//! for each lookup by id.

use testkit::{Cluster, RawConn, Server};

use crate::support::{calls, connections, packet, patient, replicated, say, send};

const TOGETHER: usize = 300;

/// All clients send `line`, which waits for 0.1 s, and the server sleeps for 0.3 s, so all waits
/// time out at once.
fn expire_together(server: &Server, clients: &mut [RawConn], line: &str) {
    let mut operator = server.raw();
    say(&mut operator, "PING");
    server.pause();
    for client in clients.iter_mut() {
        client.send_bytes(&packet(&[line]));
    }
    send(&mut operator, "DEBUG SLEEP 0.3");
    server.resume();
    assert_eq!(operator.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn writes_that_expire_together_are_looked_up_together() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, TOGETHER);
    group.replicas[0].pause();
    let before = calls(primary, "client|list");
    expire_together(primary, &mut clients, "DURABLE.SET k v TIMEOUT 100");
    for client in &mut clients {
        let reply = client.read_reply_bytes();
        assert!(reply.starts_with(b"-UNACKED "), "{}", reply.escape_ascii());
    }
    let calls = calls(primary, "client|list") - before;
    assert!(
        calls > 0 && calls < TOGETHER as u64 / 3,
        "{calls} calls of CLIENT LIST"
    );
    group.replicas[0].resume();
}

#[test]
fn watches_that_expire_together_are_looked_up_together() {
    // A cluster that works: when a cluster has failed, Redis answers watchers itself.
    let cluster = Cluster::builder(1, 0)
        .node(|_, builder| patient(builder))
        .start();
    let node = &cluster.nodes[0];
    let mut clients = connections(node, TOGETHER);
    let map = say(&mut clients[0], "SLOTHINT.MAP");
    let token = map.lines().nth(1).and_then(|line| line.strip_prefix(':'));
    let token = token.expect("no token in SLOTHINT.MAP").to_owned();
    let before = calls(node, "client|list");
    expire_together(node, &mut clients, &format!("SLOTHINT.WATCH {token} 100"));
    for client in &mut clients {
        assert_eq!(client.read_reply_bytes(), b"$-1\r\n");
    }
    let calls = calls(node, "client|list") - before;
    assert!(
        calls > 0 && calls < TOGETHER as u64 / 3,
        "{calls} calls of CLIENT LIST"
    );
}

#[test]
fn the_first_hint_of_a_connection_asks_for_no_list_of_clients() {
    let node = patient(Server::builder()).cluster(true).start();
    for mut client in connections(&node, 3) {
        assert!(say(&mut client, "SLOTHINT k").starts_with("*3\r\n"));
    }
    assert_eq!(calls(&node, "client|list"), 0);
}
