//! The map and the hints by example, and against a model that searches the topology slot by slot.

use super::*;
use crate::slot;
use crate::topology::tests::topology;
use crate::topology::SlotRange;
use proptest::prelude::*;

pub(super) fn node(id: &str, host: &str, port: u16) -> Node<'static> {
    Node {
        id: id.as_bytes().to_vec().into(),
        ip: host.as_bytes().to_vec().into(),
        endpoint: host.as_bytes().to_vec().into(),
        hostname: b"".into(),
        port: Some(port),
        tls_port: None,
        primary: None,
        health: Health::Online,
        is_listed: true,
    }
}

pub(super) fn replica(id: &str, host: &str, primary: &str) -> Node<'static> {
    Node {
        primary: Some(primary.as_bytes().to_vec().into()),
        ..node(id, host, 6379)
    }
}

/// The nodes have to be sorted by id.
pub(super) fn of<'a>(nodes: Vec<Node<'a>>, ranges: &[(u16, u16, usize)]) -> Topology<'a> {
    let ranges = ranges
        .iter()
        .map(|&(first, last, node)| SlotRange { first, last, node })
        .collect();
    Topology {
        nodes,
        ranges,
        preferred: PreferredEndpoint::Ip,
    }
}

pub(super) fn build(topology: &Topology) -> SlotMap {
    build_for(topology, false, MissingPort::Zero)
}

fn build_for(topology: &Topology, tls: bool, missing: MissingPort) -> SlotMap {
    SlotMap::build(topology, tls, missing, |node| &node.ip)
}

pub(super) fn address(host: Option<&str>, port: u16, id: &str) -> Address {
    Address {
        host: host.map(|host| host.as_bytes().into()),
        port,
        id: id.as_bytes().into(),
        metadata: Metadata::of(PreferredEndpoint::Ip, b"", b""),
    }
}

#[test]
fn owners_are_sorted_by_id_and_ranges_by_slot() {
    let nodes = vec![node("a", "h1", 1), node("b", "h2", 2), node("c", "h3", 3)];
    let map = build(&of(nodes, &[(0, 9, 2), (10, 19, 0), (20, 29, 2)]));
    let owners: Vec<_> = map.owners().iter().map(|owner| &owner.address).collect();
    assert_eq!(
        owners,
        [&address(Some("h1"), 1, "a"), &address(Some("h3"), 3, "c")]
    );
    let ranges: Vec<_> = map
        .ranges()
        .iter()
        .map(|range| (range.first, range.last, range.owner))
        .collect();
    assert_eq!(ranges, [(0, 9, 1), (10, 19, 0), (20, 29, 1)]);
    assert_eq!(
        [9, 10, 29, 30, 16_383, 65_535].map(|slot| map.owner_of(slot)),
        [Some(1), Some(0), Some(1), None, None, None]
    );
}

#[test]
fn replicas_are_listed_as_cluster_slots_lists_them() {
    let mut nodes = vec![
        replica("a", "h", "p"),
        replica("b", "h", "p"),
        replica("c", "h", "p"),
        node("p", "h", 1),
        node("q", "h", 1),
        replica("r", "h", "q"),
        replica("s", "h", "a"),
        replica("t", "h", "nobody"),
    ];
    nodes[1].health = Health::Loading;
    nodes[2].health = Health::Failed;
    let map = build(&of(nodes, &[(0, 16_383, 3)]));
    assert_eq!(map.owners().len(), 1);
    assert_eq!(map.owners()[0].replicas, [address(Some("h"), 6379, "a")]);
}

#[test]
fn a_failed_owner_is_in_the_map() {
    let mut topology = of(vec![node("p", "h", 1)], &[(0, 16_383, 0)]);
    topology.nodes[0].health = Health::Failed;
    assert_eq!(build(&topology).owner_of(7), Some(0));
}

#[test]
fn an_unknown_own_address_is_nil_and_a_missing_host_name_is_a_question_mark() {
    let map = build(&of(
        vec![node("a", "", 1), node("b", "?", 2)],
        &[(0, 0, 0), (1, 1, 1)],
    ));
    assert_eq!(map.owners()[0].address.host, None);
    assert_eq!(map.owners()[1].address.host.as_deref(), Some(&b"?"[..]));
}

