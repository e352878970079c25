//! The primary is killed at random points under load: on the promoted replica and on the restarted
//! primary, each id has both the effect and the record, or neither.

use std::collections::BTreeSet;
use std::thread;

use testkit::redis::{cmd, Connection};
use testkit::{eventually, Server};

use crate::support::{builder, info, persistent, Chance};

/// How many connections send commands at once.
const CLIENTS: usize = 4;

/// Writes twice, so that its own effects are a transaction too.
const SCRIPT: &str = "redis.call('SET', KEYS[1], 'a') return redis.call('SET', KEYS[1], 'v')";

/// The ids of the keys that begin with these letters, or of the records.
fn ids(server: &Server, pattern: &str) -> BTreeSet<String> {
    let keys: Vec<String> = server.run(&["KEYS", pattern]);
    let id = |key: String| key.rsplit(':').next().map(str::to_owned);
    keys.into_iter().filter_map(id).collect()
}

#[track_caller]
fn assert_both_or_neither(server: &Server, round: usize) -> usize {
    let (effects, records) = (ids(server, "effect:*"), ids(server, "durable:once:*"));
    let odd: Vec<_> = effects.symmetric_difference(&records).collect();
    assert!(odd.is_empty(), "round {round}: {odd:?}");
    effects.len()
}

/// Sends commands until the connection breaks.
fn load(mut conn: Connection, client: usize) {
    for number in 0.. {
        let id = format!("{client}-{number}");
        let effect = format!("effect:{id}");
        let mut once = cmd("DURABLE.ONCE");
        once.arg(&[&id, "REPLICAS", "0"]);
        // Half of the clients send scripts.
        if client.is_multiple_of(2) {
            once.arg(&["SET", &effect, "v"]);
        } else {
            once.arg(&["EVAL", SCRIPT, "1", &effect]);
        }
        if once.exec(&mut conn).is_err() {
            return;
        }
    }
}

#[test]
fn a_killed_primary_leaves_effect_and_record_or_neither() {
    let mut chance = Chance::new(7);
    for round in 0..8 {
        let group = builder(1).primary(persistent).start();
        let (primary, replica) = (&group.primary, &group.replicas[0]);
        let enough = i64::try_from(chance.below(2000)).expect("a small number");
        thread::scope(|scope| {
            let connections: Vec<_> = (0..CLIENTS).map(|_| primary.conn()).collect();
            for (client, conn) in connections.into_iter().enumerate() {
                scope.spawn(move || load(conn, client));
            }
            eventually("some commands to be executed", || {
                info(primary, "once_total") >= enough
            });
            primary.kill();
        });
        replica.promote();
        assert_both_or_neither(replica, round);
        primary.restart();
        let kept = assert_both_or_neither(primary, round);
        let kept = i64::try_from(kept).expect("a small number");
        assert!(kept >= enough, "round {round}: {kept} of {enough}");
    }
}
