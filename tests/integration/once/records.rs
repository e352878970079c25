//! The records of DURABLE.ONCE: replicated and persisted together with the effect, with an expiry,
//! small, and never trusted.

use testkit::{eventually, FakeReplica, Server};

use crate::support::{builder, persistent, replicated, say, silent_replica};

/// The only record.
fn record(server: &Server) -> String {
    let names: Vec<String> = server.run(&["KEYS", "durable:once:*"]);
    let [name] = names.as_slice() else {
        panic!("not one record: {names:?}");
    };
    name.clone()
}

fn stream(fake: &FakeReplica, primary: &Server) -> Vec<Vec<String>> {
    fake.wait_for_offset(primary.offset());
    let commands = fake.commands().into_iter();
    commands
        .filter(|words| words[0] != "REPLCONF" && words[0] != "PING")
        .collect()
}

#[test]
fn effect_and_record_travel_as_one_transaction_and_a_miss_as_the_record_alone() {
    let primary = Server::builder().start();
    let fake = silent_replica(&primary);
    let mut conn = primary.raw();
    let before = stream(&fake, &primary).len();
    say(&mut conn, "DURABLE.ONCE a REPLICAS 0 INCR n");
    let effect = stream(&fake, &primary).split_off(before);
    let names: Vec<&str> = effect.iter().map(|words| words[0].as_str()).collect();
    assert_eq!(names, ["MULTI", "INCR", "SET", "EXEC"], "{effect:?}");
    assert_eq!(effect[2][1], record(&primary));
    assert_eq!(effect[2][3], "PXAT");
    let before = stream(&fake, &primary).len();
    say(&mut conn, "DURABLE.ONCE b REPLICAS 0 SET n x NX");
    let miss = stream(&fake, &primary).split_off(before);
    assert_eq!(miss.len(), 1, "{miss:?}");
    assert_eq!(miss[0][0], "SET");
    // A retry adds nothing.
    let before = stream(&fake, &primary).len();
    say(&mut conn, "DURABLE.ONCE a REPLICAS 0 INCR n");
    say(&mut conn, "SET last 1");
    let after = stream(&fake, &primary).split_off(before);
    assert_eq!(after.len(), 1, "{after:?}");
}

#[test]
fn a_promoted_replica_and_a_restarted_primary_repeat_the_reply() {
    let group = builder(1).primary(persistent).start();
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.ONCE id INCR n"), ":1\r\n");
    group.primary.kill();
    group.replicas[0].promote();
    let mut conn = group.replicas[0].raw();
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n"),
        ":1\r\n"
    );
    group.primary.restart();
    let mut conn = group.primary.raw();
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n"),
        ":1\r\n"
    );
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn a_record_expires_on_every_node_at_the_same_time() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET durable.once-ttl-ms 3600000");
    say(&mut conn, "DURABLE.ONCE id INCR n");
    let name = record(&group.primary);
    let expires = |server: &Server| server.run::<i64>(&["PEXPIRETIME", &name]);
    assert_eq!(expires(&group.primary), expires(&group.replicas[0]));
    let ttl: i64 = group.primary.run(&["PTTL", &name]);
    assert!((3_000_000..=3_600_000).contains(&ttl), "{ttl}");
    // When it is gone, the id is new.
    group.primary.run::<()>(&["PEXPIREAT", &name, "1"]);
    assert_eq!(say(&mut conn, "DURABLE.ONCE id INCR n"), ":2\r\n");
}

#[test]
fn a_record_that_was_tampered_with_or_is_of_a_later_version_executes_nothing() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n");
    let name = record(&server);
    let unreadable = "-ERR the record of this id cannot be read; nothing was executed\r\n";
    for (spoil, reply) in [
        (vec!["APPEND", &name, "x"], unreadable),
        (vec!["SET", &name, ""], unreadable),
        (
            vec!["SETRANGE", &name, "0", "\u{2}"],
            "-ERR the record of this id has version 2, and this module reads version 1; nothing was executed\r\n",
        ),
        (vec!["DEL", &name], ""),
    ] {
        conn.call_text(&spoil);
        if !reply.is_empty() {
            assert_eq!(say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n"), reply);
        }
    }
    say(&mut conn, &format!("RPUSH {name} x"));
    assert_eq!(
        say(&mut conn, "DURABLE.ONCE id REPLICAS 0 INCR n"),
        unreadable
    );
    assert_eq!(say(&mut conn, "GET n"), "$1\r\n1\r\n");
}

#[test]
fn a_record_costs_at_most_200_bytes() {
    const COUNT: u32 = 30_000;
    let server = Server::builder().start();
    let mut conn = server.raw();
    let used = || server.info_number("memory", "used_memory");
    say(&mut conn, "DURABLE.ONCE first REPLICAS 0 INCR n");
    let before = used();
    let command = |id: u32| {
        let id = format!("01234567-89ab-cdef-0123-4567{id:08}");
        assert_eq!(id.len(), 36);
        testkit::encode_command(&["DURABLE.ONCE", &id, "REPLICAS", "0", "INCR", "n"])
    };
    for chunk in (0..COUNT).collect::<Vec<_>>().chunks(1000) {
        conn.send_bytes(&chunk.iter().flat_map(|&id| command(id)).collect::<Vec<_>>());
        for _ in chunk {
            conn.read_reply_bytes();
        }
    }
    // The tables of keys grow in steps, and for a while there are two of each.
    let limit = i64::from(COUNT) * 200;
    eventually("the records to take less", || used() - before <= limit);
}

#[test]
fn a_record_is_written_at_the_memory_limit_and_a_retry_is_answered_beyond_it() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    assert_eq!(say(&mut conn, "DURABLE.ONCE a REPLICAS 0 INCR n"), ":1\r\n");
    say(&mut conn, "CONFIG SET maxmemory 1");
    assert_eq!(say(&mut conn, "DURABLE.ONCE a REPLICAS 0 INCR n"), ":1\r\n");
    let refused = say(&mut conn, "DURABLE.ONCE b REPLICAS 0 INCR n");
    assert!(refused.starts_with("-OOM "), "{refused}");
    // A command that frees memory is not refused, so its record has to be written.
    assert_eq!(say(&mut conn, "DURABLE.ONCE c REPLICAS 0 DEL n"), ":1\r\n");
    assert_eq!(say(&mut conn, "DURABLE.ONCE c REPLICAS 0 DEL n"), ":1\r\n");
    say(&mut conn, "CONFIG SET maxmemory 0");
    assert_eq!(say(&mut conn, "DURABLE.ONCE b REPLICAS 0 INCR n"), ":1\r\n");
}

#[test]
fn the_log_says_at_load_that_records_can_be_evicted() {
    for (policy, limit, is_said) in [
        ("allkeys-lru", "100mb", true),
        ("volatile-ttl", "100mb", true),
        ("allkeys-lru", "0", false),
        ("noeviction", "100mb", false),
    ] {
        let server = Server::builder()
            .config("maxmemory", limit)
            .config("maxmemory-policy", policy)
            .start();
        let said = server.log().contains("may evict records of DURABLE.ONCE");
        assert_eq!(said, is_said, "{policy} {limit}");
    }
}
