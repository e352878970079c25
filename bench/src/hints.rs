//! Slot hints: many keys in one command, against the server's own commands for finding nodes.

use anyhow::{ensure, Result};
use testkit::{Cluster, Server};

use crate::large_cluster;
use crate::results::{Goal, Group, Metric};
use crate::rounds::{Case, Rounds};
use crate::workload::{command, Workload};

const PRIMARIES: usize = 3;
const MANY_KEYS: usize = 1000;
const SOME_KEYS: usize = 100;

/// A thousand keys: one SLOTHINT against a thousand CLUSTER KEYSLOT in one packet.
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
    let cases = [
        Case::new(
            native,
            node,
            Workload::same(operations, keyslots.concat(), MANY_KEYS),
        ),
        Case::new(
            hint,
            node,
            Workload::same(operations, words("SLOTHINT", MANY_KEYS), 1),
        ),
        Case::new(singly, node, Workload::one_by_one(keyslots)),
        // No script is loaded, so SCRIPT EXISTS answers 0 for every word. Its cost is that of any
        // command with a thousand words, and so a lower bound for SLOTHINT.
        Case::new(
            floor,
            node,
            Workload::same(operations, words("SCRIPT EXISTS", MANY_KEYS), 1),
        ),
    ];
    let columns = [Metric::P50, Metric::P99, Metric::Cpu, Metric::ReplyBytes];
    let title = format!(
        "Slots of {MANY_KEYS} keys, {PRIMARIES} primaries, 1 connection; an operation is a key"
    );
    let mut group = rounds.group(&title, 1, &columns, &cases)?;
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
    let node = large_cluster::start()?;
    let server = &node.server;
    let slots = "CLUSTER SLOTS";
    // How old the map may be, in milliseconds. With 60000 a turn of the usual length is over before
    // the map is too old. 100 is the default. With 0 the map is read again for every command.
    let ages = [
        ("SLOTHINT of 100 keys, warm", "60000"),
        ("SLOTHINT of 100 keys, default age", "100"),
        ("SLOTHINT of 100 keys, cold", "0"),
    ];
    let mut cases = vec![Case::new(
        slots,
        server,
        Workload::same(1, command(&["CLUSTER", "SLOTS"]), 1),
    )];
    for (name, age) in ages {
        let case = Case::new(
            name,
            server,
            Workload::same(1, words("SLOTHINT", SOME_KEYS), 1),
        );
        cases.push(case.before(move || set_max_age(server, age)));
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
        large_cluster::SHARDS
    );
    let mut group = rounds.group(&title, 1, &columns, &cases)?;
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
        "CONFIG SET durable.slothint-max-age-ms was answered {reply:?}"
    );
    Ok(())
}

/// A command of one or two words, followed by keys.
fn words(name: &str, keys: usize) -> Vec<u8> {
    let keys = keys_of(keys);
    let words: Vec<&str> = name
        .split(' ')
        .chain(keys.iter().map(String::as_str))
        .collect();
    command(&words)
}

/// Keys of a usual length, spread over all slots.
fn keys_of(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("customer:{number:06}:orders"))
        .collect()
}
