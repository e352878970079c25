//! The cache by example.

use super::*;
use crate::slot_map::tests::{node, of};
use crate::slot_map::Address;
use crate::topology::PreferredEndpoint;

const PLAIN: Connection = Connection {
    tls: false,
    family: AddressFamily::V4,
};
const TLS: Connection = Connection {
    tls: true,
    family: AddressFamily::V4,
};
const V6: Connection = Connection {
    tls: false,
    family: AddressFamily::V6,
};

fn cache() -> MapCache {
    MapCache::new(MissingPort::Zero)
}

fn at(ms: u64, turn: u64) -> Moment {
    Moment { ms, turn }
}

/// A cluster of one node.
fn one(host: &str, tls_port: u16) -> Topology<'static> {
    of(
        vec![Node {
            tls_port: Some(tls_port),
            ..node("a", host, 1)
        }],
        &[(0, 16_383, 0)],
    )
}

fn address(cache: &mut MapCache, connection: Connection) -> Address {
    cache.map(connection).unwrap().owners()[0].address.clone()
}

fn host(cache: &mut MapCache, connection: Connection) -> String {
    String::from_utf8(address(cache, connection).host.unwrap().into()).unwrap()
}

#[test]
fn before_the_first_look_there_is_no_map() {
    assert!(cache().map(PLAIN).is_none());
    assert!(!cache().is_current(AddressFamily::V4, at(0, 0), 60_000));
}

#[test]
fn a_look_is_current_for_the_maximum_age() {
    let mut cache = cache();
    cache.take_look(one("h", 2), AddressFamily::V4, at(1_000, 1));
    let current =
        |ms, turn, max_age_ms| cache.is_current(AddressFamily::V4, at(ms, turn), max_age_ms);
    assert!(current(1_000, 2, 100) && current(1_099, 9, 100));
    assert!(!current(1_100, 1, 100));
    assert!(!current(999, 1, 100), "the clock went backward");
    assert!(current(9_999, 1, 0), "with 0 it is current in its turn");
    assert!(!current(1_000, 2, 0));
    assert_eq!(cache.expires_ms(AddressFamily::V4, 100), Some(1_100));
    assert_eq!(cache.expires_ms(AddressFamily::V6, 100), None);
}

#[test]
fn one_look_gives_the_maps_of_plain_and_tls_connections() {
    let mut cache = cache();
    cache.take_look(one("h", 2), AddressFamily::V4, at(0, 0));
    assert_eq!(
        (
            address(&mut cache, PLAIN).port,
            address(&mut cache, TLS).port
        ),
        (1, 2)
    );
    for connection in [PLAIN, TLS] {
        let map = cache.map(connection).unwrap();
        assert_eq!(cache.last_map(connection), Some(&*map));
    }
    assert_eq!(cache.looks_taken(), 1);
}

#[test]
fn a_look_returns_the_connections_whose_map_changed() {
    let mut cache = cache();
    assert_eq!(
        cache.take_look(one("h", 2), AddressFamily::V4, at(0, 0)),
        []
    );
    let (plain, _) = (cache.map(PLAIN).unwrap(), cache.map(TLS).unwrap());
    assert_eq!(
        cache.take_look(one("h", 2), AddressFamily::V4, at(1, 0)),
        []
    );
    assert_eq!(
        cache.take_look(one("h", 3), AddressFamily::V4, at(2, 0)),
        [TLS]
    );
    assert!(
        Arc::ptr_eq(&plain, &cache.map(PLAIN).unwrap()),
        "an unchanged map is kept"
    );
    assert_eq!(
        cache.take_look(one("i", 3), AddressFamily::V4, at(3, 0)),
        [PLAIN, TLS]
    );
    assert_eq!(host(&mut cache, PLAIN), "i");
    assert_eq!(cache.looks_taken(), 4);
    cache.reset_looks_taken();
    assert_eq!(cache.looks_taken(), 0);
}

#[test]
fn a_look_is_current_only_for_its_family() {
    let mut cache = cache();
    cache.take_look(one("fd00::1", 2), AddressFamily::V6, at(0, 0));
    assert!(cache.is_current(AddressFamily::V6, at(0, 0), 100));
    assert!(!cache.is_current(AddressFamily::V4, at(0, 0), 100));
}

#[test]
fn each_family_gets_its_own_addresses() {
    let mut cache = cache();
    cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(0, 0));
    cache.take_look(one("fd00::1", 2), AddressFamily::V6, at(0, 0));
    assert_eq!(host(&mut cache, PLAIN), "10.0.0.1");
    assert_eq!(host(&mut cache, V6), "fd00::1");
    // Looks by others that show the same as before change nothing for IPv6 connections.
    assert_eq!(
        cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(200, 1)),
        []
    );
    assert_eq!(
        cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(400, 2)),
        []
    );
    assert_eq!(host(&mut cache, V6), "fd00::1");
}

