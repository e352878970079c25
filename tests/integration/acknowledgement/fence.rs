//! DURABLE.WAIT: a fence after everything that was executed so far, by any client.

use testkit::Server;

use crate::support::{
    get, info, packet, patient, replicated, say, send, silent_replica, wait_for_waiters,
};

#[test]
fn the_integer_is_how_many_replicas_have_acknowledged() {
    let group = replicated(2);
    let mut conn = group.primary.raw();
    say(&mut conn, "SET k v");
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 2"), ":2\r\n");
    // More replicas than required may have acknowledged.
    let one_is_enough = say(&mut conn, "DURABLE.WAIT");
    assert!(
        [":1\r\n", ":2\r\n"].contains(&one_is_enough.as_str()),
        "{one_is_enough}"
    );
    group.replicas[1].pause();
    say(&mut conn, "SET k w");
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    group.replicas[1].resume();
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 2"), ":2\r\n");
}

#[test]
fn the_integer_is_one_in_resp3_too() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.hello3();
    assert_eq!(
        say(&mut conn, "durable.wait replicas 1 timeout 0"),
        ":1\r\n"
    );
}

#[test]
fn it_covers_what_others_have_written() {
    let group = replicated(1);
    for number in 0..100 {
        let value = number.to_string();
        group.primary.run::<()>(&["SET", "k", &value]);
        assert_eq!(say(&mut group.primary.raw(), "DURABLE.WAIT"), ":1\r\n");
        assert_eq!(get(&group.replicas[0], "k"), Some(value));
    }
}

#[test]
fn it_waits_for_what_was_written_before_it_in_the_same_packet() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    conn.send_bytes(&packet(&["SET k v", "DURABLE.WAIT"]));
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    wait_for_waiters(&group.primary, 1);
    assert!(!conn.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
}

#[test]
fn without_a_requirement_it_tells_how_many_have_everything_and_does_not_wait() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    assert_eq!(say(&mut conn, "SET k v"), "+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
    group.replicas[0].resume();
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT REPLICAS 0"), ":1\r\n");
    let alone = patient(Server::builder()).start();
    assert_eq!(say(&mut alone.raw(), "DURABLE.WAIT REPLICAS 0"), ":0\r\n");
}

#[test]
fn what_is_acknowledged_already_is_not_asked_for_again() {
    let primary = patient(Server::builder().name("primary")).start();
    let mut fake = silent_replica(&primary);
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.SET k v");
    wait_for_waiters(&primary, 1);
    fake.wait_for_offset(primary.offset());
    // Like a real replica, it acknowledges the offset before the request that it answers.
    let request = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
    assert!(fake.stream().ends_with(request));
    fake.ack(fake.offset() - request.len() as u64);
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    // From here on the replica is silent: the replies use what it has acknowledged.
    let before = info(&primary, "ack_requests_total");
    for _ in 0..10 {
        assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
        assert_eq!(say(&mut conn, "DURABLE.SET k w NX"), "$-1\r\n");
    }
    assert_eq!(info(&primary, "ack_requests_total"), before);
}
