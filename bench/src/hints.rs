//! Slot hints: many keys in one command, against the server's own ways to learn where keys live.

use anyhow::{ensure, Result};
use testkit::{Cluster, Server};

use crate::results::{Goal, Group, Metric};
use crate::rounds::{Entrant, Rounds};
use crate::thousand;
use crate::workload::{command, Workload};

const PRIMARIES: usize = 3;
const MANY_KEYS: usize = 1000;
const SOME_KEYS: usize = 100;

/// A thousand keys: one SLOTHINT against as many CLUSTER KEYSLOT in one packet.
pub fn keys(rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("forming a cluster");
    let cluster = Cluster::start(PRIMARIES, 0);
    let node = &cluster.nodes[0];
    let keyslots: Vec<Vec<u8>> = keys_of(MANY_KEYS)
        .iter()
        .map(|key| command(&["CLUSTER", "KEYSLOT", key]))
        .collect();
    let (native, hint) = (
        "1000 CLUSTER KEYSLOT, one packet",
        "one SLOTHINT of 1000 keys",
    );
    let (singly, floor) = (
        "1000 CLUSTER KEYSLOT, one by one",
        "SCRIPT EXISTS of 1000 words",
    );
    let operations = MANY_KEYS as u64;
    let entrants = [
        Entrant::new(
            native,
            node,
            Workload::same(operations, keyslots.concat(), MANY_KEYS),
        ),
        Entrant::new(
            hint,
            node,
            Workload::same(operations, words("SLOTHINT", MANY_KEYS), 1),
        ),
        Entrant::new(singly, node, Workload::one_by_one(keyslots)),
        // With no script loaded it answers 0 for every word at once: what any command of so many
        // words costs the server, and so the least that SLOTHINT can cost.
        Entrant::new(
            floor,
            node,
            Workload::same(operations, words("SCRIPT EXISTS", MANY_KEYS), 1),
        ),
    ];
    let columns = [Metric::P50, Metric::P99, Metric::Cpu, Metric::ReplyBytes];
    let title = format!(
        "Slots of {MANY_KEYS} keys, {PRIMARIES} primaries, 1 connection; an operation is a key"
    );
    let mut group = rounds.group(&title, 1, &columns, &entrants)?;
    let rate = Metric::OperationsPerSecond;
    group.compare(hint, native, rate, Some(Goal::AtLeast(10.0)));
    group.compare(hint, native, Metric::Cpu, None);
    group.compare(hint, singly, rate, None);
    group.compare(hint, floor, rate, None);
    group.compare(floor, native, rate, None);
    Ok(vec![group])
}

/// A hundred keys in a cluster of a thousand shards: SLOTHINT against the whole map.
pub fn shards(rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting a node that knows a thousand shards");
    let node = thousand::start()?;
    let server = &node.server;
    let slots = "CLUSTER SLOTS";
    // How old the module's knowledge may be: never aging within a turn, as configured by default,
    // and looked up afresh for every command.
    let ages = [
        ("SLOTHINT of 100 keys, warm", "60000"),
        ("SLOTHINT of 100 keys, default age", "100"),
        ("SLOTHINT of 100 keys, cold", "0"),
    ];
    let mut entrants = vec![Entrant::new(
        slots,
        server,
        Workload::same(1, command(&["CLUSTER", "SLOTS"]), 1),
    )];
    for (name, age) in ages {
        let entrant = Entrant::new(
            name,
            server,
            Workload::same(1, words("SLOTHINT", SOME_KEYS), 1),
        );
        entrants.push(entrant.before(move || set_max_age(server, age)));
    }
    let columns = [
        Metric::P50,
        Metric::P99,
        Metric::Executed,
        Metric::Cpu,
        Metric::ReplyBytes,
    ];
    let title = format!(
        "Where {SOME_KEYS} keys live, {} shards, 1 connection",
        thousand::SHARDS
    );
    let mut group = rounds.group(&title, 1, &columns, &entrants)?;
    let fifth = Some(Goal::AtMost(0.2));
    group.compare(ages[0].0, slots, Metric::ReplyBytes, fifth);
    for (name, _) in ages {
        group.compare(name, slots, Metric::Executed, fifth);
        group.compare(name, slots, Metric::Cpu, None);
    }
    Ok(vec![group])
}

fn set_max_age(server: &Server, age: &str) -> Result<()> {
    let reply = server
        .raw()
        .call_text(&["CONFIG", "SET", "durable.slothint-max-age-ms", age]);
    ensure!(
        reply == "+OK\r\n",
        "setting how old a map may be was answered {reply:?}"
    );
    Ok(())
}

/// A command, of one word or two, and keys.
fn words(name: &str, keys: usize) -> Vec<u8> {
    let keys = keys_of(keys);
    let words: Vec<&str> = name
        .split(' ')
        .chain(keys.iter().map(String::as_str))
        .collect();
    command(&words)
}

/// Of a usual length, all over the slots.
fn keys_of(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("customer:{number:06}:orders"))
        .collect()
}
