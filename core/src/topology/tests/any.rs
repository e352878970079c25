//! Arbitrary topologies, printed as servers print them and read back, and damaged replies.

use proptest::prelude::*;

use super::*;

/// Any topology of up to six nodes, with ranges as long as possible.
pub(crate) fn topology() -> impl Strategy<Value = Topology<'static>> {
    let node = (
        prop_oneof![Just(""), Just("10.0.0.1"), Just("fd00::3")],
        prop_oneof![Just(""), Just("a.example")],
        prop::option::of(1_u16..9),
        prop::option::of(1_u16..9),
        prop::option::of(0_usize..8),
        prop_oneof![
            Just(Health::Online),
            Just(Health::Loading),
            Just(Health::Failed)
        ],
    );
    let cuts = prop::collection::btree_map(0..SLOTS, prop::option::of(0_usize..6), 0..40);
    let preferred = prop_oneof![
        Just(PreferredEndpoint::Ip),
        Just(PreferredEndpoint::HostName),
        Just(PreferredEndpoint::Unknown)
    ];
    let nodes = prop::collection::vec(node, 0..=6);
    (nodes, cuts, preferred).prop_map(|(nodes, cuts, preferred)| {
        let id =
            |index: usize| -> Cow<'static, [u8]> { format!("node{index}").into_bytes().into() };
        let nodes: Vec<Node> = nodes
            .into_iter()
            .enumerate()
            .map(
                |(index, (ip, name, port, tls_port, primary, health))| Node {
                    id: id(index),
                    ip: ip.as_bytes().into(),
                    endpoint: match preferred {
                        PreferredEndpoint::Ip => ip.as_bytes().into(),
                        PreferredEndpoint::HostName if name.is_empty() => b"?".into(),
                        PreferredEndpoint::HostName => name.as_bytes().into(),
                        PreferredEndpoint::Unknown => b"".into(),
                    },
                    hostname: name.as_bytes().into(),
                    port,
                    tls_port,
                    primary: primary.map(id),
                    health,
                    is_listed: true,
                },
            )
            .collect();
        let mut owners = vec![NO_OWNER; usize::from(SLOTS)];
        for (from, owner) in cuts {
            let owner = owner.filter(|&owner| owner < nodes.len());
            owners[usize::from(from)..].fill(owner.map_or(NO_OWNER, |owner| owner as u32));
        }
        Topology {
            ranges: ranges(&owners),
            nodes,
            preferred,
        }
    })
}

proptest! {
    #[test]
    fn printed_topologies_are_read_back(topology in topology(), resp3: bool) {
        let (shards, nodes) = (shards(resp3, &topology.nodes), nodes(resp3, &topology));
        let preferred = Some(topology.preferred);
        let read = Topology::read(shards.as_bytes(), nodes.as_bytes(), preferred, || false);
        prop_assert_eq!(read, Ok(topology));
    }

    #[test]
    fn a_damaged_reply_never_panics(
        topology in topology(), resp3: bool,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut shards = shards(resp3, &topology.nodes).into_bytes();
        let mut nodes = nodes(resp3, &topology).into_bytes();
        for (at, byte) in damage {
            *at.get_mut(&mut shards) = byte;
            *at.get_mut(&mut nodes) = byte;
        }
        let _ = look(&shards, &nodes);
        let _ = look(&shards[..cut.index(shards.len())], &nodes);
        let _ = look(&shards, &nodes[..cut.index(nodes.len())]);
    }

    #[test]
    fn noise_never_panics(shards: Vec<u8>, nodes: Vec<u8>) {
        let _ = look(&shards, &nodes);
    }
}
