//! SLOTHINT.WATCH: a change of the map ends the wait, and so do its timeout, an operator and a
//! disconnect.

use testkit::redis::Value;
use testkit::RawConn;

use crate::support::slots::{
    agreed, alone, read, read_map, rename, set, token, topology_reads, wait_for_blocked, Talk,
};
use crate::support::{connections, packet, say, send, unload_and_load_again};

#[test]
fn watchers_are_woken_by_a_change_and_told_the_new_map() {
    for max_age in ["100", "0"] {
        let cluster = alone(max_age);
        let node = &cluster.nodes[0];
        let mut watchers = connections(node, 20);
        watchers.iter_mut().skip(10).for_each(RawConn::hello3);
        let before = token(&mut watchers[0]);
        for watcher in &mut watchers {
            send(watcher, &format!("SLOTHINT.WATCH {before} 0"));
        }
        wait_for_blocked(node, 20);
        rename(node, "second.example");
        let replies: Vec<Vec<u8>> = watchers.iter_mut().map(Talk::take).collect();
        let now = agreed(&mut node.raw());
        assert_ne!(now.token, before);
        for reply in replies {
            assert_eq!(read_map(&read(&reply)), now);
        }
        // Again, with the token of the new map.
        for watcher in &mut watchers {
            send(watcher, &format!("SLOTHINT.WATCH {} 0", now.token));
        }
        wait_for_blocked(node, 20);
        rename(node, "third.example");
        for watcher in &mut watchers {
            assert_ne!(read_map(&read(&watcher.take())).token, now.token);
        }
        drop(watchers);
        unload_and_load_again(node);
    }
}

#[test]
fn one_look_wakes_all_watchers() {
    let cluster = alone("60000");
    let node = &cluster.nodes[0];
    let mut watchers = connections(node, 50);
    let before = token(&mut watchers[0]);
    for watcher in &mut watchers {
        send(watcher, &format!("SLOTHINT.WATCH {before} 0"));
    }
    wait_for_blocked(node, 50);
    rename(node, "second.example");
    assert_eq!(
        topology_reads(node),
        1,
        "the topology was read again without an expired map"
    );
    set(node, "durable.slothint-max-age-ms", "60");
    for watcher in &mut watchers {
        assert_ne!(read_map(&read(&watcher.take())).token, before);
    }
    assert_eq!(topology_reads(node), 2);
}

#[test]
fn a_change_that_somebody_else_sees_first_wakes_the_watchers() {
    let cluster = alone("60000");
    let node = &cluster.nodes[0];
    let mut watcher = node.raw();
    let before = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {before} 0"));
    wait_for_blocked(node, 1);
    // The map becomes too old and SLOTHINT reads a new one, in one turn.
    let mut conn = node.raw();
    conn.send_bytes(&packet(&[
        "MULTI",
        "CONFIG SET cluster-announce-hostname second.example",
        "CONFIG SET durable.slothint-max-age-ms 0",
        "SLOTHINT foo",
        "CONFIG SET durable.slothint-max-age-ms 60000",
        "EXEC",
    ]));
    let woken = read_map(&read(&watcher.take()));
    assert_ne!(woken.token, before);
    assert_eq!(topology_reads(node), 2);
}

#[test]
fn a_watcher_that_knows_another_map_is_answered_at_once() {
    let cluster = alone("100");
    let mut conn = cluster.nodes[0].raw();
    let current = say(&mut conn, "SLOTHINT.MAP");
    for token in ["0", "1", "9223372036854775807"] {
        assert_eq!(
            say(&mut conn, &format!("SLOTHINT.WATCH {token} 0")),
            current
        );
    }
}

#[test]
fn the_time_of_one_watcher_ends_and_that_of_another_never() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let (mut for_ever, mut short, mut resp3) = (node.raw(), node.raw(), node.raw());
    resp3.hello3();
    let known = token(&mut for_ever);
    send(&mut for_ever, &format!("SLOTHINT.WATCH {known} 0"));
    wait_for_blocked(node, 1);
    assert_eq!(
        say(&mut short, &format!("SLOTHINT.WATCH {known} 20")),
        "$-1\r\n"
    );
    assert_eq!(
        say(&mut short, &format!("SLOTHINT.WATCH {known} 1")),
        "$-1\r\n"
    );
    assert_eq!(
        say(&mut resp3, &format!("SLOTHINT.WATCH {known} 20")),
        "_\r\n"
    );
    assert!(!for_ever.is_readable_now());
    // Many at a time, with timeouts in any order.
    let mut watchers = connections(node, 60);
    for (number, watcher) in watchers.iter_mut().enumerate() {
        send(
            watcher,
            &format!("SLOTHINT.WATCH {known} {}", 1 + number * 7 % 60),
        );
    }
    for watcher in &mut watchers {
        assert_eq!(watcher.take(), b"$-1\r\n");
    }
    assert!(!for_ever.is_readable_now());
    wait_for_blocked(node, 1);
    // Timeouts also work with a maximum age of 0 and with a long one.
    for age in ["0", "60000"] {
        set(node, "durable.slothint-max-age-ms", age);
        assert_eq!(
            say(&mut short, &format!("SLOTHINT.WATCH {known} 20")),
            "$-1\r\n"
        );
    }
    drop(for_ever);
    unload_and_load_again(node);
}

