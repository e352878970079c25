use super::*;
use crate::slot_map::tests::{node, of};
use crate::slot_map::Address;

const PLAIN: Connection = Connection {
    tls: false,
    family: Family::V4,
};
const TLS: Connection = Connection {
    tls: true,
    family: Family::V4,
};
const V6: Connection = Connection {
    tls: false,
    family: Family::V6,
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

fn told(cache: &mut MapCache, connection: Connection) -> Address {
    cache.map(connection).unwrap().owners()[0].address.clone()
}

fn host(cache: &mut MapCache, connection: Connection) -> String {
    String::from_utf8(told(cache, connection).host.unwrap().into()).unwrap()
}

#[test]
fn before_the_first_look_there_is_no_map() {
    assert!(cache().map(PLAIN).is_none());
    assert!(!cache().is_current(Family::V4, at(0, 0), 60_000));
}

#[test]
fn a_look_counts_for_its_age() {
    let mut cache = cache();
    cache.accept(one("h", 2), Family::V4, at(1_000, 1));
    let current = |ms, turn, max_age_ms| cache.is_current(Family::V4, at(ms, turn), max_age_ms);
    assert!(current(1_000, 2, 100) && current(1_099, 9, 100));
    assert!(!current(1_100, 1, 100));
    assert!(!current(999, 1, 100), "the clock went backwards");
    assert!(current(9_999, 1, 0), "with 0 it counts for its turn");
    assert!(!current(1_000, 2, 0));
    assert_eq!(cache.expires_ms(Family::V4, 100), Some(1_100));
    assert_eq!(cache.expires_ms(Family::V6, 100), None);
}

#[test]
fn one_look_feeds_plain_and_tls() {
    let mut cache = cache();
    cache.accept(one("h", 2), Family::V4, at(0, 0));
    assert_eq!(
        (told(&mut cache, PLAIN).port, told(&mut cache, TLS).port),
        (1, 2)
    );
    for connection in [PLAIN, TLS] {
        let map = cache.map(connection).unwrap();
        assert_eq!(cache.known(connection), Some(&*map));
    }
    assert_eq!(cache.looked(), 1);
}

#[test]
fn a_look_tells_whose_map_changed() {
    let mut cache = cache();
    assert_eq!(cache.accept(one("h", 2), Family::V4, at(0, 0)), []);
    let (plain, _) = (cache.map(PLAIN).unwrap(), cache.map(TLS).unwrap());
    assert_eq!(cache.accept(one("h", 2), Family::V4, at(1, 0)), []);
    assert_eq!(cache.accept(one("h", 3), Family::V4, at(2, 0)), [TLS]);
    assert!(
        Arc::ptr_eq(&plain, &cache.map(PLAIN).unwrap()),
        "an unchanged map is kept"
    );
    assert_eq!(
        cache.accept(one("i", 3), Family::V4, at(3, 0)),
        [PLAIN, TLS]
    );
    assert_eq!(host(&mut cache, PLAIN), "i");
    assert_eq!(cache.looked(), 4);
    cache.forget_looked();
    assert_eq!(cache.looked(), 0);
}

#[test]
fn a_look_counts_only_for_its_family() {
    let mut cache = cache();
    cache.accept(one("fd00::1", 2), Family::V6, at(0, 0));
    assert!(cache.is_current(Family::V6, at(0, 0), 100));
    assert!(!cache.is_current(Family::V4, at(0, 0), 100));
}

#[test]
fn each_family_is_told_its_own_addresses() {
    let mut cache = cache();
    cache.accept(one("10.0.0.1", 2), Family::V4, at(0, 0));
    cache.accept(one("fd00::1", 2), Family::V6, at(0, 0));
    assert_eq!(host(&mut cache, PLAIN), "10.0.0.1");
    assert_eq!(host(&mut cache, V6), "fd00::1");
    // A look of the others changes nothing for IPv6 connections as long as it shows the same to the others.
    assert_eq!(cache.accept(one("10.0.0.1", 2), Family::V4, at(200, 1)), []);
    assert_eq!(cache.accept(one("10.0.0.1", 2), Family::V4, at(400, 2)), []);
    assert_eq!(host(&mut cache, V6), "fd00::1");
}

#[test]
fn ipv6_connections_learn_of_a_change_from_a_look_of_others() {
    let mut cache = cache();
    cache.accept(one("fd00::1", 2), Family::V6, at(0, 0));
    cache.accept(one("10.0.0.1", 2), Family::V4, at(0, 0));
    cache.map(V6);
    let mut fewer = one("10.0.0.1", 2);
    fewer.ranges[0].last = 7;
    assert_eq!(cache.accept(fewer, Family::V4, at(100, 1)), [V6]);
    assert_eq!(host(&mut cache, V6), "fd00::1");
    assert_eq!(cache.map(V6).unwrap().owner_of(8), None);
}

#[test]
fn a_node_that_moved_is_told_at_its_new_address() {
    let mut cache = cache();
    cache.accept(one("fd00::1", 2), Family::V6, at(0, 0));
    cache.accept(one("10.0.0.1", 2), Family::V4, at(0, 0));
    cache.map(V6);
    assert_eq!(
        cache.accept(one("10.0.0.2", 2), Family::V4, at(100, 1)),
        [V6]
    );
    assert_eq!(host(&mut cache, V6), "10.0.0.2");
    assert_eq!(
        cache.accept(one("fd00::2", 2), Family::V6, at(200, 2)),
        [V6]
    );
    assert_eq!(host(&mut cache, V6), "fd00::2");
}

#[test]
fn ipv6_connections_follow_the_newest_look_whoever_took_it() {
    let mut fewer = one("fd00::1", 2);
    fewer.ranges[0].last = 7;
    let mut cache = cache();
    cache.accept(one("10.0.0.1", 2), Family::V4, at(0, 0));
    cache.accept(fewer, Family::V6, at(100, 1));
    assert_eq!(cache.map(V6).unwrap().owner_of(8), None);
    assert_eq!(
        cache.accept(one("10.0.0.1", 2), Family::V4, at(200, 2)),
        [V6]
    );
    assert_eq!(cache.map(V6).unwrap().owner_of(8), Some(0));
}

#[test]
fn an_ipv6_look_starts_anew_what_the_others_are_compared_with() {
    let mut cache = cache();
    cache.accept(one("fd00::1", 2), Family::V6, at(0, 0));
    cache.accept(one("10.0.0.1", 2), Family::V4, at(0, 0));
    cache.accept(one("10.0.0.2", 2), Family::V4, at(100, 1));
    cache.accept(one("fd00::2", 2), Family::V6, at(100, 1));
    cache.accept(one("10.0.0.2", 2), Family::V4, at(200, 2));
    assert_eq!(host(&mut cache, V6), "fd00::2");
}

#[test]
fn host_names_are_the_same_for_all_families() {
    let named = |ip: &'static str| {
        let mut topology = one("a.example", 2);
        topology.nodes[0].ip = ip.as_bytes().into();
        topology
    };
    let mut cache = cache();
    cache.accept(named("fd00::1"), Family::V6, at(0, 0));
    cache.accept(named("10.0.0.1"), Family::V4, at(0, 0));
    assert_eq!(host(&mut cache, V6), "a.example");
}

#[test]
fn the_address_of_a_node_without_slots_is_told_too() {
    let mut cache = cache();
    assert_eq!(cache.address(PLAIN, b"b"), None);
    let empty = Node {
        tls_port: Some(4),
        ..node("b", "h2", 3)
    };
    let topology = of(vec![node("a", "h", 1), empty], &[(0, 16_383, 0)]);
    cache.accept(topology, Family::V4, at(0, 0));
    let address = cache.address(TLS, b"b").unwrap();
    assert_eq!(
        (address.host.as_deref(), address.port),
        (Some(&b"h2"[..]), 4)
    );
    assert_eq!(cache.address(PLAIN, b"c"), None);
    assert_eq!(cache.address(PLAIN, b"a"), Some(told(&mut cache, PLAIN)));
}
