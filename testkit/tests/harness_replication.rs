//! Tests of the kit: replicas, the proxy that cuts links, and the fake replica.

#![forbid(unsafe_code)]

use redis::Commands;
use testkit::{eventually, Cut, FakeReplica, Replicated, ReplicatedBuilder, Role, Server};

fn plain(replicas: usize) -> ReplicatedBuilder {
    Replicated::builder()
        .replicas(replicas)
        .module_on_replicas(false)
        .primary(|builder| builder.module(false))
}

fn ports(primary: &Server) -> Vec<u16> {
    primary
        .replica_links()
        .iter()
        .map(|link| link.port)
        .collect()
}

#[test]
fn replicas_are_in_step_when_the_test_begins() {
    let group = plain(2)
        .replica(|number, builder| builder.config("replica-priority", &(number + 1).to_string()));
    let group = group.start();
    let mut listed = ports(&group.primary);
    listed.sort();
    let mut started: Vec<u16> = group.replicas.iter().map(Server::port).collect();
    started.sort();
    assert_eq!(listed, started);
    assert!(group
        .primary
        .replica_links()
        .iter()
        .all(|link| link.acked_offset > 0));
    for (number, replica) in group.replicas.iter().enumerate() {
        assert_eq!(replica.role(), Role::Replica);
        let priority = replica.info_number("replication", "slave_priority");
        assert_eq!(priority, number as i64 + 1);
    }
    let _: () = group.primary.conn().set("k", "v").expect("SET");
    group.wait_until_in_step(2);
    for replica in &group.replicas {
        let there: String = replica.conn().get("k").expect("GET");
        assert_eq!(there, "v");
    }
}

#[test]
fn a_replica_that_was_killed_comes_back_as_a_replica() {
    let group = plain(1).start();
    group.replicas[0].kill();
    eventually("the primary to lose the killed replica", || {
        ports(&group.primary).is_empty()
    });
    group.replicas[0].restart();
    group.wait_until_in_step(1);
}

#[test]
fn a_paused_replica_acknowledges_nothing_until_it_is_resumed() {
    let group = plain(1).start();
    group.replicas[0].pause();
    let _: () = group.primary.conn().set("k", "v").expect("SET");
    let offset = group.primary.offset();
    assert!(group.primary.replica_links()[0].acked_offset < offset);
    group.replicas[0].resume();
    group.wait_until_in_step(1);
}

#[test]
fn roles_change_at_run_time() {
    let (one, other) = (
        Server::builder().module(false).start(),
        Server::builder().module(false).start(),
    );
    other.replica_of(&one);
    assert_eq!(other.role(), Role::Replica);
    eventually("the primary to list its new replica", || {
        ports(&one) == [other.port()]
    });
    other.promote();
    assert_eq!(other.role(), Role::Primary);
}

/// A primary, and a replica that replicates from it through a proxy.
fn through_a_proxy() -> (Server, Cut, Server) {
    let primary = Server::builder().module(false).start();
    let cut = Cut::to(&primary);
    let replica = Server::builder()
        .module(false)
        .config("replicaof", &format!("127.0.0.1 {}", cut.port()))
        .start();
    eventually("the replica to be online", || {
        ports(&primary) == [replica.port()]
    });
    (primary, cut, replica)
}

#[test]
fn after_a_cut_that_the_primary_did_not_see_the_replica_stands_there_twice() {
    let (primary, cut, replica) = through_a_proxy();
    // Redis 8 synchronizes over two links. When the replica is online over one of them, the other
    // may not have ended yet.
    eventually("one link to be left", || {
        (cut.links(), cut.severed_links()) == (1, 0)
    });
    cut.sever();
    eventually("the replica to be listed twice", || {
        ports(&primary) == [replica.port(), replica.port()]
    });
    eventually("one new link and the severed one", || {
        (cut.links(), cut.severed_links()) == (1, 1)
    });
    // The new link works.
    let _: () = primary.conn().set("k", "v").expect("SET");
    let there = || replica.conn().get::<_, Option<String>>("k").expect("GET");
    eventually("the write to reach the replica", || {
        there().as_deref() == Some("v")
    });
    cut.release();
    eventually("the primary to notice the old cut", || {
        ports(&primary) == [replica.port()]
    });
}

#[test]
fn a_frozen_link_carries_everything_once_it_thaws() {
    let (primary, cut, replica) = through_a_proxy();
    cut.freeze();
    let _: () = primary.conn().set("k", "v").expect("SET");
    let there = || replica.conn().get::<_, Option<String>>("k").expect("GET");
    // A link that is not frozen would carry the write to the replica during WAIT.
    let mut connection = primary.conn();
    let _: () = connection.set("k2", "v").expect("SET");
    let arrived: i64 = redis::cmd("WAIT")
        .arg(&[1, 200])
        .query(&mut connection)
        .expect("WAIT");
    assert_eq!(arrived, 0);
    assert_eq!(there(), None);
    assert_eq!(ports(&primary), [replica.port()]);
    cut.thaw();
    eventually("the write to reach the replica", || {
        there().as_deref() == Some("v")
    });
    assert_eq!(cut.links(), 1);
}

#[test]
fn a_dropped_proxy_closes_its_links() {
    let (primary, cut, _replica) = through_a_proxy();
    drop(cut);
    eventually("the primary to lose its replica", || {
        ports(&primary).is_empty()
    });
}

#[test]
fn a_fake_replica_acknowledges_what_it_is_told_to() {
    for diskless in ["yes", "no"] {
        for capable in [true, false] {
            let primary = Server::builder()
                .module(false)
                .config("repl-diskless-sync", diskless)
                .start();
            let _: () = primary.conn().set("before", "x".repeat(5000)).expect("SET");
            let mut fake = FakeReplica::builder().eof_capable(capable).start(&primary);
            assert_eq!(ports(&primary), [fake.listening_port()]);
            assert_eq!(primary.replica_links()[0].acked_offset, 0);

            let _: () = primary.conn().set("k", "a\r\nb").expect("SET");
            fake.wait_for_offset(primary.offset());
            assert_eq!(fake.offset(), primary.offset());
            assert_eq!(
                fake.commands().last().expect("no command in the stream"),
                &["SET", "k", "a\r\nb"]
            );

            let acked = || primary.replica_links()[0].acked_offset;
            let honest = fake.ack_what_was_read();
            eventually("the true acknowledgement to arrive", || acked() == honest);
            fake.ack(honest + 1_000_000);
            eventually("the false acknowledgement to arrive", || {
                acked() == honest + 1_000_000
            });
            assert!(fake.is_connected());
        }
    }
}

#[test]
fn a_fake_replica_may_have_no_port_or_that_of_another() {
    let primary = Server::builder().module(false).start();
    let first = FakeReplica::start(&primary);
    let second = FakeReplica::builder()
        .listening_port(first.listening_port())
        .start(&primary);
    let third = FakeReplica::builder()
        .without_listening_port()
        .start(&primary);
    let expected = [first.listening_port(), first.listening_port(), 0];
    assert_eq!(ports(&primary), expected);
    drop((first, third));
    eventually("the two dropped replicas to disappear", || {
        ports(&primary) == [second.listening_port()]
    });
    primary.kill();
    eventually("the fake replica to lose its link", || {
        !second.is_connected()
    });
}
