//! The rows by example, and against a model that asks slot by slot.

use super::super::tests::{address, build, node, of, replica};
use super::*;
use crate::topology::tests::topology;
use crate::topology::Topology;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Of the slot 12182.
const FOO: &[u8] = b"foo";
/// Of the slot 5061.
const BAR: &[u8] = b"bar";

/// A key of each slot.
fn keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = BTreeMap::new();
        for number in 0.. {
            let key = format!("key:{number}");
            keys.entry(slot::of_key(key.as_bytes())).or_insert(key);
            if keys.len() == usize::from(SLOTS) {
                break;
            }
        }
        keys.into_values().collect()
    })
}

fn ranges(map: &SlotMap, keys: &[&[u8]]) -> Vec<(u16, u16, u16)> {
    let ranges = map.ranges_of(keys.iter().copied());
    ranges
        .iter()
        .map(|range| (range.first, range.last, range.owner))
        .collect()
}

/// Two nodes, the second one owns the slots 100 to 109.
fn two() -> SlotMap {
    let nodes = vec![node("a", "h", 1), node("b", "h", 1)];
    build(&of(nodes, &[(0, 99, 0), (100, 109, 1), (110, 16_383, 0)]))
}

#[test]
fn only_the_slots_of_the_keys_are_listed_in_slot_order_and_once() {
    let map = two();
    assert_eq!(
        ranges(&map, &[FOO, BAR, FOO, b"{bar}x", BAR]),
        [(5_061, 5_061, 0), (12_182, 12_182, 0)]
    );
    assert_eq!(ranges(&map, &[]), []);
}

#[test]
fn adjacent_slots_of_one_owner_are_one_range() {
    let map = two();
    let keys = keys();
    let of_slots = |slots: &[usize]| {
        let keys: Vec<&[u8]> = slots.iter().map(|&slot| keys[slot].as_bytes()).collect();
        ranges(&map, &keys)
    };
    assert_eq!(
        of_slots(&[64, 62, 63, 65, 67]),
        [(62, 65, 0), (67, 67, 0)],
        "across the words of the set"
    );
    assert_eq!(
        of_slots(&[98, 99, 100, 101]),
        [(98, 99, 0), (100, 101, 1)],
        "not across owners"
    );
    assert_eq!(of_slots(&[16_383, 0]), [(0, 0, 0), (16_383, 16_383, 0)]);
    let all: Vec<usize> = (0..keys.len()).rev().collect();
    assert_eq!(of_slots(&all).len(), 3);
    let whole = map.ranges_of(keys.iter().map(String::as_bytes));
    assert_eq!(whole, map.ranges());
}

#[test]
fn a_slot_without_owner_has_no_row() {
    let map = build(&of(vec![node("a", "h", 1)], &[(5_061, 5_061, 0)]));
    assert_eq!(ranges(&map, &[FOO]), []);
    assert_eq!(ranges(&map, &[FOO, BAR]), [(5_061, 5_061, 0)]);
}

/// Host and metadata of a node with this address and host name.
fn listed(preferred: PreferredEndpoint, ip: &str, name: &str) -> (Option<String>, Vec<String>) {
    let endpoint = match preferred {
        PreferredEndpoint::Ip => ip,
        PreferredEndpoint::HostName if name.is_empty() => "?",
        PreferredEndpoint::HostName => name,
        PreferredEndpoint::Unknown => "",
    };
    let mut one = node("a", ip, 1);
    one.endpoint = endpoint.as_bytes().into();
    one.hostname = name.as_bytes().into();
    let topology = Topology {
        preferred,
        ..of(vec![one], &[(0, 0, 0)])
    };
    let map = build(&topology);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let address = &map.owners()[0].address;
    let pairs = address.metadata.pairs();
    (
        address.listed_host().map(text),
        pairs
            .map(|(name, value)| text(name) + "=" + &text(value))
            .collect(),
    )
}

#[test]
fn host_and_metadata_are_as_in_cluster_slots() {
    use PreferredEndpoint::{HostName, Ip, Unknown};
    for (preferred, ip, name, host, metadata) in [
        (Ip, "10.0.0.1", "", Some("10.0.0.1"), &[][..]),
        (Ip, "10.0.0.1", "n", Some("10.0.0.1"), &["hostname=n"]),
        (Ip, "", "", Some(""), &[]),
        (HostName, "10.0.0.1", "n", Some("n"), &["ip=10.0.0.1"]),
        (HostName, "10.0.0.1", "", Some("?"), &["ip=10.0.0.1"]),
        (HostName, "", "n", Some("n"), &["ip="]),
        (Unknown, "10.0.0.1", "", None, &["ip=10.0.0.1"]),
        (Unknown, "", "n", None, &["ip=", "hostname=n"]),
    ] {
        let expected = (
            host.map(str::to_owned),
            metadata.iter().map(|&pair| pair.to_owned()).collect(),
        );
        assert_eq!(
            listed(preferred, ip, name),
            expected,
            "{preferred:?} {ip} {name}"
        );
    }
}

#[test]
fn replicas_have_metadata_too_and_the_token_does_not_depend_on_it() {
    let mut topology = of(
        vec![node("a", "h", 1), replica("b", "h", "a")],
        &[(0, 0, 0)],
    );
    let plain = build(&topology);
    topology.nodes[1].hostname = b"n".into();
    let named = build(&topology);
    let replica = &named.owners()[0].replicas[0];
    let pairs: Vec<_> = replica.metadata.pairs().collect();
    assert_eq!(pairs, [(&b"hostname"[..], &b"n"[..])]);
    assert_eq!(plain.token(), named.token());
    assert_eq!(plain.owners()[0].replicas, [address(Some("h"), 6379, "b")]);
    assert_ne!(plain, named);
}

proptest! {
    #[test]
    fn the_ranges_have_the_slots_of_the_keys_and_no_two_could_be_one(
        topology in topology(),
        numbers in prop::collection::vec(0_u32..2_000, 0..600),
        close in prop::collection::vec(0_usize..300, 0..200),
    ) {
        let map = build(&topology);
        let of_each = keys();
        // Some anywhere, and many that are close together.
        let keys: Vec<String> = numbers
            .iter()
            .map(|number| format!("k{number}"))
            .chain(close.iter().map(|&slot| of_each[slot].clone()))
            .collect();
        let ranges = map.ranges_of(keys.iter().map(String::as_bytes));
        let asked: BTreeSet<u16> =
            keys.iter().map(|key| slot::of_key(key.as_bytes())).collect();
        let expected: Vec<(u16, u16)> =
            asked.into_iter().filter_map(|slot| Some((slot, map.owner_of(slot)?))).collect();
        let listed: Vec<(u16, u16)> = ranges
            .iter()
            .flat_map(|range| (range.first..=range.last).map(|slot| (slot, range.owner)))
            .collect();
        prop_assert_eq!(listed, expected);
        let may_be_one = |one: &OwnedRange, next: &OwnedRange| {
            one.last + 1 == next.first && one.owner == next.owner
        };
        prop_assert!(!ranges.windows(2).any(|pair| may_be_one(&pair[0], &pair[1])));
    }
}
