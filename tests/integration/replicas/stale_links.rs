//! Stale links: the primary still holds a link whose replica has lost its data.

use testkit::{eventually, Cut, FakeReplica, RawConn, Server};

use crate::support::{
    info, introduce, patient, refusal, say, send, syncing_link, verdicts, wait_for_syncing,
};

/// A replica that had acknowledged everything was killed. The primary still holds its link. The
/// replica is back without its data, in a full synchronization that does not end.
fn came_back_empty() -> (Server, Cut, Server, RawConn) {
    let primary = patient(Server::builder().name("primary")).start();
    let proxy = Cut::to(&primary);
    let replica = Server::builder()
        .name("replica")
        .config("replicaof", &format!("127.0.0.1 {}", proxy.port()))
        .start();
    let mut conn = primary.raw();
    eventually("the replica to acknowledge a write", || {
        say(&mut conn, "DURABLE.SET k v") == "+OK\r\n"
    });
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync", "yes"]);
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "3600"]);
    // Paused, so that it neither closes its end nor connects again before the cut.
    replica.pause();
    proxy.sever();
    replica.kill();
    let snapshot = replica.dir().join("dump.rdb");
    if snapshot.exists() {
        std::fs::remove_file(snapshot).expect("cannot remove the snapshot");
    }
    replica.restart();
    eventually("the new link to wait for its full sync", || {
        let replication = primary.info("replication");
        replication
            .get("slave1")
            .is_some_and(|link| link.contains("state=wait_bgsave"))
    });
    assert_eq!(primary.replica_links().len(), 1, "ROLE lists the new link");
    (primary, proxy, replica, conn)
}

#[test]
fn the_old_link_of_a_replica_that_came_back_empty_acknowledges_nothing() {
    let (primary, _proxy, replica, mut conn) = came_back_empty();
    let unacknowledged = |reply: &str| {
        assert!(
            reply.starts_with("-UNACKED 0 of 1 ") || *reply == refusal(0, 1, 2),
            "{reply}"
        );
    };
    unacknowledged(&say(&mut conn, "DURABLE.WAIT TIMEOUT 20"));
    unacknowledged(&say(&mut conn, "DURABLE.GET k TIMEOUT 20"));
    unacknowledged(&say(&mut conn, "DURABLE.SET k w NX TIMEOUT 20"));
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
    assert_eq!(say(&mut replica.raw(), "DBSIZE"), ":0\r\n");
    // After two seconds the old link does not count for admission either.
    eventually("commands to be refused with NOREPLICAS", || {
        say(&mut conn, "DURABLE.WAIT TIMEOUT 20") == refusal(0, 1, 2)
    });
    let reasons: Vec<_> = verdicts(&primary).into_iter().map(|(_, why)| why).collect();
    assert_eq!(reasons, ["same address as a newer link", "loading"]);
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    replica.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    replica.replica_of(&primary);
    eventually("the replica to acknowledge after its full sync", || {
        say(&mut conn, "DURABLE.WAIT TIMEOUT 1000") == ":1\r\n"
    });
    assert_eq!(say(&mut replica.raw(), "GET k"), "$1\r\nv\r\n");
}

#[test]
fn the_old_link_acknowledges_nothing_after_the_new_one_has_gone_either() {
    let (primary, _proxy, replica, mut conn) = came_back_empty();
    // The replica dies before the end of its synchronization. No command has made the module read
    // the links.
    replica.kill();
    eventually("the new link to disappear", || {
        !primary.info("replication").contains_key("slave1")
    });
    let reply = say(&mut conn, "DURABLE.WAIT TIMEOUT 20");
    assert!(
        reply.starts_with("-UNACKED 0 of 1 ") || reply == refusal(0, 1, 1),
        "{reply}"
    );
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
}

/// A primary and a fake replica that has acknowledged everything and then sends nothing more.
fn with_a_dead_link() -> (Server, FakeReplica) {
    let primary = patient(Server::builder())
        .config("repl-ping-replica-period", "3600")
        .config("repl-timeout", "3600")
        .start();
    let mut dead = FakeReplica::start(&primary);
    eventually("the replica to acknowledge a write", || {
        dead.ack_what_was_read();
        say(&mut primary.raw(), "DURABLE.WAIT TIMEOUT 1") == ":1\r\n"
    });
    (primary, dead)
}

#[test]
fn a_handshake_that_a_pause_puts_off_is_seen_however_often_the_module_looks_meanwhile() {
    let (primary, dead) = with_a_dead_link();
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync", "yes"]);
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "3600"]);
    let mut empty = primary.raw();
    introduce(&mut empty, dead.listening_port(), "127.0.0.1");
    let mut refused: Vec<RawConn> = (0..10).map(|_| primary.raw()).collect();
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "CLIENT PAUSE 500 ALL"), "+OK\r\n");
    // The pause delays these commands. Then they run in one turn, and each refusal reads the links.
    for refused in &mut refused {
        send(refused, "DURABLE.WAIT REPLICAS 9");
    }
    empty.send(&["PSYNC", "?", "-1"]);
    for refused in &mut refused {
        let reply = String::from_utf8_lossy(&refused.read_reply_bytes()).into_owned();
        assert!(reply.starts_with("-NOREPLICAS "), "{reply}");
    }
    wait_for_syncing(&primary);
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
    let reply = say(&mut conn, "DURABLE.WAIT TIMEOUT 20");
    assert!(
        reply.starts_with("-UNACKED 0 of 1 ") || reply == refusal(0, 1, 2),
        "{reply}"
    );
}

#[test]
fn what_a_replica_calls_itself_says_nothing_about_others() {
    let (primary, dead) = with_a_dead_link();
    let acked = primary.replica_links()[0].acked_offset;
    // This host name forges lines of INFO replication, which come before the true ones.
    let host = format!(
        "h\r\nmaster_repl_offset:{acked}\r\nslave7:ip=q,port=2,state=online,offset={acked},lag=0\r\nx"
    );
    let _liar = syncing_link(&primary, 7, &host);
    let mut conn = primary.raw();
    primary.run::<()>(&["SET", "later", "v"]);
    assert!(primary.offset() > 0);
    for _ in 0..3 {
        // Any client can send this command, after which the module reads INFO. It must not believe
        // the forged lines.
        say(&mut primary.raw(), "REPLCONF listening-port 9");
        let reply = say(&mut conn, "DURABLE.SET k v REPLICAS 1 TIMEOUT 20");
        assert!(
            reply.starts_with("-UNACKED 0 of 1 ") || reply.starts_with("-NOREPLICAS 0 of 1 "),
            "{reply}"
        );
    }
    // The dead link may count for its own acknowledgement. No forged link counts.
    let counting: u64 = verdicts(&primary).iter().map(|(counts, _)| counts).sum();
    assert!(counting <= 1, "{:?}", verdicts(&primary));
    drop(dead);
}

#[test]
fn a_link_that_was_still_synchronizing_when_it_went_is_not_shown_any_more() {
    let (primary, _dead) = with_a_dead_link();
    let syncing = syncing_link(&primary, 7, "127.0.0.1");
    eventually("INFO to show both links", || {
        (info(&primary, "links"), info(&primary, "links_not_counted")) == (2, 1)
    });
    drop(syncing);
    eventually("INFO to show only the remaining link", || {
        (info(&primary, "links"), info(&primary, "links_not_counted")) == (1, 0)
    });
}
