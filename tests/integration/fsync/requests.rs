//! When requests for fsyncs are sent. A replica answers a request before the fsync of the same
//! turn, and then reports nothing for up to a second. So each replica needs a second request at the
//! right moment.

use testkit::differences::REPORTS_FSYNCS;
use testkit::{eventually, FakeReplica, Server};

use crate::support::{calls, patient, say, send, wait_for_waiters};

fn requests(replica: &FakeReplica) -> usize {
    let commands = replica.commands();
    let is_request = |command: &&Vec<String>| command.iter().any(|word| word == "GETACK");
    commands.iter().filter(is_request).count()
}

/// Two replicas that have acknowledged everything: `fast` has no append-only file, `slow` has
/// fsynced.
fn fast_and_slow(primary: &Server) -> (FakeReplica, FakeReplica) {
    let (mut fast, mut slow) = (FakeReplica::start(primary), FakeReplica::start(primary));
    primary.run::<()>(&["SET", "first", "v"]);
    let mut conn = primary.raw();
    eventually("both replicas to acknowledge, one with an fsync", || {
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
    // `fast` acknowledges. That causes no request: `slow` has not even acknowledged.
    fast.ack(target);
    assert_eq!(say(&mut other, "DURABLE.WAIT REPLICAS 1 FSYNC 0"), ":1\r\n");
    let before = requests(&slow);
    // Now `slow` acknowledges. Its fsync follows after this answer.
    slow.ack_fsynced(target, fsynced);
    eventually("a second request to the slow replica", || {
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
    eventually("the second request to the slow replica", || {
        requests(&slow) > before
    });
    // It answers the second request without an fsync, and turns of the event loop pass.
    let mut other = primary.raw();
    for _ in 0..50 {
        slow.ack_fsynced(slow.offset(), fsynced);
        say(&mut other, "PING");
    }
    assert!(
        requests(&slow) <= before + 2,
        "{} requests to the slow replica",
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
    let lookups = || calls(&primary, "client|list");
    // The pretenders announce the port of `slow`.
    let port = slow.listening_port().to_string();
    let mut pretenders: Vec<_> = (0..20).map(|_| primary.raw()).collect();
    let mut pretend = |offset: u64| {
        let offset = offset.to_string();
        for pretender in &mut pretenders {
            pretender.send(&["REPLCONF", "listening-port", &port]);
            pretender.read_reply_bytes();
            // The server does not answer REPLCONF ACK. The reply to PING shows that it was
            // executed.
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
