//! Disturbances while clients wait: the data is swapped, flushed, reloaded and rewritten, and
//! replicas lose their link or die and come back. The server survives, each command gets exactly
//! one reply, no reply claims an acknowledgement that did not happen, and in the end no client
//! waits.

use testkit::{eventually, Cut, RawConn, Replicated, Server};

use crate::support::{
    builder, connections, get, info, packet, patient, replicated, say, send, settles,
    unload_and_load_again, wait_for_waiters, waiting, EVERY_KIND,
};

/// Asserts that the clients still wait, and that they are answered once the replica is resumed.
fn all_are_answered(group: &Replicated, clients: &mut [RawConn]) {
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(EVERY_KIND) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
        // The next reply belongs to the next command.
        assert_eq!(say(client, "ECHO next"), "$4\r\nnext\r\n");
    }
    settles(group);
}

#[test]
fn what_happens_to_the_data_does_not_end_a_wait() {
    for line in [
        "SWAPDB 0 1",
        "FLUSHALL ASYNC",
        "FLUSHALL SYNC",
        "FLUSHDB",
        "DEBUG RELOAD",
        "DEBUG RELOAD NOSAVE",
        "DEBUG CHANGE-REPL-ID",
        "BGREWRITEAOF",
        "BGSAVE",
        "SCRIPT FLUSH",
        "CONFIG RESETSTAT",
        "ACL SETUSER default on nopass ~* &* +@all",
    ] {
        let group = builder(1)
            .primary(|builder| {
                patient(builder)
                    .config("appendonly", "yes")
                    .config("save", "3600 1000000")
            })
            .start();
        say(&mut group.primary.raw(), "SET other v");
        let mut clients = waiting(&group, &EVERY_KIND);
        let mut operator = group.primary.raw();
        // A reload without a save loads the last snapshot, or fails without one. While the child
        // process of the replica's full synchronization runs, the server refuses some of the lines.
        let reply = say(&mut operator, line);
        let refused = line == "DEBUG RELOAD NOSAVE" || reply.contains("in progress");
        assert!(refused || !reply.starts_with('-'), "{line}: {reply}");
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
        if line == "DEBUG RELOAD NOSAVE" {
            // The operator made primary and replica differ, so only the replies are checked.
            group.replicas[0].resume();
            for client in &mut clients {
                assert!(!client.read_reply_bytes().starts_with(b"-"));
            }
            wait_for_waiters(&group.primary, 0);
            continue;
        }
        all_are_answered(&group, &mut clients);
    }
}

#[test]
fn the_append_only_file_is_rewritten_under_load() {
    let group = builder(1)
        .primary(|builder| patient(builder).config("appendonly", "yes"))
        .replica(|_, builder| builder.config("appendonly", "yes"))
        .start();
    let primary = &group.primary;
    let mut clients = connections(primary, 10);
    let mut operator = primary.raw();
    for round in 0..10 {
        for (number, client) in clients.iter_mut().enumerate() {
            let line = format!("DURABLE.SET k{number} {round}");
            client.send_bytes(&packet(&[line.as_str(); 10]));
        }
        // The server refuses BGREWRITEAOF while a rewrite runs.
        say(&mut operator, "BGREWRITEAOF");
        say(&mut group.replicas[0].raw(), "BGREWRITEAOF");
        for client in &mut clients {
            for _ in 0..10 {
                assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
            }
        }
    }
    eventually("the rewrite to end", || {
        primary.info_number("persistence", "aof_rewrite_in_progress") == 0
            && primary.info_number("persistence", "aof_rewrite_scheduled") == 0
    });
    primary.restart();
    for number in 0..10 {
        assert_eq!(get(primary, &format!("k{number}")).as_deref(), Some("9"));
    }
}

#[test]
fn a_wait_outlives_a_full_resynchronization() {
    let group = replicated(1);
    let mut clients = waiting(&group, &EVERY_KIND);
    // It comes back without data. Its full sync brings the writes that the clients wait for.
    group.replicas[0].kill();
    eventually("the primary to lose the killed replica", || {
        group.primary.replica_links().is_empty()
    });
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].restart();
    for (client, line) in clients.iter_mut().zip(EVERY_KIND) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    assert_eq!(get(&group.replicas[0], "waited").as_deref(), Some("v"));
    settles(&group);
}

#[test]
fn a_wait_outlives_a_partial_resynchronization() {
    let primary = patient(Server::builder()).start();
    primary.run::<()>(&["SET", "first", "v"]);
    let cut = Cut::to(&primary);
    let replica = Server::builder()
        .config("replicaof", &format!("127.0.0.1 {}", cut.port()))
        .start();
    let mut conn = primary.raw();
    eventually("the replica to acknowledge a write", || {
        say(&mut conn, "DURABLE.SET k v") == "+OK\r\n"
    });
    let before = primary.info_number("stats", "sync_partial_ok");
    cut.freeze();
    let mut clients = connections(&primary, 20);
    for client in &mut clients {
        send(client, "DURABLE.APPEND k w");
    }
    wait_for_waiters(&primary, 20);
    primary.run::<()>(&["CLIENT", "KILL", "TYPE", "replica"]);
    cut.sever();
    cut.release();
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    cut.thaw();
    for client in &mut clients {
        let reply = client.read_reply_bytes();
        assert!(reply.starts_with(b":"), "{}", reply.escape_ascii());
    }
    assert_eq!(get(&replica, "k"), get(&primary, "k"));
    assert!(
        primary.info_number("stats", "sync_partial_ok") > before,
        "there was no partial resynchronization"
    );
    wait_for_waiters(&primary, 0);
    unload_and_load_again(&primary);
}

#[test]
fn replicas_that_keep_losing_their_link_lose_no_reply() {
    let group = replicated(2);
    let primary = &group.primary;
    let mut clients = connections(primary, 10);
    let mut operator = primary.raw();
    for round in 0..30 {
        for client in &mut clients {
            send(client, &format!("DURABLE.SET k {round}"));
        }
        say(&mut operator, "CLIENT KILL TYPE replica");
        for client in &mut clients {
            let reply = client.read_reply_bytes();
            let known = reply == b"+OK\r\n" || reply.starts_with(b"-NOREPLICAS 0 of 1 ");
            assert!(known, "{}", reply.escape_ascii());
        }
    }
    settles(&group);
}

#[test]
fn an_outage_of_the_replicas_costs_what_waits_and_no_more() {
    // Reads do not grow the stream that the server keeps for the replica.
    const CLIENTS: usize = 50;
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, CLIENTS);
    group.replicas[0].pause();
    say(&mut clients[0], "SET k v");
    let mut rounds = |count: usize| {
        let lines = ["DURABLE.GET k TIMEOUT 1"; 20];
        for _ in 0..count {
            for client in &mut clients {
                client.send_bytes(&packet(&lines));
            }
            for client in &mut clients {
                for _ in &lines {
                    assert!(client.read_reply_bytes().starts_with(b"-UNACKED "));
                }
            }
        }
    };
    // The memory of the server without the stream that it keeps for the replica.
    let rest = || {
        primary.info_number("memory", "used_memory")
            - primary.info_number("memory", "mem_total_replication_buffers")
    };
    rounds(2);
    let before = rest();
    rounds(10);
    let grown = rest() - before;
    // 10,000 waits have timed out. 8 bytes left behind by each would be 80 KB.
    assert!(grown < 80_000, "the memory grew by {grown} bytes");
    assert_eq!(info(primary, "waiters"), 0);
    group.replicas[0].resume();
    settles(&group);
}
