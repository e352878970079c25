//! What one node reports about its cluster: CLUSTER INFO, CLUSTER SLOTS and CLUSTER SHARDS.

use std::collections::{BTreeSet, HashMap};

use redis::Value;

use crate::server::Server;

/// The slots as one node reports them: first slot, last slot, owner's port, replicas' ports.
pub(crate) type SlotRanges = BTreeSet<(u16, u16, u16, BTreeSet<u16>)>;

/// Whether CLUSTER INFO has this line.
#[track_caller]
pub(crate) fn cluster_info_has(node: &Server, line: &str) -> bool {
    let text: String = node.run(&["CLUSTER", "INFO"]);
    text.lines().any(|own| own == line)
}

/// The number of nodes of each shard, by CLUSTER SHARDS.
#[track_caller]
pub(crate) fn shard_sizes(node: &Server) -> Vec<usize> {
    let shards: Vec<HashMap<String, Value>> = node.run(&["CLUSTER", "SHARDS"]);
    let size = |shard: &HashMap<String, Value>| match shard.get("nodes") {
        Some(Value::Array(nodes)) => nodes.len(),
        other => panic!(
            "CLUSTER SHARDS of {} has a shard whose nodes are {other:?}",
            node.name()
        ),
    };
    shards.iter().map(size).collect()
}

/// CLUSTER SLOTS reduced to ports, since all nodes are on one host. Sets, since each node has an
/// order of its own.
#[track_caller]
pub(crate) fn slot_ranges(node: &Server) -> SlotRanges {
    // A node's entry may have metadata at its end, so only its second field is read.
    let ranges: Vec<Vec<Value>> = node.run(&["CLUSTER", "SLOTS"]);
    let port = |entry: &Value| -> Option<u16> {
        let Value::Array(fields) = entry else {
            return None;
        };
        redis::from_redis_value_ref(fields.get(1)?).ok()
    };
    let read = |range: &Vec<Value>| {
        let first = redis::from_redis_value_ref(range.first()?).ok()?;
        let last = redis::from_redis_value_ref(range.get(1)?).ok()?;
        let owner = port(range.get(2)?)?;
        Some((
            first,
            last,
            owner,
            range[3..].iter().filter_map(port).collect(),
        ))
    };
    let understood: Option<SlotRanges> = ranges.iter().map(read).collect();
    understood.unwrap_or_else(|| panic!("CLUSTER SLOTS of {} is {ranges:?}", node.name()))
}
