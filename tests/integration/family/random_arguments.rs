//! Random arguments for every command, the same in every run. The server survives, answers each
//! command once, and a refused command has changed nothing.

use testkit::{RawConn, Replicated};

use crate::support::{
    all_commands, builder, family, info, random_command, say, unload_and_load_again,
    wait_for_waiters, Chance,
};

/// Makes data of every type, and switches off expiry and PINGs, which would change data and offset.
fn prepare(group: &Replicated) {
    let mut conn = group.primary.raw();
    for line in [
        "DEBUG SET-ACTIVE-EXPIRE 0",
        "CONFIG SET repl-ping-replica-period 3600",
        "MSET k v k2 5 text v",
        "RPUSH list a b c",
        "HSET hash f v g 1",
        "SADD set a b 1",
        "ZADD zset 1 a 2 b",
        "XADD stream 1-1 f v",
        "XGROUP CREATE stream g 0",
        "DURABLE.WAIT",
    ] {
        assert!(!say(&mut conn, line).starts_with('-'), "{line}");
    }
}

/// Whether nothing was executed, by the module's error or by an error that the server gives before
/// it calls the module.
fn is_refused(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    text.starts_with('-')
        && (text.contains("nothing was executed")
            || text.starts_with("-ERR wrong number of arguments for 'durable.")
            || text.starts_with("-ERR FSYNC needs Redis 7.2"))
}

fn state(conn: &mut RawConn, group: &Replicated) -> (String, u64) {
    (say(conn, "DEBUG DIGEST"), group.primary.offset())
}

fn throw(seed: u64, count: usize, heads: &[Vec<Vec<u8>>], group: &Replicated) {
    let primary = &group.primary;
    let mut chance = Chance::new(seed);
    let (mut conn, mut operator) = (primary.raw(), primary.raw());
    let (mut refused, mut executed) = (0, 0);
    let mut before = state(&mut operator, group);
    for number in 0..count {
        let words = random_command(&mut chance, heads);
        let shown = || {
            let words: Vec<String> = words.iter().map(|w| w.escape_ascii().to_string()).collect();
            format!("vector {number} of seed {seed}: {}", words.join(" "))
        };
        conn.send(&words);
        let reply = conn.read_reply_bytes();
        let after = state(&mut operator, group);
        if is_refused(&reply) {
            refused += 1;
            assert_eq!(
                after,
                before,
                "{} changed something, but was answered {}",
                shown(),
                reply.escape_ascii()
            );
        } else if !reply.starts_with(b"-") {
            executed += 1;
        }
        assert!(primary.is_alive(), "{}", shown());
        before = after;
    }
    assert!(
        refused > count / 30 && executed > count / 30,
        "{refused} refused, {executed} executed"
    );
    wait_for_waiters(primary, 0);
    assert_eq!(say(&mut operator, "DURABLE.WAIT TIMEOUT 0"), ":1\r\n");
    let replica = say(&mut group.replicas[0].raw(), "DEBUG DIGEST");
    assert_eq!(
        say(&mut operator, "DEBUG DIGEST"),
        replica,
        "the replica has other data"
    );
    assert!(info(primary, "acked_total") > 0);
    unload_and_load_again(primary);
}

/// A group in which every wait ends soon: its replica acknowledges and fsyncs.
fn group() -> Replicated {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "expected-replicas", "1"]))
        .replica(|_, builder| {
            builder
                .config("appendonly", "yes")
                .config("appendfsync", "always")
        })
        .start();
    prepare(&group);
    group
}

#[test]
fn the_family_lives_through_argument_vectors_by_chance() {
    let group = group();
    let heads: Vec<Vec<Vec<u8>>> = family(&group.primary)
        .iter()
        .map(|sample| vec![format!("DURABLE.{}", sample.name).into_bytes()])
        .chain(
            ["WAIT", "REPLICAS", "HELP"].map(|name| vec![format!("DURABLE.{name}").into_bytes()]),
        )
        .collect();
    throw(7, 2000, &heads, &group);
}

#[test]
fn calls_of_every_command_of_the_server_live_through_argument_vectors_by_chance() {
    let group = group();
    let heads: Vec<Vec<Vec<u8>>> = all_commands(&group.primary)
        .into_iter()
        .map(|(name, _)| {
            let name = name.split('|').map(|word| word.as_bytes().to_vec());
            [b"DURABLE.CALL".to_vec()].into_iter().chain(name).collect()
        })
        .collect();
    throw(8, 2500, &heads, &group);
}

#[test]
fn calls_live_through_words_by_chance_where_the_command_is_to_be() {
    let group = group();
    let heads = vec![
        vec![b"DURABLE.CALL".to_vec()],
        vec![
            b"COMMAND".to_vec(),
            b"GETKEYS".to_vec(),
            b"DURABLE.CALL".to_vec(),
        ],
    ];
    let mut chance = Chance::new(9);
    let (mut conn, mut operator) = (group.primary.raw(), group.primary.raw());
    let mut before = state(&mut operator, &group);
    for _ in 0..2000 {
        let words = random_command(&mut chance, &heads);
        conn.send(&words);
        let reply = conn.read_reply_bytes();
        let after = state(&mut operator, &group);
        if is_refused(&reply) {
            assert_eq!(after, before, "{}", reply.escape_ascii());
        }
        before = after;
    }
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    unload_and_load_again(&group.primary);
}