#[test]
fn an_operator_ends_the_wait_in_either_way() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let (mut watcher, mut operator) = (node.raw(), node.raw());
    let id = watcher.client_id();
    let known = token(&mut watcher);
    for (how, expected) in [
        ("", "$-1\r\n"),
        (" TIMEOUT", "$-1\r\n"),
        (
            " ERROR",
            "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
        ),
    ] {
        for timeout in [0, 60000] {
            send(&mut watcher, &format!("SLOTHINT.WATCH {known} {timeout}"));
            wait_for_blocked(node, 1);
            let line = format!("CLIENT UNBLOCK {id}{how}");
            assert_eq!(say(&mut operator, &line), ":1\r\n", "{line}");
            let reply = String::from_utf8_lossy(&watcher.take()).into_owned();
            assert_eq!(reply, expected, "{line}");
            assert_eq!(
                say(&mut operator, &line),
                ":0\r\n",
                "CLIENT UNBLOCK found a client that does not wait"
            );
            assert_eq!(say(&mut watcher, "PING"), "+PONG\r\n");
        }
    }
    unload_and_load_again(node);
}

#[test]
fn watchers_that_are_killed_or_leave_are_forgotten() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let known = token(&mut node.raw());
    let watch = |count: i64| {
        let mut watchers = connections(node, count as usize);
        for watcher in &mut watchers {
            send(watcher, &format!("SLOTHINT.WATCH {known} 0"));
            // The server does not read this during the wait.
            send(watcher, "PING");
        }
        wait_for_blocked(node, count);
        watchers
    };
    let mut killed = node.raw();
    let id = killed.client_id();
    send(&mut killed, &format!("SLOTHINT.WATCH {known} 0"));
    wait_for_blocked(node, 1);
    assert_eq!(
        say(&mut node.raw(), &format!("CLIENT KILL ID {id}")),
        ":1\r\n"
    );
    assert_eq!(killed.read_until_closed(), b"");
    wait_for_blocked(node, 0);
    drop(watch(10));
    wait_for_blocked(node, 0);
    unload_and_load_again(node);
    // Disconnects during a change of the map.
    let watchers = watch(10);
    let mut conn = node.raw();
    send(
        &mut conn,
        "CONFIG SET cluster-announce-hostname second.example",
    );
    drop(watchers);
    assert_eq!(conn.take(), b"+OK\r\n");
    wait_for_blocked(node, 0);
    unload_and_load_again(node);
}

#[test]
fn what_follows_a_watch_in_the_same_packet_waits_with_it() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let known = token(&mut conn);
    let watch = format!("SLOTHINT.WATCH {known} 0");
    conn.send_bytes(&packet(&[&watch, "SLOTHINT foo", &watch]));
    wait_for_blocked(node, 1);
    assert!(!conn.is_readable_now());
    rename(node, "second.example");
    let woken = read_map(&read(&conn.take()));
    let Value::Array(hint) = read(&conn.take()) else {
        panic!("SLOTHINT did not answer an array");
    };
    assert_eq!(hint[0], Value::Int(woken.token));
    assert_eq!(
        read_map(&read(&conn.take())),
        woken,
        "the watch with the old token was not answered with the new map"
    );
}

#[test]
fn in_transactions_and_scripts_nobody_waits() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    for resp3 in [false, true] {
        let mut conn = node.raw();
        if resp3 {
            conn.hello3();
        }
        let null = if resp3 { "_\r\n" } else { "$-1\r\n" };
        let current = say(&mut conn, "SLOTHINT.MAP");
        let known = token(&mut conn).to_string();
        say(&mut conn, "MULTI");
        say(&mut conn, &format!("SLOTHINT.WATCH {known} 0"));
        say(&mut conn, "SLOTHINT.WATCH 0 0");
        let expected = format!("*2\r\n{null}{current}");
        assert_eq!(say(&mut conn, "EXEC"), expected);
        let script = "return redis.call('SLOTHINT.WATCH', ARGV[1], 0)";
        assert_eq!(conn.call_text(&["EVAL", script, "0", &known]), null);
        let script = "return #redis.call('SLOTHINT.WATCH', 0, 0)";
        assert_eq!(conn.call_text(&["EVAL", script, "0"]), ":3\r\n");
    }
    wait_for_blocked(node, 0);
    unload_and_load_again(node);
}

#[test]
fn one_watcher_more_than_may_wait_is_refused() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    set(node, "durable.max-waiters", "3");
    let mut watchers = connections(node, 3);
    let mut refused = node.raw();
    let known = token(&mut refused);
    let watch = format!("SLOTHINT.WATCH {known} 0");
    for watcher in &mut watchers {
        send(watcher, &watch);
    }
    wait_for_blocked(node, 3);
    let reply = say(&mut refused, &watch);
    assert!(
        reply.starts_with("-OVERLOADED 3 clients are already watching"),
        "{reply}"
    );
    // Commands that need not wait are answered.
    assert_eq!(token(&mut refused), known);
    assert_eq!(read_map(&refused.line("SLOTHINT.WATCH 0 0")).token, known);
    // A watcher that leaves makes room for another.
    watchers.pop();
    wait_for_blocked(node, 2);
    send(&mut refused, &watch);
    wait_for_blocked(node, 3);
    rename(node, "second.example");
    for watcher in watchers.iter_mut().chain([&mut refused]) {
        assert_ne!(read_map(&read(&watcher.take())).token, known);
    }
}
