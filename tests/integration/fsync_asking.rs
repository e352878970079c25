//! When replicas are asked for what they have fsynced. They answer a request before the fsync of the turn that
//! brought it, and are silent for up to a second after that; so each has to be asked once more, at the right moment.

use testkit::differences::REPORTS_FSYNCS;
use testkit::{eventually, FakeReplica, Server};

use crate::support::{patient, say, send, wait_for_waiters};

fn requests(replica: &FakeReplica) -> usize {
    let commands = replica.commands();
    let is_request = |command: &&Vec<String>| command.iter().any(|word| word == "GETACK");
    commands.iter().filter(is_request).count()
}

/// Two replicas that have acknowledged all there is: one without an append-only file, and one that has fsynced.
fn fast_and_slow(primary: &Server) -> (FakeReplica, FakeReplica) {
    let (mut fast, mut slow) = (FakeReplica::start(primary), FakeReplica::start(primary));
    primary.run::<()>(&["SET", "first", "v"]);
    let mut conn = primary.raw();
    eventually("both to count", || {
        fast.ack_what_was_read();
        let offset = slow.offset();
        slow.ack_fsynced(offset, offset);
        say(&mut conn, "DURABLE.WAIT REPLICAS 2 FSYNC 1 TIMEOUT 5") == ":2\r\n"
    });
    (fast, slow)
}

#[test]
fn a_replica_is_asked_again_when_it_has_acknowledged_and_not_when_another_has() {
    let primary = patient(Server::builder().name("primary")).start();
    if !primary.has(REPORTS_FSYNCS) {
        return;
    }
    let (mut fast, mut slow) = fast_and_slow(&primary);
    let fsynced = slow.offset();
    let (mut conn, mut other) = (primary.raw(), primary.raw());
    send(&mut conn, "DURABLE.SET k v REPLICAS 1 FSYNC 1");
    wait_for_waiters(&primary, 1);
    let target = primary.offset();
    fast.wait_for_offset(target);
    slow.wait_for_offset(target);
    // The one that keeps no file is fast. That is no reason to ask: the other has not even acknowledged.
    fast.ack(target);
    assert_eq!(say(&mut other, "DURABLE.WAIT REPLICAS 1 FSYNC 0"), ":1\r\n");
    let before = requests(&slow);
    // Now it has, and its fsync comes after this very answer.
    slow.ack_fsynced(target, fsynced);
    eventually("the slow one to be asked again", || {
        requests(&slow) > before
    });
    assert!(!conn.is_readable_now());
    slow.ack_fsynced(slow.offset(), target);
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn one_that_fsyncs_in_its_own_time_is_not_asked_again_and_again() {
    let primary = patient(Server::builder().name("primary")).start();
    if !primary.has(REPORTS_FSYNCS) {
        return;
    }
    let (_fast, mut slow) = fast_and_slow(&primary);
    let fsynced = slow.offset();
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v REPLICAS 1 FSYNC 1");
    wait_for_waiters(&primary, 1);
    let target = primary.offset();
    slow.wait_for_offset(target);
    let before = requests(&slow);
    slow.ack_fsynced(target, fsynced);
    eventually("the second request", || requests(&slow) > before);
    // It answers that, and has still not fsynced; turns of the event loop come and go.
    let mut other = primary.raw();
    for _ in 0..50 {
        slow.ack_fsynced(slow.offset(), fsynced);
        say(&mut other, "PING");
    }
    assert!(
        requests(&slow) <= before + 2,
        "{} requests",
        requests(&slow)
    );
    assert!(!conn.is_readable_now());
    slow.ack_fsynced(slow.offset(), target);
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn pretenders_are_looked_up_once() {
    let primary = patient(Server::builder().name("primary")).start();
    if !primary.has(REPORTS_FSYNCS) {
        return;
    }
    let (mut fast, mut slow) = fast_and_slow(&primary);
    let lookups = || {
        let stats = primary.info("commandstats");
        let line = stats.get("cmdstat_client|list").cloned();
        let calls = line.and_then(|line| {
            let calls = line.strip_prefix("calls=")?;
            calls.split(',').next()?.parse::<u64>().ok()
        });
        calls.unwrap_or(0)
    };
    // They claim to be the slow one.
    let port = slow.listening_port().to_string();
    let mut pretenders: Vec<_> = (0..20).map(|_| primary.raw()).collect();
    let mut pretend = |offset: u64| {
        let offset = offset.to_string();
        for pretender in &mut pretenders {
            pretender.send(&["REPLCONF", "listening-port", &port]);
            pretender.read_reply_bytes();
            // The server answers nothing to this; the answer to the next command shows that it was heard.
            pretender.send(&["REPLCONF", "ACK", &offset, "FACK", &offset]);
            assert_eq!(say(pretender, "PING"), "+PONG\r\n");
        }
    };
    pretend(1_000_000);
    let mut before = 0;
    let mut conn = primary.raw();
    for round in 0..20 {
        send(&mut conn, "DURABLE.SET k v REPLICAS 2 FSYNC 1");
        wait_for_waiters(&primary, 1);
        let target = primary.offset();
        fast.wait_for_offset(target);
        slow.wait_for_offset(target);
        fast.ack(target);
        pretend(target);
        assert!(!conn.is_readable_now(), "a pretender was believed");
        slow.ack_fsynced(slow.offset(), slow.offset());
        assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
        if round == 0 {
            before = lookups();
        }
    }
    assert_eq!(lookups(), before);
}
