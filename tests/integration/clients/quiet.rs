//! After a second in which nothing has needed them, the module no longer hears the turns of the
//! event loop. What comes then is right all the same.

use testkit::{FakeReplica, Replicated, Server};

use crate::support::{
    builder, get, info, introduce, patient, refusal, say, send, settles, two_primaries,
    wait_for_waiters,
};

const DEAF: &str = "no longer hears the turns of the event loop";

/// A primary that logs when it stops hearing turns.
fn talkative(replicas: usize) -> Replicated {
    builder(replicas)
        .primary(|builder| patient(builder).config("loglevel", "debug"))
        .start()
}

/// Waits until the server has stopped hearing turns so many times.
#[track_caller]
fn wait_until_deaf(server: &Server, times: usize) {
    testkit::eventually("the module to hear no turns", || {
        server.log().matches(DEAF).count() >= times
    });
}

#[test]
fn the_first_write_after_a_quiet_time_is_acknowledged() {
    let group = talkative(1);
    let mut conn = group.primary.raw();
    for round in 1..=4 {
        wait_until_deaf(&group.primary, round);
        let set = format!("DURABLE.SET k {round}");
        assert_eq!(say(&mut conn, &set), "+OK\r\n");
        assert_eq!(get(&group.replicas[0], "k"), Some(round.to_string()));
    }
    settles(&group);
}

#[test]
fn a_wait_and_a_script_after_a_quiet_time_end_at_their_deadline() {
    let group = talkative(1);
    let mut conn = group.primary.raw();
    wait_until_deaf(&group.primary, 1);
    group.replicas[0].pause();
    let reply = say(&mut conn, "DURABLE.SET k v TIMEOUT 5");
    assert!(reply.starts_with("-UNACKED 0 of 1 "), "{reply}");
    wait_until_deaf(&group.primary, 2);
    let script = ["DURABLE.CALL", "TIMEOUT", "5", "EVAL", "return 1", "0"];
    let reply = conn.call_text(&script);
    assert!(reply.starts_with("-UNACKED 0 of 1 "), "{reply}");
    // While somebody waits, turns are heard.
    send(&mut conn, "DURABLE.SET k w");
    wait_for_waiters(&group.primary, 1);
    wait_until_deaf(&group.primary, 2);
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    settles(&group);
}

#[test]
fn a_replica_that_comes_in_a_quiet_time_counts_without_a_write() {
    let group = talkative(1);
    wait_until_deaf(&group.primary, 1);
    let late = Server::builder()
        .config("replicaof", &format!("127.0.0.1 {}", group.primary.port()))
        .start();
    testkit::eventually("the second replica to count", || {
        info(&group.primary, "replicas_online") == 2
    });
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 2"), "+OK\r\n");
    assert_eq!(get(&late, "k").as_deref(), Some("v"));
}

/// A replica that comes back without its data shows a second link. The module has to see that link,
/// or it would believe the old one.
#[test]
fn a_link_that_comes_and_goes_between_two_crons_is_noticed() {
    let primary = patient(Server::builder())
        .config("loglevel", "debug")
        .config("hz", "1")
        .config("repl-ping-replica-period", "3600")
        .config("repl-timeout", "3600")
        .start();
    let mut dead = FakeReplica::start(&primary);
    let mut conn = primary.raw();
    testkit::eventually("the replica to acknowledge a write", || {
        dead.ack_what_was_read();
        say(&mut conn, "DURABLE.WAIT TIMEOUT 1") == ":1\r\n"
    });
    wait_until_deaf(&primary, 1);
    let links = || primary.info("replication")["connected_slaves"].clone();
    let mut empty = primary.raw();
    introduce(&mut empty, dead.listening_port(), "127.0.0.1");
    // With this Redis 8 grants nothing yet: it waits for a second link.
    say(&mut empty, "REPLCONF capa rdb-channel-repl");
    send(&mut empty, "PSYNC ? -1");
    testkit::eventually("the new link", || links() == "2");
    drop(empty);
    testkit::eventually("the new link to be gone", || links() == "1");
    let reply = say(&mut conn, "DURABLE.WAIT TIMEOUT 20");
    assert!(
        reply.starts_with("-UNACKED 0 of 1 ") || reply == refusal(0, 1, 1),
        "{reply}"
    );
}

#[test]
fn an_unused_module_asks_no_replica_and_the_first_write_is_right() {
    let primary = patient(Server::builder())
        .config("loglevel", "debug")
        .start();
    let mut fake = FakeReplica::start(&primary);
    testkit::eventually("the replica to be online", || {
        primary.replica_links().len() == 1
    });
    wait_until_deaf(&primary, 1);
    let was_asked = |fake: &FakeReplica| {
        let commands = fake.commands();
        commands.iter().any(|command| command[0] == "REPLCONF")
    };
    assert!(!was_asked(&fake));
    // The replica has acknowledged nothing, because it was not asked.
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v");
    testkit::eventually("the replica to be asked", || was_asked(&fake));
    fake.wait_for_offset(primary.offset());
    fake.ack_what_was_read();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

/// With a maximum age of 0 a map is valid for one turn. Turns that nobody has heard end it as well.
#[test]
fn a_map_from_before_a_quiet_time_is_not_used() {
    let cluster = two_primaries();
    let node = &cluster.nodes[0];
    node.run::<()>(&["CONFIG", "SET", "loglevel", "debug"]);
    node.run::<()>(&["CONFIG", "SET", "durable.slothint-max-age-ms", "0"]);
    let mut conn = node.raw();
    let before = say(&mut conn, "SLOTHINT.MAP");
    wait_until_deaf(node, 1);
    let looks = info(node, "slothint_map_refreshes_total");
    assert_eq!(say(&mut conn, "SLOTHINT.MAP"), before);
    assert_eq!(info(node, "slothint_map_refreshes_total"), looks + 1);
}
