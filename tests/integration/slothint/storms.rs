//! Slot hints with many clients, I/O threads and random arguments: each command gets exactly one
//! reply, and the server survives.

use testkit::{eventually, Cluster, RawConn};

use crate::support::slots::{
    agreed, alone, hint, map, read, read_map, rename, set, token, wait_for_blocked, Talk,
};
use crate::support::{connections, in_threads, packet, say, unload_and_load_again, Chance};

#[test]
fn senseless_arguments_get_one_reply_each() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let known = token(&mut conn).to_string();
    let words: [&[u8]; 14] = [
        b"",
        b"0",
        b"1",
        b"-1",
        b"5",
        b"9223372036854775807",
        b"9223372036854775808",
        b"1e3",
        b" 1",
        b"\0",
        b"%s%n",
        b"{}",
        b"nan",
        known.as_bytes(),
    ];
    let mut chance = Chance::new(3);
    for _ in 0..3000 {
        let name = [
            "SLOTHINT",
            "SLOTHINT.MAP",
            "SLOTHINT.WATCH",
            "slothint.Watch",
        ][chance.below(4)];
        let mut command = vec![name.as_bytes().to_vec()];
        for _ in 0..chance.below(5) {
            command.push(match chance.below(3) {
                0 => chance.bytes(20),
                _ => words[chance.below(words.len())].to_vec(),
            });
        }
        // A watch of the current map with a long timeout would wait.
        let waits = command.len() == 3
            && command[0].eq_ignore_ascii_case(b"SLOTHINT.WATCH")
            && command[1] == known.as_bytes();
        if waits {
            command[2] = b"1".to_vec();
        }
        conn.send(&command);
        let reply = conn.take();
        let kind = reply[0];
        assert!(b"*-$".contains(&kind), "{}", reply.escape_ascii());
        assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    }
    let log = node.log();
    assert!(!log.contains("panic"), "{log}");
    unload_and_load_again(node);
}

#[test]
fn storms_of_changes_and_unblocking_answer_each_watcher_once() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let mut watchers = connections(node, 50);
    let ids: Vec<u64> = watchers.iter_mut().map(RawConn::client_id).collect();
    let mut operators = connections(node, 2);
    for round in 0..30 {
        let known = token(&mut operators[0]);
        for (number, watcher) in watchers.iter_mut().enumerate() {
            let timeout = [0, 1, 5, 1000][number % 4];
            watcher.put(&packet(&[
                &format!("SLOTHINT.WATCH {known} {timeout}"),
                &format!("ECHO {round}"),
            ]));
        }
        let unblock: Vec<String> = ids
            .iter()
            .map(|id| {
                let how = if (id + round) % 2 == 0 {
                    "TIMEOUT"
                } else {
                    "ERROR"
                };
                format!("CLIENT UNBLOCK {id} {how}")
            })
            .collect();
        let unblock = packet(&unblock.iter().map(String::as_str).collect::<Vec<_>>());
        for operator in &mut operators {
            operator.put(&unblock);
        }
        rename(node, &format!("n{round}.example"));
        for operator in &mut operators {
            for _ in &ids {
                operator.take();
            }
        }
        for watcher in &mut watchers {
            let reply = watcher.take();
            let known = reply == b"$-1\r\n"
                || reply.starts_with(b"-UNBLOCKED ")
                || reply.starts_with(b"*3\r\n");
            assert!(known, "{}", reply.escape_ascii());
            let echo = watcher.take();
            let expected = format!("\r\n{round}\r\n");
            assert!(
                echo.ends_with(expected.as_bytes()),
                "{}",
                echo.escape_ascii()
            );
        }
    }
    wait_for_blocked(node, 0);
    unload_and_load_again(node);
}

#[test]
fn with_io_threads_every_client_is_told_the_same() {
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| in_threads(builder))
        .start();
    let node = &cluster.nodes[0];
    let expected = agreed(&mut node.raw());
    let mut clients = connections(node, 10);
    let lines = [
        "SLOTHINT foo bar {a}b",
        "SLOTHINT.MAP",
        "GET foo",
        "GET bar",
    ];
    for _ in 0..20 {
        for client in &mut clients {
            client.put(&packet(&lines));
        }
        for client in &mut clients {
            let hint = client.take();
            assert!(hint.starts_with(b"*3\r\n"), "{}", hint.escape_ascii());
            assert_eq!(read_map(&read(&client.take())), expected);
            assert!(client.take().starts_with(b"-MOVED 12182 "));
            assert_eq!(client.take(), b"$-1\r\n");
        }
    }
    // A change wakes ten watchers, and also a single one.
    for count in [10, 1] {
        let known = token(&mut clients[0]);
        for client in &mut clients[..count] {
            client.put(&packet(&[&format!("SLOTHINT.WATCH {known} 0")]));
        }
        wait_for_blocked(node, count as i64);
        let kind = if count == 10 {
            "unknown-endpoint"
        } else {
            "ip"
        };
        set(node, "cluster-preferred-endpoint-type", kind);
        for client in &mut clients[..count] {
            assert_ne!(read_map(&read(&client.take())).token, known);
        }
    }
    assert_eq!(map(&mut clients[0]), expected);
    drop(clients);
    unload_and_load_again(node);
}

#[test]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    for round in 0..10 {
        let mut clients = connections(node, 30);
        let known = token(&mut clients[0]);
        for client in &mut clients {
            client.put(&packet(&[
                &format!("SLOTHINT.WATCH {known} 0"),
                "SLOTHINT foo",
                "SLOTHINT.MAP",
            ]));
        }
        clients.truncate(15);
        rename(node, &format!("n{round}.example"));
        drop(clients);
        eventually("all clients to disconnect", || {
            node.info_number("clients", "connected_clients") == 1
        });
    }
    wait_for_blocked(node, 0);
    assert_eq!(hint(&mut node.raw(), &["foo"]).keys, [(12182, 0)]);
    unload_and_load_again(node);
}

/// One turn of the event loop answers some hundreds of watchers. Later turns answer the others.
#[test]
fn more_watchers_than_one_turn_answers_are_all_told() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let mut watchers = connections(node, 2500);
    let known = token(&mut watchers[0]);
    for watcher in &mut watchers {
        watcher.put(&packet(&[&format!("SLOTHINT.WATCH {known} 0")]));
    }
    wait_for_blocked(node, 2500);
    rename(node, "second.example");
    let woken = read_map(&read(&watchers[0].take()));
    assert_ne!(woken.token, known);
    for watcher in &mut watchers[1..] {
        assert_eq!(read_map(&read(&watcher.take())), woken);
    }
    // The same for watches that time out together.
    for watcher in &mut watchers {
        watcher.put(&packet(&[&format!("SLOTHINT.WATCH {} 300", woken.token)]));
    }
    for watcher in &mut watchers {
        assert_eq!(watcher.take(), b"$-1\r\n");
    }
    wait_for_blocked(node, 0);
    drop(watchers);
    unload_and_load_again(node);
}
