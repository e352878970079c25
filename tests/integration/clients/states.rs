//! Clients in unusual states: without replies, subscribed, tracking keys, monitoring, inline,
//! reset. The server survives, and each client gets the replies that fit its state.

use testkit::differences::BLOCKS_NO_SUBSCRIBERS;
use testkit::eventually;

use crate::support::{get, packet, replicated, say, send, wait_for_waiters};

#[test]
fn a_client_that_wants_no_replies_gets_none_and_its_writes_are_made() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.send_bytes(&packet(&[
        "CLIENT REPLY OFF",
        "DURABLE.SET k1 v",
        "DURABLE.SET k2 v GET",
        "DURABLE.SET k3 v EX 0",
        "DURABLE.WAIT",
        "CLIENT REPLY ON",
        "DURABLE.SET k4 v",
    ]));
    // The first reply is that of CLIENT REPLY ON.
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    for key in ["k1", "k2", "k4"] {
        assert!(get(&group.replicas[0], key).is_some(), "{key}");
    }
}

#[test]
fn a_client_that_skips_one_reply_gets_the_next() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.send_bytes(&packet(&[
        "CLIENT REPLY SKIP",
        "DURABLE.SET k v",
        "DURABLE.SET k w GET",
        "CLIENT REPLY SKIP",
        "DURABLE.WAIT",
        "PING",
    ]));
    assert_eq!(conn.read_reply_bytes(), b"$1\r\nv\r\n");
    assert_eq!(conn.read_reply_bytes(), b"+PONG\r\n");
}

#[test]
fn a_client_without_replies_that_is_given_up_gets_none_either() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    conn.send_bytes(&packet(&[
        "CLIENT REPLY OFF",
        "DURABLE.SET k v TIMEOUT 1",
        "DURABLE.WAIT TIMEOUT 1",
        "CLIENT REPLY ON",
    ]));
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    group.replicas[0].resume();
}

#[test]
fn the_protocol_is_that_of_the_moment() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k w NX"), "$-1\r\n");
    conn.hello3();
    assert_eq!(say(&mut conn, "DURABLE.SET k w NX"), "_\r\n");
    assert!(say(&mut conn, "HELLO 2").starts_with('*'));
    assert_eq!(say(&mut conn, "DURABLE.SET k w NX"), "$-1\r\n");
}

#[test]
fn a_subscriber_in_resp3_waits_among_its_messages_or_executes_nothing() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.hello3();
    assert!(say(&mut conn, "SUBSCRIBE news").starts_with(">3\r\n"));
    if group.primary.has(BLOCKS_NO_SUBSCRIBERS) {
        let offset = group.primary.offset();
        for (command, name) in [
            ("DURABLE.SET k v", "DURABLE.SET"),
            ("DURABLE.WAIT", "DURABLE.WAIT"),
        ] {
            let refused = say(&mut conn, command);
            let named = refused.starts_with(&format!("-ERR {name} "));
            assert!(
                named && refused.contains("nothing was executed"),
                "{refused}"
            );
        }
        assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
        assert_eq!(group.primary.offset(), offset);
        assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 0"), "+OK\r\n");
        return;
    }
    group.replicas[0].pause();
    send(&mut conn, "DURABLE.SET k v");
    wait_for_waiters(&group.primary, 1);
    // A message may come before the held reply, and is not mixed into it.
    group.primary.run::<()>(&["PUBLISH", "news", "hello"]);
    assert!(conn
        .read_reply_bytes()
        .starts_with(b">3\r\n$7\r\nmessage\r\n"));
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn a_client_that_tracks_keys_hears_of_durable_writes_of_others() {
    let group = replicated(1);
    let (mut reader, mut writer) = (group.primary.raw(), group.primary.raw());
    reader.hello3();
    assert_eq!(say(&mut reader, "CLIENT TRACKING ON"), "+OK\r\n");
    assert_eq!(say(&mut reader, "GET k"), "_\r\n");
    assert_eq!(say(&mut writer, "DURABLE.SET k v"), "+OK\r\n");
    let push = reader.read_reply_bytes();
    assert_eq!(
        push,
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
        "{}",
        push.escape_ascii()
    );
    // A client also gets the invalidation of its own write.
    assert_eq!(say(&mut reader, "GET k"), "$1\r\nv\r\n");
    send(&mut reader, "DURABLE.SET k w");
    let mut both = [reader.read_reply_bytes(), reader.read_reply_bytes()];
    both.sort();
    assert_eq!(both[0], b"+OK\r\n");
    assert!(
        both[1].starts_with(b">2\r\n$10\r\ninvalidate\r\n"),
        "{}",
        both[1].escape_ascii()
    );
}

#[test]
fn a_monitor_sees_durable_writes_and_the_server_lives() {
    let group = replicated(1);
    let (mut monitor, mut writer) = (group.primary.raw(), group.primary.raw());
    assert_eq!(say(&mut monitor, "MONITOR"), "+OK\r\n");
    assert_eq!(say(&mut writer, "DURABLE.SET k v"), "+OK\r\n");
    eventually("the monitor to show the write", || {
        let line = monitor.read_reply_bytes();
        String::from_utf8_lossy(&line).contains("\"DURABLE.SET\" \"k\" \"v\"")
    });
}

#[test]
fn an_inline_command_is_one_like_any_other() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.send_bytes(b"durable.set k \"a b\\x00\" timeout 0\r\nDURABLE.WAIT\r\n");
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(say(&mut conn, "GET k"), "$4\r\na b\0\r\n");
}

#[test]
fn a_client_that_closes_only_its_sending_side_or_is_reset_leaves_the_server_alive() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.send_bytes(&packet(&["DURABLE.SET k v", "QUIT"]));
    let last = conn.read_until_closed();
    assert_eq!(last, b"+OK\r\n+OK\r\n", "{}", last.escape_ascii());
    let mut other = group.primary.raw();
    say(&mut other, "SELECT 3");
    send(&mut other, "DURABLE.SET k v");
    send(&mut other, "RESET");
    assert_eq!(other.read_reply_bytes(), b"+OK\r\n");
    assert_eq!(other.read_reply_bytes(), b"+RESET\r\n");
    assert_eq!(say(&mut other, "DURABLE.SET k w"), "+OK\r\n");
}
