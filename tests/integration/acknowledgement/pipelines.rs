//! Many commands in one packet are answered in order, each when it is acknowledged.

use crate::support::{connections, get, info, packet, replicated, say, wait_for_waiters};

#[test]
fn durable_writes_in_one_packet_are_answered_in_order() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let lines: Vec<String> = (1..=200)
        .map(|n| format!("DURABLE.SET k v{n} GET"))
        .collect();
    conn.send_bytes(&packet(
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    assert_eq!(conn.read_reply_bytes(), b"$-1\r\n");
    for number in 1..200 {
        let value = format!("v{number}");
        let expected = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(String::from_utf8_lossy(&conn.read_reply_bytes()), expected);
    }
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("v200"));
}

#[test]
fn durable_and_plain_commands_and_errors_keep_their_places() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let lines = [
        "DURABLE.SET k 1",
        "INCR k",
        "DURABLE.SET k v EX 0",
        "DURABLE.SET k v REPLICAS 2",
        "DURABLE.WAIT",
        "DURABLE.SET k v REPLICAS 0",
        "GET k",
        "DURABLE.SET k v NX",
        "PING",
    ];
    conn.send_bytes(&packet(&lines));
    let replies: Vec<String> = lines
        .iter()
        .map(|_| String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned())
        .collect();
    let expected = [
        "+OK\r\n",
        ":2\r\n",
        "-ERR invalid expire time in 'set' command\r\n",
        "-NOREPLICAS 1 of 2 required replicas are connected; nothing was executed\r\n",
        ":1\r\n",
        "+OK\r\n",
        "$1\r\nv\r\n",
        "$-1\r\n",
        "+PONG\r\n",
    ];
    assert_eq!(replies, expected);
}

#[test]
fn plain_writes_and_one_fence_in_one_packet_cost_one_request() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    let mut lines: Vec<String> = (0..1000).map(|n| format!("SET k{n} v")).collect();
    lines.push("DURABLE.WAIT".into());
    let before = info(primary, "ack_requests_total");
    conn.send_bytes(&packet(
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    for _ in 0..1000 {
        assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(say(&mut group.replicas[0].raw(), "DBSIZE"), ":1000\r\n");
    assert_eq!(info(primary, "ack_requests_total") - before, 1);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_packet_leaves_the_rest_unexecuted() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    group.replicas[0].pause();
    conn.send_bytes(&packet(&["DURABLE.SET a v", "DURABLE.SET b v"]));
    wait_for_waiters(primary, 1);
    drop(conn);
    wait_for_waiters(primary, 0);
    assert!(get(primary, "a").is_some());
    assert!(get(primary, "b").is_none());
    group.replicas[0].resume();
}

#[test]
fn many_pipelines_at_once_are_all_answered() {
    let group = replicated(2);
    let primary = &group.primary;
    let mut clients = connections(primary, 50);
    let sets = packet(&["DURABLE.SET k v REPLICAS 2"; 40]);
    for client in &mut clients {
        client.send_bytes(&sets);
    }
    for client in &mut clients {
        for _ in 0..40 {
            assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
        }
    }
    assert_eq!(info(primary, "acked_total"), 2000);
    assert_eq!(info(primary, "waiters"), 0);
}