#[test]
fn a_redirection_is_written_as_the_server_writes_it() {
    for (host, expected) in [
        (Some("10.0.0.1"), "MOVED 42 10.0.0.1:6379"),
        (Some("fd00::3"), "MOVED 42 fd00::3:6379"),
        (Some("?"), "MOVED 42 ?:6379"),
        (None, "MOVED 42 :6379"),
    ] {
        let moved = address(host, 6379, "a").moved(42);
        assert_eq!(moved, expected.as_bytes(), "{host:?}");
    }
}

#[test]
fn a_missing_port_is_given_as_the_server_gives_it() {
    let ports = |port, tls_port| {
        let node = Node {
            port,
            tls_port,
            ..node("a", "h", 0)
        };
        let topology = of(vec![node], &[(0, 0, 0)]);
        [
            (false, MissingPort::Zero),
            (true, MissingPort::Zero),
            (false, MissingPort::OtherKind),
            (true, MissingPort::OtherKind),
        ]
        .map(|(tls, missing)| build_for(&topology, tls, missing).owners()[0].address.port)
    };
    assert_eq!(ports(Some(1), Some(2)), [1, 2, 1, 2]);
    assert_eq!(ports(Some(1), None), [1, 0, 1, 1]);
    assert_eq!(ports(None, Some(2)), [0, 2, 2, 2]);
    assert_eq!(ports(None, None), [0, 0, 0, 0]);
}

#[test]
fn an_inconsistent_topology_causes_no_panic() {
    let map = build(&of(
        vec![node("a", "h", 1)],
        &[(0, 9, 7), (5, 2, 0), (16_000, 65_535, 0), (3, 4, 0)],
    ));
    assert_eq!(map.owner_of(0), None);
    assert_eq!(map.owner_of(3), Some(0));
    assert_eq!(map.hint([&b"foo"[..]].into_iter()).keys.len(), 1);
    assert_eq!(
        build(&of(vec![], &[])).hint([&b"foo"[..]].into_iter()).keys,
        [KeyHint {
            slot: 12_182,
            node: None
        }]
    );
}

#[test]
fn every_slot_may_have_an_owner_of_its_own() {
    let nodes: Vec<Node> = (0..SLOTS)
        .map(|at| node(&format!("{at:05}"), "h", at))
        .collect();
    let ranges: Vec<_> = (0..SLOTS)
        .map(|at| (at, at, usize::from(SLOTS - 1 - at)))
        .collect();
    let map = build(&of(nodes, &ranges));
    let hint = map.hint([&b"foo"[..], b"bar", b"foo"].into_iter());
    let ports: Vec<u16> = hint
        .keys
        .iter()
        .map(|key| hint.nodes[usize::from(key.node.unwrap())].address.port)
        .collect();
    assert_eq!(
        ports,
        [SLOTS - 1 - 12_182, SLOTS - 1 - 5_061, SLOTS - 1 - 12_182]
    );
    assert_eq!(hint.nodes.len(), 2);
}

#[test]
fn the_token_depends_on_everything_in_the_map() {
    let base = || {
        of(
            vec![node("a", "h", 1), node("b", "h", 1), replica("c", "h", "a")],
            &[(0, 9, 0), (10, 19, 1)],
        )
    };
    let changes: [fn(&mut Topology); 10] = [
        |_| (),
        |topology| topology.nodes[0].endpoint = b"i".into(),
        |topology| topology.nodes[0].endpoint = b"".into(),
        |topology| topology.nodes[1].port = Some(2),
        |topology| topology.nodes[2].port = Some(2),
        |topology| topology.nodes[2].primary = Some(b"b".into()),
        |topology| topology.nodes[2].health = Health::Failed,
        |topology| topology.nodes[1].id = b"bb".into(),
        |topology| topology.ranges[0].last = 8,
        |topology| topology.ranges[1].node = 0,
    ];
    let mut tokens: Vec<i64> = changes
        .iter()
        .map(|change| {
            let mut topology = base();
            change(&mut topology);
            build(&topology).token()
        })
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), changes.len());
}

