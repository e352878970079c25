//! No durable reply shows a state that the required replicas do not have, neither the reply of a
//! read nor that of a write that changed nothing. If they have everything, no request is sent.

use testkit::{eventually, RawConn, Server};

use crate::support::{
    connections, family, get, info, packet, replicated, say, send, server_time, wait_for_waiters,
};

/// A command that makes data, and a durable command that does not change it.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("SET k v", "DURABLE.SET k w NX"),
    ("SET k v", "DURABLE.SET nokey w XX"),
    ("SET k v", "DURABLE.GET k"),
    ("SET k v", "DURABLE.GET nokey"),
    ("SET k v", "DURABLE.GETDEL nokey"),
    ("SET k v", "DURABLE.DEL nokey nokey2"),
    ("SET k v", "DURABLE.UNLINK nokey"),
    ("SET k v", "DURABLE.PERSIST k"),
    ("SET k v", "DURABLE.EXPIRE nokey 100"),
    ("SET k v", "DURABLE.PEXPIRE k 100000 XX"),
    ("HSET h f v", "DURABLE.HSETNX h f w"),
    ("HSET h f v", "DURABLE.HDEL h nofield"),
    ("RPUSH l a", "DURABLE.LPOP nokey"),
    ("RPUSH l a", "DURABLE.RPOP l 0"),
    ("RPUSH l a", "DURABLE.LMOVE nokey l LEFT LEFT"),
    ("SADD s a", "DURABLE.SADD s a"),
    ("SADD s a", "DURABLE.SREM s b"),
    ("ZADD z 1 a", "DURABLE.ZADD z 1 a"),
    ("ZADD z 1 a", "DURABLE.ZREM z b"),
    ("XADD x 1-1 f v", "DURABLE.XDEL x 9-9"),
    ("XADD x 1-1 f v", "DURABLE.XACK x g 1-1"),
    ("XADD x 1-1 f v", "DURABLE.XADD nokey NOMKSTREAM 1-1 f v"),
    ("SET k v", "DURABLE.CALL GET k"),
    ("SET k v", "DURABLE.CALL EXISTS k nokey"),
    ("SET k v", "DURABLE.CALL DBSIZE"),
    ("SET k v", "DURABLE.CALL RANDOMKEY"),
    ("SET k v", "DURABLE.CALL SCAN 0"),
    ("SET k v", "DURABLE.CALL OBJECT ENCODING k"),
    ("HSET h f v", "DURABLE.CALL HGETALL h"),
    ("SET k v", "DURABLE.CALL SETNX k w"),
    ("SET k v", "DURABLE.CALL BLPOP nokey 0"),
    ("SET k v", "DURABLE.CALL GETRANGE nokey 0 1"),
    ("SET k v", "DURABLE.WAIT"),
];

#[test]
fn what_changes_nothing_waits_for_what_others_wrote_just_before() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut writer = primary.raw();
    let mut clients = connections(primary, WITHOUT_EFFECT.len());
    // All the data, and then one more write that only the primary has.
    for (before, _) in WITHOUT_EFFECT {
        say(&mut writer, before);
    }
    assert_eq!(say(&mut writer, "DURABLE.WAIT"), ":1\r\n");
    group.replicas[0].pause();
    say(&mut writer, "SET other v");
    for (number, (_, line)) in WITHOUT_EFFECT.iter().enumerate() {
        send(&mut clients[number], line);
        wait_for_waiters(primary, number as i64 + 1);
    }
    for (client, (_, line)) in clients.iter_mut().zip(WITHOUT_EFFECT) {
        assert!(
            !client.is_readable_now(),
            "answered without an acknowledgement: {line}"
        );
    }
    group.replicas[0].resume();
    for (client, (_, line)) in clients.iter_mut().zip(WITHOUT_EFFECT) {
        let reply = client.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    assert_eq!(get(&group.replicas[0], "other").as_deref(), Some("v"));
}