#[test]
fn ipv6_connections_get_the_slots_of_a_look_by_others() {
    let mut cache = cache();
    cache.take_look(one("fd00::1", 2), AddressFamily::V6, at(0, 0));
    cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(0, 0));
    cache.map(V6);
    let mut fewer = one("10.0.0.1", 2);
    fewer.ranges[0].last = 7;
    assert_eq!(cache.take_look(fewer, AddressFamily::V4, at(100, 1)), [V6]);
    assert_eq!(host(&mut cache, V6), "fd00::1");
    assert_eq!(cache.map(V6).unwrap().owner_of(8), None);
}

#[test]
fn a_node_that_moved_has_its_new_address() {
    let mut cache = cache();
    cache.take_look(one("fd00::1", 2), AddressFamily::V6, at(0, 0));
    cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(0, 0));
    cache.map(V6);
    assert_eq!(
        cache.take_look(one("10.0.0.2", 2), AddressFamily::V4, at(100, 1)),
        [V6]
    );
    assert_eq!(host(&mut cache, V6), "10.0.0.2");
    assert_eq!(
        cache.take_look(one("fd00::2", 2), AddressFamily::V6, at(200, 2)),
        [V6]
    );
    assert_eq!(host(&mut cache, V6), "fd00::2");
}

#[test]
fn ipv6_connections_get_the_newest_look_of_either_family() {
    let mut fewer = one("fd00::1", 2);
    fewer.ranges[0].last = 7;
    let mut cache = cache();
    cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(0, 0));
    cache.take_look(fewer, AddressFamily::V6, at(100, 1));
    assert_eq!(cache.map(V6).unwrap().owner_of(8), None);
    assert_eq!(
        cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(200, 2)),
        [V6]
    );
    assert_eq!(cache.map(V6).unwrap().owner_of(8), Some(0));
}

#[test]
fn after_an_ipv6_look_addresses_are_compared_with_the_next_look_by_others() {
    let mut cache = cache();
    cache.take_look(one("fd00::1", 2), AddressFamily::V6, at(0, 0));
    cache.take_look(one("10.0.0.1", 2), AddressFamily::V4, at(0, 0));
    cache.take_look(one("10.0.0.2", 2), AddressFamily::V4, at(100, 1));
    cache.take_look(one("fd00::2", 2), AddressFamily::V6, at(100, 1));
    cache.take_look(one("10.0.0.2", 2), AddressFamily::V4, at(200, 2));
    assert_eq!(host(&mut cache, V6), "fd00::2");
}

#[test]
fn host_names_are_the_same_for_all_families() {
    let named = |ip: &'static str| {
        let mut topology = one("a.example", 2);
        topology.nodes[0].ip = ip.as_bytes().into();
        topology.preferred = PreferredEndpoint::HostName;
        topology
    };
    let mut cache = cache();
    cache.take_look(named("fd00::1"), AddressFamily::V6, at(0, 0));
    cache.take_look(named("10.0.0.1"), AddressFamily::V4, at(0, 0));
    assert_eq!(host(&mut cache, V6), "a.example");
    // The addresses are in the metadata.
    let ip = |cache: &mut MapCache, connection| {
        let address = address(cache, connection);
        let pairs: Vec<_> = address.metadata.pairs().collect();
        assert_eq!((pairs.len(), pairs[0].0), (1, &b"ip"[..]));
        String::from_utf8_lossy(pairs[0].1).into_owned()
    };
    assert_eq!(ip(&mut cache, V6), "fd00::1");
    assert_eq!(ip(&mut cache, PLAIN), "10.0.0.1");
}

#[test]
fn new_metadata_alone_gives_a_new_map_and_is_not_reported_as_a_change() {
    let mut cache = cache();
    cache.take_look(one("h", 2), AddressFamily::V4, at(0, 0));
    let before = cache.map(PLAIN).unwrap();
    let mut named = one("h", 2);
    named.nodes[0].hostname = b"a.example".into();
    assert_eq!(cache.take_look(named, AddressFamily::V4, at(1, 0)), []);
    let after = cache.map(PLAIN).unwrap();
    assert_eq!(after.token(), before.token());
    assert_ne!(after, before);
}

#[test]
fn an_unknown_endpoint_is_unknown_to_all_families() {
    let unknown = |ip: &'static str| {
        let mut topology = one("", 2);
        topology.nodes[0].ip = ip.as_bytes().into();
        topology.preferred = PreferredEndpoint::Unknown;
        topology
    };
    let mut cache = cache();
    cache.take_look(unknown("fd00::1"), AddressFamily::V6, at(0, 0));
    cache.take_look(unknown(""), AddressFamily::V4, at(0, 0));
    assert_eq!(address(&mut cache, V6).host, None);
}
