//! Strict parsers for the parts that SLOTHINT, SLOTHINT.MAP and CLUSTER SLOTS share.

use std::collections::BTreeMap;
use std::rc::Rc;

use testkit::redis::{parse_redis_value, Value};

use crate::support::slots::{Address, Node, Slots};

#[track_caller]
pub fn read(reply: &[u8]) -> Value {
    parse_redis_value(reply)
        .unwrap_or_else(|error| panic!("{} is not a reply: {error}", reply.escape_ascii()))
}

#[track_caller]
pub fn array(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        other => panic!("{other:?} instead of an array"),
    }
}

#[track_caller]
pub fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} instead of a number"),
    }
}

#[track_caller]
pub fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?} instead of a text"),
    }
}

#[track_caller]
pub fn read_address(host: &Value, port: &Value, id: &Value) -> Address {
    let host = match host {
        Value::Nil => None,
        // The server writes its own unknown address as an empty text.
        host => Some(text(host)).filter(|host| !host.is_empty()),
    };
    Address {
        host,
        port: number(port) as u16,
        id: text(id),
    }
}

#[track_caller]
pub fn read_node(node: &Value) -> Node {
    let [host, port, id, replicas] = array(node) else {
        panic!("a node is {node:?}");
    };
    assert_ne!(
        *host,
        Value::BulkString(Vec::new()),
        "an unknown host is empty instead of nil"
    );
    let replica = |replica: &Value| match array(replica) {
        [host, port, id] => read_address(host, port, id),
        other => panic!("a replica is {other:?}"),
    };
    Node {
        address: read_address(host, port, id),
        replicas: array(replicas).iter().map(replica).collect(),
    }
}

/// The owner of each slot in CLUSTER SLOTS or SLOTHINT.SLOTS, and its replicas in any order. All
/// that is told of a node counts, metadata too.
#[track_caller]
pub fn by_slot(reply: &Value) -> BTreeMap<i64, Rc<[String]>> {
    let mut nodes = BTreeMap::new();
    for row in array(reply) {
        let [first, last, owner, replicas @ ..] = array(row) else {
            panic!("a row is {row:?}");
        };
        let mut shown: Vec<String> = replicas.iter().map(|node| format!("{node:?}")).collect();
        shown.sort();
        shown.insert(0, format!("{owner:?}"));
        let shown: Rc<[String]> = shown.into();
        for slot in number(first)..=number(last) {
            let earlier = nodes.insert(slot, Rc::clone(&shown));
            assert_eq!(earlier, None, "slot {slot} is in two rows");
        }
    }
    nodes
}

/// CLUSTER SLOTS in the form of the map. Servers may add metadata after the id.
#[track_caller]
pub fn read_slots(reply: &Value) -> Slots {
    let address = |node: &Value| match array(node) {
        [host, port, id, ..] => read_address(host, port, id),
        other => panic!("CLUSTER SLOTS has a node {other:?}"),
    };
    let mut nodes = BTreeMap::new();
    let mut ranges = Vec::new();
    for range in array(reply) {
        let [first, last, owner, replicas @ ..] = array(range) else {
            panic!("CLUSTER SLOTS has a range {range:?}");
        };
        let owner = address(owner);
        let mut replicas: Vec<Address> = replicas.iter().map(address).collect();
        replicas.sort_by(|one, other| one.id.cmp(&other.id));
        ranges.push((number(first) as u16, number(last) as u16, owner.id.clone()));
        let node = Node {
            address: owner,
            replicas,
        };
        nodes.insert(node.address.id.clone(), node);
    }
    ranges.sort();
    let place = |id: &String| nodes.keys().position(|known| known == id);
    Slots {
        ranges: ranges
            .iter()
            .filter_map(|(first, last, id)| Some((*first, *last, place(id)?)))
            .collect(),
        nodes: nodes.into_values().collect(),
    }
}
