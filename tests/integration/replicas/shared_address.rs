//! Several links with the same host and port: several replicas behind one address, or one replica
//! whose old link is dead, unnoticed by the primary.

use std::net::Ipv4Addr;

use testkit::{eventually, Cut, FakeReplica, Server, ServerBuilder};

use crate::support::{fsync_is_refused, info, patient, say, syncing_link, verdicts};

/// A primary and two replicas at different addresses with the same port, which replicate through a
/// proxy. To the primary both have the address 127.0.0.1 and that port.
struct BehindNat {
    // Dropped in this order: otherwise lines about a lost primary would fill the replicas' logs.
    replicas: [Server; 2],
    _proxy: Cut,
    primary: Server,
}

fn behind_nat(replica: impl Fn(ServerBuilder) -> ServerBuilder) -> BehindNat {
    let primary = patient(Server::builder().name("primary"))
        .config("repl-ping-replica-period", "3600")
        .start();
    let proxy = Cut::to(&primary);
    let start = |last: u8, port: Option<u16>| {
        let builder = Server::builder()
            .name(&format!("replica on 127.0.0.{last}"))
            .host(Ipv4Addr::new(127, 0, 0, last))
            .config("replicaof", &format!("127.0.0.1 {}", proxy.port()));
        let builder = port.map_or(builder.clone(), |port| builder.port(port));
        let replica = replica(builder).start();
        eventually("the replica to be listed", || {
            primary.replica_links().len() == usize::from(last) - 1
        });
        replica
    };
    let first = start(2, None);
    let second = start(3, Some(first.port()));
    let links = primary.replica_links();
    assert_eq!(links[0].port, links[1].port);
    assert_eq!(links[0].host, links[1].host);
    BehindNat {
        replicas: [first, second],
        _proxy: proxy,
        primary,
    }
}

fn counted(primary: &Server) -> u64 {
    verdicts(primary).iter().map(|(counts, _)| counts).sum()
}

#[test]
fn two_replicas_behind_one_address_count_twice() {
    let nat = behind_nat(|builder| builder);
    // They count even while no client waits.
    eventually("both replicas to count", || counted(&nat.primary) == 2);
    let mut conn = nat.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 2"), "+OK\r\n");
    for replica in &nat.replicas {
        assert_eq!(say(&mut replica.raw(), "GET k"), "$1\r\nv\r\n");
    }
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 2"), ":2\r\n");
}

#[test]
fn either_of_two_replicas_behind_one_address_suffices_when_the_other_is_frozen() {
    for frozen in [0, 1] {
        let nat = behind_nat(|builder| builder);
        eventually("both replicas to count", || counted(&nat.primary) == 2);
        nat.replicas[frozen].pause();
        let mut conn = nat.primary.raw();
        assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 1"), "+OK\r\n");
        assert_eq!(
            say(&mut nat.replicas[1 - frozen].raw(), "GET k"),
            "$1\r\nv\r\n"
        );
        // On a busy machine the other replica may take longer than the command waits.
        eventually("the other replica to acknowledge in time", || {
            let reply = say(&mut conn, "DURABLE.SET k w REPLICAS 2 TIMEOUT 20");
            assert!(reply.starts_with("-UNACKED "), "{reply}");
            reply.starts_with("-UNACKED 1 of 2 ")
        });
        nat.replicas[frozen].resume();
    }
}

#[test]
fn a_replica_that_goes_behind_a_shared_address_and_comes_back_is_counted_anew() {
    let nat = behind_nat(|builder| builder);
    eventually("both replicas to count", || counted(&nat.primary) == 2);
    nat.replicas[1].kill();
    let mut conn = nat.primary.raw();
    eventually("only the remaining replica to count", || {
        counted(&nat.primary) == 1 && nat.primary.replica_links().len() == 1
    });
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    nat.replicas[1].restart();
    eventually("both replicas to count again", || {
        counted(&nat.primary) == 2
    });
    assert_eq!(say(&mut conn, "DURABLE.SET k w REPLICAS 2"), "+OK\r\n");
    assert_eq!(say(&mut nat.replicas[1].raw(), "GET k"), "$1\r\nw\r\n");
}

#[test]
fn fsyncs_behind_one_address_are_told_apart() {
    let nat = behind_nat(|builder| {
        builder
            .config("appendonly", "yes")
            .config("appendfsync", "always")
    });
    if fsync_is_refused(&nat.primary) {
        return;
    }
    eventually("both replicas to count", || counted(&nat.primary) == 2);
    let mut conn = nat.primary.raw();
    for word in ["FSYNC 1", "REPLICAS 2 FSYNC 2", "REPLICAS 2 FSYNC 1"] {
        let reply = say(&mut conn, &format!("DURABLE.SET k v {word}"));
        assert_eq!(reply, "+OK\r\n", "{word}");
    }
    for frozen in &nat.replicas {
        frozen.pause();
        assert_eq!(say(&mut conn, "DURABLE.SET k w FSYNC 1"), "+OK\r\n");
        // On a busy machine the other replica may take longer than the command waits.
        eventually("the other replica to acknowledge and fsync in time", || {
            let reply = say(&mut conn, "DURABLE.SET k w REPLICAS 2 FSYNC 2 TIMEOUT 20");
            assert!(reply.starts_with("-UNACKED "), "{reply}");
            reply.starts_with("-UNACKED 1 of 2 replicas acknowledged and 1 of 2 fsynced")
        });
        frozen.resume();
        eventually("the resumed replica to fsync", || {
            say(&mut conn, "DURABLE.SET k w REPLICAS 2 FSYNC 2 TIMEOUT 1000") == "+OK\r\n"
        });
    }
}

