//! Bad days while clients wait: the data is swapped, flushed, reloaded and rewritten, replicas go and come
//! back, the module goes and comes. The server lives, each command has one reply, none of them
//! says more than is true, and in the end nobody waits.

use testkit::{eventually, Cut, RawConn, Replicated, Server};

use crate::support::{
    builder, connections, get, info, packet, patient, replicated, say, send, unload_and_load_again,
    wait_for_waiters,
};

pub const LINES: [&str; 6] = [
    "DURABLE.SET waited v",
    "DURABLE.CALL SET waited v",
    "DURABLE.GET waited",
    "DURABLE.INCR waited:count",
    "DURABLE.CALL RPUSH waited:list v",
    "DURABLE.WAIT",
];

/// Clients that wait for a replica that stands still, each with another command.
fn waiting(group: &Replicated) -> Vec<RawConn> {
    let mut clients = connections(&group.primary, LINES.len());
    group.replicas[0].pause();
    for (number, (client, line)) in clients.iter_mut().zip(LINES).enumerate() {
        send(client, line);
        wait_for_waiters(&group.primary, number as i64 + 1);
    }
    clients
}

/// What happens while they wait changes nothing for them: they get what they waited for.
fn all_are_answered(group: &Replicated, clients: &mut [RawConn]) {
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].resume();
    for (client, line) in clients.iter_mut().zip(LINES) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
        // The next reply is that of the next command.
        assert_eq!(say(client, "ECHO next"), "$4\r\nnext\r\n");
    }
    settles(group);
}

/// Nobody waits, nothing keeps the module, and primary and replicas have the same data.
pub fn settles(group: &Replicated) {
    unload_and_load_again(&group.primary);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET durable.timeout-ms 0");
    let set = format!("DURABLE.SET after v REPLICAS {}", group.replicas.len());
    eventually("the replicas to count", || {
        say(&mut conn, &set) == "+OK\r\n"
    });
    let digest = |server: &Server| say(&mut server.raw(), "DEBUG DIGEST");
    for replica in &group.replicas {
        assert_eq!(digest(replica), digest(&group.primary));
    }
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
        let mut clients = waiting(&group);
        let mut operator = group.primary.raw();
        // A reload without a save finds what the last save left, or nothing; and a process of the
        // replica's full synchronization may still be there.
        let reply = say(&mut operator, line);
        let refused = line == "DEBUG RELOAD NOSAVE" || reply.contains("in progress");
        assert!(refused || !reply.starts_with('-'), "{line}: {reply}");
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
        if line == "DEBUG RELOAD NOSAVE" {
            // Primary and replica differ now, by the operator's doing: only the replies are looked at.
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
        // Refused where one is under way.
        say(&mut operator, "BGREWRITEAOF");
        say(&mut group.replicas[0].raw(), "BGREWRITEAOF");
        for client in &mut clients {
            for _ in 0..10 {
                assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
            }
        }
    }
    eventually("the rewriting to end", || {
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
    let mut clients = waiting(&group);
    // It comes back as one that has nothing, and its full sync brings what they wait for.
    group.replicas[0].kill();
    eventually("the primary to see it go", || {
        group.primary.replica_links().is_empty()
    });
    assert!(clients.iter_mut().all(|client| !client.is_readable_now()));
    group.replicas[0].restart();
    for (client, line) in clients.iter_mut().zip(LINES) {
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
    eventually("the replica to count", || {
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
        "it was a partial one"
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
    // Reads, so that the stream, which the server keeps for the replica, does not grow by them.
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
    // What the server keeps of the stream for the replica is not what is asked about.
    let rest = || {
        primary.info_number("memory", "used_memory")
            - primary.info_number("memory", "mem_total_replication_buffers")
    };
    rounds(2);
    let before = rest();
    rounds(10);
    let grown = rest() - before;
    // Ten thousand waits that were given up: had each left a word of it behind, it were 80 KB.
    assert!(grown < 80_000, "{grown} bytes more");
    assert_eq!(info(primary, "waiters"), 0);
    group.replicas[0].resume();
    settles(&group);
}