#[test]
fn the_token_depends_on_nothing_else() {
    let mut topology = of(vec![node("a", "h", 1), node("b", "h", 1)], &[(0, 9, 0)]);
    let token = build(&topology).token();
    topology.nodes[0].tls_port = Some(9);
    topology.nodes[0].ip = b"not in the map".into();
    topology.nodes[0].health = Health::Failed;
    topology.nodes[1].endpoint = b"owns nothing".into();
    assert_eq!(build(&topology).token(), token);
}

/// The owner of `slot`, found by a search of the whole topology.
fn searched_owner(topology: &Topology, slot: u16, tls: bool) -> Option<Owner> {
    let range = topology
        .ranges
        .iter()
        .find(|range| range.first <= slot && slot <= range.last)?;
    let address = |node: &Node| Address {
        host: if node.endpoint.is_empty() {
            None
        } else {
            Some(node.endpoint.as_ref().into())
        },
        port: if tls { node.tls_port } else { node.port }.unwrap_or(0),
        id: node.id.as_ref().into(),
        metadata: Metadata::of(topology.preferred, &node.ip, &node.hostname),
    };
    let owner = &topology.nodes[range.node];
    let listed =
        |node: &&Node| node.health == Health::Online && node.primary.as_ref() == Some(&owner.id);
    Some(Owner {
        address: address(owner),
        replicas: topology.nodes.iter().filter(listed).map(address).collect(),
    })
}

/// The map, with nodes that have no metadata.
fn without_metadata(topology: &Topology) -> SlotMap {
    let mut map = build(topology);
    for owner in &mut map.owners {
        for address in std::iter::once(&mut owner.address).chain(&mut owner.replicas) {
            address.metadata = Metadata::of(PreferredEndpoint::Ip, b"", b"");
        }
    }
    map
}

proptest! {
    #[test]
    fn every_slot_has_the_owner_of_the_model(topology in topology(), tls: bool) {
        let map = build_for(&topology, tls, MissingPort::Zero);
        for slot in 0..SLOTS {
            let owner = map.owner_of(slot).map(|owner| &map.owners()[usize::from(owner)]);
            prop_assert_eq!(owner.cloned(), searched_owner(&topology, slot, tls));
        }
        prop_assert!(map.owners().windows(2).all(|pair| pair[0].address.id < pair[1].address.id));
        prop_assert!(map.ranges().windows(2).all(|pair| pair[0].last < pair[1].first));
        prop_assert!(map.owners().iter().zip(0..).all(|(_, at)| map.ranges().iter().any(|range| range.owner == at)));
        prop_assert!(map.token() > 0);
    }

    #[test]
    fn a_hint_names_each_owner_once_by_id(topology in topology(), keys: Vec<Vec<u8>>) {
        let map = build(&topology);
        let hint = map.hint(keys.iter().map(Vec::as_slice));
        prop_assert_eq!(hint.token, map.token());
        prop_assert_eq!(hint.keys.len(), keys.len());
        for (key, hinted) in keys.iter().zip(&hint.keys) {
            prop_assert_eq!(hinted.slot, slot::of_key(key));
            let node = hinted.node.map(|node| hint.nodes[usize::from(node)].clone());
            prop_assert_eq!(node, searched_owner(&topology, hinted.slot, false));
        }
        prop_assert!(hint.nodes.windows(2).all(|pair| pair[0].address.id < pair[1].address.id));
        let named: std::collections::BTreeSet<_> = hint.keys.iter().filter_map(|key| key.node).collect();
        prop_assert_eq!(named.len(), hint.nodes.len());
    }

    #[test]
    fn equal_tokens_mean_equal_maps(one in topology(), other in topology()) {
        let (one, other) = (without_metadata(&one), without_metadata(&other));
        prop_assert_eq!(one == other, one.token() == other.token());
    }
}