#[test]
fn each_of_the_family_waits_while_no_replica_answers() {
    let group = replicated(1);
    let primary = &group.primary;
    for sample in family(primary) {
        let mut conn = primary.raw();
        sample.prepare(&mut conn);
        group.replicas[0].pause();
        send(&mut conn, &sample.durable());
        wait_for_waiters(primary, 1);
        assert!(
            !conn.is_readable_now(),
            "answered without an acknowledgement: {}",
            sample.name
        );
        group.replicas[0].resume();
        let reply = conn.read_reply_bytes();
        assert!(
            !reply.starts_with(b"-"),
            "{}: {}",
            sample.name,
            reply.escape_ascii()
        );
    }
}

/// A plain write and a durable read, by two clients in one turn of the event loop.
fn write_and_read_in_one_turn(primary: &Server, write: &str, read: &str) -> RawConn {
    let mut clients = connections(primary, 2);
    let (mut reader, mut writer) = (clients.remove(1), clients.remove(0));
    primary.pause();
    send(&mut writer, write);
    send(&mut reader, read);
    primary.resume();
    writer.read_reply_bytes();
    reader
}

#[test]
fn a_read_in_the_very_turn_of_somebody_elses_write_waits_for_it() {
    let group = replicated(1);
    let primary = &group.primary;
    for read in [
        "DURABLE.GET k",
        "DURABLE.CALL GET k",
        "DURABLE.SET k w NX GET",
        "DURABLE.APPEND nokey x",
    ] {
        group.replicas[0].pause();
        let mut reader = write_and_read_in_one_turn(primary, "SET k v", read);
        wait_for_waiters(primary, 1);
        assert!(
            !reader.is_readable_now(),
            "answered without an acknowledgement: {read}"
        );
        group.replicas[0].resume();
        let reply = reader.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
        assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("v"));
    }
}

#[test]
fn a_read_behind_a_write_in_the_same_packet_waits_for_it() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    group.replicas[0].pause();
    conn.send_bytes(&packet(&["SET k v", "DURABLE.GET k"]));
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    wait_for_waiters(&group.primary, 1);
    assert!(!conn.is_readable_now());
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"$1\r\nv\r\n");
}

#[test]
fn a_read_that_finds_a_key_expired_waits_for_its_deletion() {
    let group = replicated(1);
    let primary = &group.primary;
    let (mut conn, mut operator) = (primary.raw(), primary.raw());
    say(&mut operator, "DEBUG SET-ACTIVE-EXPIRE 0");
    for read in [
        "DURABLE.GET k",
        "DURABLE.CALL GET k",
        "DURABLE.CALL EXISTS k",
    ] {
        say(&mut operator, "SET k v PX 1");
        assert_eq!(say(&mut operator, "DURABLE.WAIT"), ":1\r\n");
        // Waits until the key has expired by the server's own clock, without accessing the key.
        let written = server_time(primary);
        eventually("the key to expire", || {
            server_time(primary) > written + 10_000
        });
        let offset = primary.offset();
        group.replicas[0].pause();
        send(&mut conn, read);
        wait_for_waiters(primary, 1);
        assert!(
            primary.offset() > offset,
            "the deletion is not in the stream"
        );
        assert!(
            !conn.is_readable_now(),
            "answered without an acknowledgement: {read}"
        );
        group.replicas[0].resume();
        conn.read_reply_bytes();
        assert_eq!(
            say(&mut group.replicas[0].raw(), "DBSIZE"),
            ":0\r\n",
            "{read}"
        );
    }
}