/// Two fake replicas that announce the same port. Both have acknowledged what they have read.
fn two_fakes() -> (Server, FakeReplica, FakeReplica) {
    let primary = patient(Server::builder().name("primary"))
        .config("repl-ping-replica-period", "3600")
        .start();
    let mut one = FakeReplica::start(&primary);
    let mut two = same_port(&primary, &one);
    eventually("both replicas to count", || {
        for fake in [&mut one, &mut two] {
            fake.ack_what_was_read();
        }
        counted(&primary) == 2
    });
    (primary, one, two)
}

fn same_port(primary: &Server, fake: &FakeReplica) -> FakeReplica {
    FakeReplica::builder()
        .listening_port(fake.listening_port())
        .start(primary)
}

#[test]
fn an_older_link_counts_once_it_has_acknowledged_what_came_after_the_newest() {
    let primary = patient(Server::builder())
        .config("repl-ping-replica-period", "3600")
        .start();
    primary.run::<()>(&["SET", "k", "v"]);
    // The module is in use: it asks links as they come.
    info(&primary, "replicas_online");
    let mut one = FakeReplica::start(&primary);
    let mut two = same_port(&primary, &one);
    // Each link gets two requests, also without waits: the answer to the first proves nothing.
    let requests = |fake: &FakeReplica| {
        let commands = fake.commands();
        commands.iter().filter(|word| word[0] == "REPLCONF").count()
    };
    eventually("two requests after the second link came", || {
        requests(&two) >= 2
    });
    let end = primary.offset();
    one.wait_for_offset(end);
    two.wait_for_offset(end);
    // An offset from before the second link came proves nothing.
    let before = end - 2 * 37;
    one.ack(before);
    two.ack(before);
    eventually("only the newest link to count", || {
        let counts: Vec<u64> = verdicts(&primary).iter().map(|link| link.0).collect();
        counts == [0, 1]
    });
    one.ack(end);
    eventually("both replicas to count", || counted(&primary) == 2);
}

#[test]
fn a_link_does_not_inherit_what_another_in_its_place_has_proved() {
    let (primary, one, mut two) = two_fakes();
    drop(one);
    let mut three = same_port(&primary, &two);
    eventually("the first link to disappear", || {
        primary.replica_links().len() == 2
    });
    // There are as many links as before, and the first has acknowledged at least as much as before.
    let acked = primary.replica_links()[0].acked_offset;
    three.ack(acked);
    let unproved = (0, "same address as a newer link".to_owned());
    eventually("only the newest link to count", || {
        verdicts(&primary) == [unproved.clone(), (1, String::new())]
    });
    eventually("the older link to prove itself", || {
        two.ack_what_was_read();
        counted(&primary) == 2
    });
}

#[test]
fn what_strangers_send_voids_nothing() {
    let (primary, one, _two) = two_fakes();
    primary.run::<()>(&["ACL", "SETUSER", "nobody", "on", "nopass", "-@all"]);
    let mut stranger = primary.raw();
    assert_eq!(say(&mut stranger, "AUTH nobody any"), "+OK\r\n");
    let port = one.listening_port();
    for line in [
        format!("REPLCONF listening-port {port}"),
        "REPLCONF ip-address 127.0.0.1".to_owned(),
        "PSYNC ? -1".to_owned(),
        "SYNC".to_owned(),
    ] {
        let refused = say(&mut stranger, &line);
        assert!(refused.starts_with("-NOPERM "), "{refused}");
        assert_eq!(counted(&primary), 2, "{line}");
    }
}

#[test]
fn strangers_void_nothing_while_the_newest_link_is_synchronizing_either() {
    let (primary, mut one, mut two) = two_fakes();
    let _syncing = syncing_link(&primary, one.listening_port(), "127.0.0.1");
    eventually("both links to prove themselves", || {
        one.ack_what_was_read();
        two.ack_what_was_read();
        counted(&primary) == 2
    });
    let end = primary.offset();
    primary.run::<()>(&["ACL", "SETUSER", "nobody", "on", "nopass", "-@all"]);
    let mut stranger = primary.raw();
    assert_eq!(say(&mut stranger, "AUTH nobody any"), "+OK\r\n");
    for _ in 0..20 {
        let refused = say(&mut stranger, "PSYNC ? -1");
        assert!(refused.starts_with("-NOPERM "), "{refused}");
        assert_eq!(counted(&primary), 2);
    }
    assert_eq!(primary.offset(), end, "a request was sent");
}
