//! DURABLE.REPLICAS: the links in any state, the acknowledged offset of each, its age, whether the
//! link counts, and why not.

use std::collections::HashMap;

use testkit::{eventually, FakeReplica, Replicated, Server};

use crate::support::{info, patient, refusal, replicated, say, verdicts};

/// A primary, a fake replica that has acknowledged what it read, and that offset.
fn with_fake() -> (Server, FakeReplica, u64) {
    let primary = patient(Server::builder())
        .config("repl-ping-replica-period", "3600")
        .start();
    let mut fake = FakeReplica::start(&primary);
    primary.run::<()>(&["SET", "k", "v"]);
    fake.wait_for_offset(primary.offset());
    let acked = fake.ack_what_was_read();
    eventually("the acknowledgement to arrive", || {
        primary.replica_links()[0].acked_offset == acked
    });
    (primary, fake, acked)
}

/// A reply of DURABLE.REPLICAS with `AGE` in place of the age, which changes with time.
fn without_age(reply: &str) -> String {
    let mut lines: Vec<&str> = reply.split("\r\n").collect();
    let age = lines
        .iter()
        .position(|line| *line == "ack-age-ms")
        .expect("no ack-age-ms");
    assert!(lines[age + 1].starts_with(':'), "{reply}");
    lines[age + 1] = ":AGE";
    lines.join("\r\n")
}

#[test]
fn replicas_are_listed_as_flat_arrays_and_as_maps() {
    let (primary, mut fake, _) = with_fake();
    let port = fake.listening_port();
    for (protocol, head) in [(2, "*16"), (3, "%8")] {
        let mut conn = primary.raw();
        if protocol == 3 {
            conn.hello3();
        }
        say(&mut conn, "SET k w");
        let offset = primary.offset();
        fake.wait_for_offset(offset);
        fake.ack(offset - 10);
        eventually("the acknowledgement to arrive", || {
            primary.replica_links()[0].acked_offset == offset - 10
        });
        let expected = format!(
            "*1\r\n{head}\r\n$4\r\nhost\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n:{port}\r\n\
             $12\r\nacked-offset\r\n:{}\r\n$9\r\nlag-bytes\r\n:10\r\n$10\r\nack-age-ms\r\n:AGE\r\n\
             $14\r\nfsynced-offset\r\n:-1\r\n$6\r\ncounts\r\n:1\r\n$6\r\nreason\r\n$0\r\n\r\n",
            offset - 10
        );
        assert_eq!(without_age(&say(&mut conn, "DURABLE.REPLICAS")), expected);
    }
}

#[test]
fn a_replica_that_has_not_acknowledged_anything_is_listed_too() {
    let primary = patient(Server::builder()).start();
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.REPLICAS"), "*0\r\n");
    let _silent = FakeReplica::start(&primary);
    let listed = say(&mut conn, "DURABLE.REPLICAS");
    assert!(
        listed.starts_with("*1\r\n") && listed.contains("acked-offset\r\n:0\r\n"),
        "{listed}"
    );
    assert_eq!(
        info(&primary, "replicas_online"),
        0,
        "a link without an acknowledgement counts"
    );
}

#[test]
fn the_age_is_that_of_the_last_word() {
    let (primary, mut fake, _) = with_fake();
    let mut conn = primary.raw();
    let mut age = || {
        let reply = say(&mut conn, "DURABLE.REPLICAS");
        let lines: Vec<&str> = reply.lines().collect();
        let at = lines
            .iter()
            .position(|line| *line == "ack-age-ms")
            .expect("no ack-age-ms");
        lines[at + 1][1..].parse::<u64>().expect("not a number")
    };
    eventually("the age to grow", || age() >= 20);
    primary.run::<()>(&["SET", "k", "w"]);
    fake.wait_for_offset(primary.offset());
    let old = age();
    fake.ack_what_was_read();
    eventually("the age to start again after an acknowledgement", || {
        age() < old
    });
}

#[test]
fn it_is_listed_which_replica_lags() {
    let group: Replicated = replicated(2);
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 2"), "+OK\r\n");
    group.replicas[1].pause();
    say(&mut conn, &format!("SET k {}", "x".repeat(1000)));
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    let listed: Vec<HashMap<String, String>> = group.primary.run(&["DURABLE.REPLICAS"]);
    let lag = |port: u16| -> u64 {
        let port = port.to_string();
        let entry = listed
            .iter()
            .find(|entry| entry["port"] == port)
            .expect("no entry for a replica");
        entry["lag-bytes"].parse().expect("not a number")
    };
    assert!(lag(group.replicas[0].port()) < 1000);
    assert!(lag(group.replicas[1].port()) >= 1000);
    group.replicas[1].resume();
}

#[test]
fn every_link_is_listed_with_the_reason_why_it_does_not_count() {
    let (primary, _fake, acked) = with_fake();
    let mut conn = primary.raw();
    let _loading = FakeReplica::start(&primary);
    let mut portless = FakeReplica::builder()
        .without_listening_port()
        .start(&primary);
    let mut tool = FakeReplica::start(&primary);
    let mut liar = FakeReplica::start(&primary);
    let allowed = format!("127.0.0.1:{}", tool.listening_port());
    for fake in [&mut portless, &mut tool] {
        fake.ack(acked);
    }
    liar.ack(1_000_000_000);
    let of = |counts, reason: &str| (counts, reason.to_owned());
    let expected = [
        of(1, ""),
        of(0, "loading"),
        of(0, "no listening port"),
        of(1, ""),
        of(0, "ahead of the primary"),
    ];
    eventually("the acknowledgements to arrive", || {
        verdicts(&primary) == expected
    });
    // A link that durable.replica-allow does not match does not count. It counts again when it
    // matches.
    primary.run::<()>(&["CONFIG", "SET", "durable.replica-allow", &allowed]);
    assert_eq!(verdicts(&primary)[0], of(0, "not in durable.replica-allow"));
    assert_eq!(info(&primary, "replicas_online"), 1);
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 2"), refusal(1, 2, 4));
    let shown: Vec<String> = primary.run(&["CONFIG", "GET", "durable.replica-allow"]);
    assert_eq!(shown[1], allowed);
    primary.run::<()>(&["CONFIG", "SET", "durable.replica-allow", "127.*:* x:1"]);
    assert_eq!(info(&primary, "replicas_online"), 2);
    let refused = primary.try_run::<()>(&["CONFIG", "SET", "durable.replica-allow", "10.0.0.1"]);
    let refused = refused
        .expect_err("a pattern without a port was accepted")
        .to_string();
    assert!(refused.contains("glob patterns of host:port"), "{refused}");
    assert_eq!(info(&primary, "links"), 5);
    assert_eq!(info(&primary, "links_not_counted"), 3);
}

#[test]
fn an_idle_primary_has_replicas_that_do_not_lag() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    let lag = || -> String {
        let links: Vec<HashMap<String, String>> = group.primary.run(&["DURABLE.REPLICAS"]);
        links[0]["lag-bytes"].clone()
    };
    // The request for acknowledgements is in the stream, and no acknowledgement covers it.
    assert_eq!(lag(), "0");
    assert_eq!(info(&group.primary, "max_lag_bytes"), 0);
    group.replicas[0].pause();
    say(&mut conn, "SET k w");
    assert!(lag() != "0");
    assert!(info(&group.primary, "max_lag_bytes") > 0);
    group.replicas[0].resume();
}