#[test]
fn what_a_durable_read_returned_the_replica_has() {
    // A plain writer never stops. When the reader gets a value, the replica already has it.
    let group = replicated(1);
    let primary = &group.primary;
    let (mut writer, mut reader) = (primary.raw(), primary.raw());
    let mut replica = group.replicas[0].raw();
    let number = |reply: String| -> u64 {
        let digits = reply.lines().nth(1).expect("a reply without a value");
        digits.parse().expect("a value that is not a number")
    };
    say(&mut writer, "SET counter 0");
    for round in 0..300 {
        // The two clients race.
        writer.send_bytes(&packet(&["INCR counter"; 7]));
        let read = ["DURABLE.GET counter", "DURABLE.CALL GET counter"][round % 2];
        let shown = number(say(&mut reader, read));
        let there = number(say(&mut replica, "GET counter"));
        assert!(
            there >= shown,
            "the reader got {shown}, but the replica has {there}"
        );
        for _ in 0..7 {
            writer.read_reply_bytes();
        }
    }
}

#[test]
fn errors_of_the_inner_command_come_at_once_through_the_whole_family() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "RPUSH list a");
    say(&mut conn, "SET text v");
    group.replicas[0].pause();
    for (line, code) in [
        ("GET list", "-WRONGTYPE "),
        ("GETDEL list", "-WRONGTYPE "),
        ("INCR text", "-ERR "),
        ("INCRBY text x", "-ERR "),
        ("INCRBYFLOAT text 1", "-ERR "),
        ("APPEND list v", "-WRONGTYPE "),
        ("RENAME nokey k", "-ERR "),
        ("HSET text f v", "-WRONGTYPE "),
        ("HINCRBY list f 1", "-WRONGTYPE "),
        ("LPUSH text v", "-WRONGTYPE "),
        ("LMOVE list text LEFT LEFT", "-WRONGTYPE "),
        ("SADD list v", "-WRONGTYPE "),
        ("ZADD list 1 v", "-WRONGTYPE "),
        ("ZADD z one v", "-ERR "),
        ("XADD list * f v", "-WRONGTYPE "),
        ("XACK list g 1-1", "-WRONGTYPE "),
        ("EXPIRE text soon", "-ERR "),
    ] {
        let plain = say(&mut conn, line);
        assert!(plain.starts_with(code), "{line}: {plain}");
        assert_eq!(say(&mut conn, &format!("DURABLE.{line}")), plain, "{line}");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.CALL {line}")),
            plain,
            "{line}"
        );
    }
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
    group.replicas[0].resume();
}

#[test]
fn where_nothing_is_outstanding_reads_ask_nobody() {
    let group = replicated(1);
    let primary = &group.primary;
    // A PING of the server to its replicas is a part of the stream. Until the replica acknowledges
    // it, a read would send a request.
    primary.run::<()>(&["CONFIG", "SET", "repl-ping-replica-period", "3600"]);
    let mut conn = primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+OK\r\n");
    let (requests, offset) = (info(primary, "ack_requests_total"), primary.offset());
    for _ in 0..100 {
        assert_eq!(say(&mut conn, "DURABLE.GET k"), "$1\r\nv\r\n");
        assert_eq!(say(&mut conn, "DURABLE.CALL STRLEN k"), ":1\r\n");
        assert_eq!(say(&mut conn, "DURABLE.DEL nokey"), ":0\r\n");
    }
    assert_eq!(info(primary, "ack_requests_total"), requests);
    assert_eq!(primary.offset(), offset, "something entered the stream");
    // All of them were counted as acknowledged.
    assert_eq!(info(primary, "acked_total"), 301);
}

#[test]
fn both_required_replicas_have_what_a_read_shows() {
    let group = replicated(2);
    let primary = &group.primary;
    let mut conn = primary.raw();
    group.replicas[1].pause();
    say(&mut conn, "SET k v");
    assert_eq!(say(&mut conn, "DURABLE.GET k REPLICAS 1"), "$1\r\nv\r\n");
    send(&mut conn, "DURABLE.GET k REPLICAS 2");
    wait_for_waiters(primary, 1);
    let mut other = primary.raw();
    assert_eq!(say(&mut other, "DURABLE.WAIT REPLICAS 1"), ":1\r\n");
    assert!(
        !conn.is_readable_now(),
        "answered by one of two required replicas"
    );
    group.replicas[1].resume();
    assert_eq!(conn.read_reply_bytes(), b"$1\r\nv\r\n");
}
