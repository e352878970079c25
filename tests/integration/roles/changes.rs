//! Replicas execute no durable command. A primary that becomes a replica ends the waits of its
//! clients.

use testkit::{eventually, Server};

use crate::support::{
    builder, connections, get, info, patient, replicated, say, send, unload_and_load_again,
    wait_for_waiters,
};

#[test]
fn a_replica_refuses_as_it_refuses_plain_writes() {
    let group = replicated(1);
    let mut conn = group.replicas[0].raw();
    let plain = say(&mut conn, "SET k v");
    assert!(plain.starts_with("-READONLY "), "{plain}");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), plain);
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 0"), plain);
    // A fence is not a write, so the module refuses it, not the server.
    let fence = "-READONLY DURABLE.WAIT needs a primary, this is a replica\r\n";
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), fence);
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), fence);
}

#[test]
fn a_writable_replica_executes_nothing_durable() {
    let group = builder(1)
        .replica(|_, builder| builder.config("replica-read-only", "no"))
        .start();
    let mut conn = group.replicas[0].raw();
    assert_eq!(say(&mut conn, "SET own v"), "+OK\r\n");
    let refused = "-READONLY DURABLE.SET needs a primary, this is a replica\r\n";
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), refused);
    assert_eq!(say(&mut conn, "DURABLE.SET own w GET REPLICAS 0"), refused);
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
    assert_eq!(say(&mut conn, "GET own"), "$1\r\nv\r\n");
}

#[test]
fn a_demoted_primary_turns_its_waiting_clients_away() {
    let group = replicated(1);
    let primary = &group.primary;
    let other = Server::builder().name("the new primary").start();
    let mut clients = connections(primary, 10);
    group.replicas[0].pause();
    for client in &mut clients {
        send(client, "DURABLE.SET k v TIMEOUT 0");
    }
    wait_for_waiters(primary, 10);
    primary.replica_of(&other);
    for client in &mut clients {
        let last = client.read_until_closed();
        let last = String::from_utf8_lossy(&last);
        assert!(
            last.starts_with("-UNBLOCKED ") && last.ends_with("\r\n"),
            "{last}"
        );
        assert_eq!(last.lines().count(), 1, "more than one reply: {last}");
    }
    assert_eq!(info(primary, "waiters"), 0);
    assert_eq!(info(primary, "demoted_total"), 10);
    assert_eq!(info(primary, "disconnected_total"), 0);
    assert_eq!(info(primary, "unacked_total"), 0);
    unload_and_load_again(primary);
    group.replicas[0].resume();
}

#[test]
fn a_demotion_with_nobody_waiting_counts_nobody() {
    let group = replicated(1);
    let other = Server::builder().start();
    assert_eq!(say(&mut group.primary.raw(), "DURABLE.SET k v"), "+OK\r\n");
    group.primary.replica_of(&other);
    assert_eq!(info(&group.primary, "demoted_total"), 0);
}

#[test]
fn a_promoted_replica_waits_for_replicas_of_its_own() {
    let group = replicated(2);
    let (new, follower) = (&group.replicas[0], &group.replicas[1]);
    let mut conn = new.raw();
    new.promote();
    let refused = say(&mut conn, "DURABLE.SET k v");
    assert!(refused.starts_with("-NOREPLICAS 0 of 1 "), "{refused}");
    follower.replica_of(new);
    group.primary.replica_of(new);
    eventually(
        "both replicas to acknowledge a write of the new primary",
        || say(&mut conn, "DURABLE.SET k v REPLICAS 2 TIMEOUT 0") == "+OK\r\n",
    );
    for replica in [follower, &group.primary] {
        assert_eq!(get(replica, "k").as_deref(), Some("v"));
    }
}

#[test]
fn a_server_that_was_a_replica_for_a_while_knows_its_stream_again() {
    // After each change of role the offsets that the module knew are no longer valid.
    let primary = patient(Server::builder().name("primary")).start();
    let other = patient(Server::builder().name("other")).start();
    for round in 0..6 {
        let (upper, lower) = if round % 2 == 0 {
            (&primary, &other)
        } else {
            (&other, &primary)
        };
        upper.promote();
        lower.replica_of(upper);
        let mut conn = upper.raw();
        let set = format!("DURABLE.SET k {round} TIMEOUT 0");
        eventually("the other server to acknowledge a write", || {
            say(&mut conn, &set) == "+OK\r\n"
        });
        assert_eq!(get(lower, "k"), Some(round.to_string()));
    }
}
