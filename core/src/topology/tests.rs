//! Replies are printed here from a list of nodes, in both versions of the protocol, and read back.

use super::*;
use proptest::prelude::*;

/// The replies of a real server, Redis 7.0.15, that does not know its own address. The other primary has failed,
/// its replica has not synced, a slot is under migration, and some have no owner.
const SHARDS: &[u8] = include_bytes!("testdata/shards-7.0.15.resp");
const NODES: &[u8] = include_bytes!("testdata/nodes-7.0.15.resp");

fn text(bytes: &[u8]) -> String {
    format!("${}\r\n{}\r\n", bytes.len(), String::from_utf8_lossy(bytes))
}

fn map(resp3: bool, pairs: &[(&str, String)]) -> String {
    let head = if resp3 {
        format!("%{}\r\n", pairs.len())
    } else {
        format!("*{}\r\n", pairs.len() * 2)
    };
    pairs.iter().fold(head, |out, (key, value)| {
        out + &text(key.as_bytes()) + value
    })
}

fn array(values: &[String]) -> String {
    format!("*{}\r\n{}", values.len(), values.concat())
}

/// Nodes that are not listed are named by their address.
fn look<'a>(shards: &'a [u8], nodes: &'a [u8]) -> Result<Topology<'a>, Unreadable> {
    Topology::read(shards, nodes, || Endpoints {
        preferred: Preferred::Ip,
        tls: false,
    })
}

/// Every node in a shard of its own with no slots: the reader must not care.
fn shards(resp3: bool, nodes: &[Node]) -> String {
    let shard = |node: &Node| {
        let mut pairs = vec![("id", text(&node.id))];
        pairs.extend(node.port.map(|port| ("port", format!(":{port}\r\n"))));
        pairs.extend(
            node.tls_port
                .map(|port| ("tls-port", format!(":{port}\r\n"))),
        );
        pairs.extend([
            ("ip", text(&node.ip)),
            ("endpoint", text(&node.endpoint)),
            ("hostname", text(b"h")),
        ]);
        let health = match node.health {
            Health::Online => "online",
            Health::Loading => "loading",
            Health::Failed => "fail",
        };
        pairs.extend([
            ("a-later-field", "*2\r\n$-1\r\n*1\r\n:1\r\n".into()),
            ("health", text(health.as_bytes())),
        ]);
        map(
            resp3,
            &[
                ("slots", array(&[])),
                ("nodes", array(&[map(resp3, &pairs)])),
            ],
        )
    };
    array(&nodes.iter().map(shard).collect::<Vec<_>>())
}

fn nodes(resp3: bool, topology: &Topology) -> String {
    let mut out = String::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let primary = node.primary.as_ref().map_or("-".into(), |id| utf8(id));
        out += &format!(
            "{} {}:1@2,h master {primary} 0 1 7 connected",
            utf8(&node.id),
            utf8(&node.ip)
        );
        for range in topology.ranges.iter().filter(|range| range.node == index) {
            out += &match (range.first, range.last) {
                (first, last) if first == last => format!(" {first}"),
                (first, last) => format!(" {first}-{last}"),
            };
        }
        out += " [5->-ee]\n";
    }
    if resp3 {
        format!("={}\r\ntxt:{out}\r\n", out.len() + 4)
    } else {
        text(out.as_bytes())
    }
}

fn node(id: &str) -> Node<'static> {
    Node {
        id: id.as_bytes().to_vec().into(),
        ip: b"10.0.0.1".into(),
        endpoint: b"10.0.0.1".into(),
        port: Some(6379),
        tls_port: None,
        primary: None,
        health: Health::Online,
        is_listed: true,
    }
}

fn read(topology: &Topology) -> Result<Topology<'static>, Unreadable> {
    let shards = shards(false, &topology.nodes);
    let nodes = nodes(false, topology);
    look(shards.as_bytes(), nodes.as_bytes()).map(Topology::into_owned)
}

#[test]
fn a_real_look_is_read() {
    let id = |start: &str| {
        topology_ids()
            .into_iter()
            .find(|id| id.starts_with(start))
            .unwrap()
    };
    let read = look(SHARDS, NODES).unwrap();
    let (replica, failed) = (node(&id("aa20")), node(&id("b78f")));
    let (spare, myself) = (node(&id("c5fd")), node(&id("f187")));
    let at = |node: Node<'static>, host: &'static str, port: u16| Node {
        ip: host.as_bytes().into(),
        endpoint: host.as_bytes().into(),
        port: Some(port),
        ..node
    };
    let expected = Topology {
        nodes: vec![
            Node {
                primary: Some(myself.id.clone()),
                health: Health::Loading,
                ..at(replica, "10.1.0.0", 7000)
            },
            Node {
                health: Health::Failed,
                ..at(failed, "10.0.0.1", 7000)
            },
            at(spare, "10.0.0.2", 7000),
            at(myself, "", 29_911),
        ],
        // Slot 101 is under migration; CLUSTER SLOTS gives the same four ranges.
        ranges: [
            (0, 99, 3),
            (101, 101, 3),
            (8_000, 8_191, 3),
            (8_192, 16_383, 1),
        ]
        .map(|(first, last, node)| SlotRange { first, last, node })
        .into(),
    };
    assert_eq!(read, expected);
}

fn topology_ids() -> Vec<String> {
    let lines = String::from_utf8_lossy(NODES);
    lines
        .lines()
        .filter_map(|line| line.split(' ').next().map(Into::into))
        .collect()
}

#[test]
fn slots_are_those_of_cluster_nodes_whatever_shards_says() {
    // After a failover Redis 7.2 and 7.4 show the slots of the failed primary, none, for the shard.
    let mut failed = node("a");
    failed.health = Health::Failed;
    let topology = Topology {
        nodes: vec![failed, node("b")],
        ranges: vec![SlotRange {
            first: 0,
            last: 16_383,
            node: 1,
        }],
    };
    let both = [topology.nodes[0].clone(), topology.nodes[1].clone()];
    let one_shard = shards(false, &both);
    assert_eq!(
        look(one_shard.as_bytes(), nodes(false, &topology).as_bytes()),
        Ok(topology)
    );
}

#[test]
fn a_failed_owner_keeps_its_slots() {
    let mut failed = node("a");
    failed.health = Health::Failed;
    let topology = Topology {
        nodes: vec![failed],
        ranges: vec![SlotRange {
            first: 3,
            last: 3,
            node: 0,
        }],
    };
    assert_eq!(read(&topology).unwrap().ranges, topology.ranges);
}

#[test]
fn slots_under_migration_stay_with_their_source() {
    let topology = Topology {
        nodes: vec![node("a")],
        ranges: vec![SlotRange {
            first: 5,
            last: 5,
            node: 0,
        }],
    };
    assert_eq!(read(&topology), Ok(topology));
}

#[test]
fn nodes_without_a_line_or_still_in_handshake_are_left_out() {
    let shards = shards(false, &[node("b"), node("c")]);
    let lines =
        text(b"a 1.1.1.1:1@2 handshake - 0 0 1 connected\nb :1@2 master - 0 0 1 connected 10-19\n");
    let topology = look(shards.as_bytes(), lines.as_bytes()).unwrap();
    assert_eq!(topology.nodes, [node("b")]);
    assert_eq!(
        topology.ranges,
        [SlotRange {
            first: 10,
            last: 19,
            node: 0
        }]
    );
    let no_lines = text(b"");
    let nobody = look(shards.as_bytes(), no_lines.as_bytes()).unwrap();
    assert_eq!((nobody.nodes.len(), nobody.ranges.len()), (0, 0));
}

#[test]
fn a_node_that_no_shard_lists_is_placed_by_its_line() {
    let shards = shards(false, &[node("b")]);
    let lines = text(
        b"a fd00::1:1@2,a.example,x=y myself,master - 0 0 1 connected 0-9\n\
          b :1@2 master - 0 0 1 connected 10-19\n\
          c 10.0.0.3:3@4 slave,fail a 0 0 1 connected\n\
          d :0@0 master,noaddr - 0 0 1 disconnected 20\n",
    );
    let read = |preferred, tls| {
        let endpoints = || Endpoints { preferred, tls };
        Topology::read(shards.as_bytes(), lines.as_bytes(), endpoints).unwrap()
    };
    let told = |node: &Node| {
        let host = String::from_utf8_lossy(&node.endpoint).into_owned();
        (host, node.port, node.tls_port)
    };
    let topology = read(Preferred::Ip, false);
    let [a, b, c, d] = &topology.nodes[..] else {
        panic!("{topology:?}");
    };
    assert_eq!(told(a), ("fd00::1".into(), Some(1), None));
    assert_eq!(*b, node("b"));
    assert_eq!(told(c), ("10.0.0.3".into(), Some(3), None));
    assert_eq!(told(d), (String::new(), None, None));
    assert!(!a.is_listed && c.primary.as_deref() == Some(b"a") && c.health == Health::Failed);
    assert_eq!(topology.ranges.len(), 3, "each owner has its slots");
    let hosts = |topology: Topology| topology.nodes.iter().map(told).collect::<Vec<_>>();
    let named = hosts(read(Preferred::HostName, true));
    assert_eq!(named[0], ("a.example".into(), None, Some(1)));
    assert_eq!(named[2], ("?".into(), None, Some(3)));
    assert_eq!(hosts(read(Preferred::Unknown, false))[0].0, "");
    // What the other kind of connection was told is kept.
    let mut topology = read(Preferred::Ip, false);
    topology.keep_ports_of(&read(Preferred::Ip, true));
    assert_eq!(
        told(&topology.nodes[0]),
        ("fd00::1".into(), Some(1), Some(1))
    );
    assert_eq!(topology.nodes[1], node("b"));
}

#[test]
fn where_every_node_is_listed_nobody_is_asked_how_to_name_others() {
    let shards = shards(false, &[node("a")]);
    let lines = text(b"a :1@2 master - 0 0 1 connected 0-9\n");
    let topology = Topology::read(shards.as_bytes(), lines.as_bytes(), || unreachable!());
    assert_eq!(topology.unwrap().nodes, [node("a")]);
}

#[test]
fn what_is_about_to_happen_to_a_slot_stands_in_the_own_line() {
    let lines = text(
        b"a :1@2 master - 0 0 1 connected 0-9 [5->-x]\n\
          b :1@2 myself,master - 0 0 1 connected 10-19 [11->-cc] [3-<-a] [12] [x->-y] [1\n",
    );
    let of = |slot| migration_of(lines.as_bytes(), slot);
    assert_eq!(of(11), Some(Migration::To(b"cc"[..].into())));
    assert_eq!(of(3), Some(Migration::Here));
    for slot in [5, 12, 1, 0] {
        assert_eq!(of(slot), None, "{slot}");
    }
    for other in [&b""[..], b"$-1\r\n", b"$3\r\na b\r\n"] {
        assert_eq!(migration_of(other, 11), None);
    }
    // As a real server prints it, for a slot that moves away.
    assert!((0..SLOTS).any(|slot| matches!(migration_of(NODES, slot), Some(Migration::To(_)))));
}

#[test]
fn a_slot_claimed_twice_goes_to_the_lower_id() {
    let shards = shards(false, &[node("a"), node("b")]);
    for order in [["a", "b"], ["b", "a"]] {
        let lines = order
            .map(|id| format!("{id} :1@2 master - 0 0 1 connected 0-9\n"))
            .concat();
        let lines = text(lines.as_bytes());
        let topology = look(shards.as_bytes(), lines.as_bytes()).unwrap();
        assert_eq!(
            topology.ranges,
            [SlotRange {
                first: 0,
                last: 9,
                node: 0
            }]
        );
    }
}

#[test]
fn what_is_no_such_reply_is_refused() {
    let (good_shards, good_nodes) = (
        shards(false, &[node("a")]),
        text(b"a :1@2 master - 0 0 1 connected 0-9\n"),
    );
    assert!(look(good_shards.as_bytes(), good_nodes.as_bytes()).is_ok());
    for bad in [
        "",
        "*",
        "*1\r",
        "*1\r\n",
        ":1\r\n",
        "*-1\r\n",
        "*9999999999999999999\r\n",
        "-ERR no\r\n",
        "*1\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*2\r\n$5\r\nnodes\r\n*1\r\n*0\r\n",
        "*1\r\n*2\r\n$1\r\nx\r\n?\r\n",
    ] {
        assert!(
            look(bad.as_bytes(), good_nodes.as_bytes()).is_err(),
            "{bad:?}"
        );
    }
    let deep = format!("*1\r\n*2\r\n$1\r\nx\r\n{}", "*1\r\n".repeat(100_000));
    assert!(look(deep.as_bytes(), good_nodes.as_bytes()).is_err());
    let port = good_shards.replace(":6379\r", ":65536\r");
    assert!(look(port.as_bytes(), good_nodes.as_bytes()).is_err());
    for slots in ["16384", "9-8", "0-16384", "x", "-1", "1-", "1-2-3", ""] {
        let lines = text(format!("a :1@2 master - 0 0 1 connected {slots}\n").as_bytes());
        assert!(
            look(good_shards.as_bytes(), lines.as_bytes()).is_err(),
            "{slots:?}"
        );
    }
    assert!(look(
        good_shards.as_bytes(),
        text(b"a :1@2 master - 0 0 1").as_bytes()
    )
    .is_err());
    assert!(look(good_shards.as_bytes(), b"=2\r\nab\r\n").is_err());
}

#[test]
fn a_node_needs_what_every_server_prints() {
    let lines = text(b"a :1@2 master - 0 0 1 connected\n");
    for field in ["id", "ip", "endpoint", "health"] {
        let reply =
            shards(false, &[node("a")]).replacen(&text(field.as_bytes()), &text(b"other"), 1);
        assert!(look(reply.as_bytes(), lines.as_bytes()).is_err(), "{field}");
    }
}

#[test]
fn an_unknown_health_is_not_online() {
    let reply = shards(false, &[node("a")]).replace("$6\r\nonline", "$7\r\nleaving");
    let lines = text(b"a :1@2 master - 0 0 1 connected\n");
    assert_eq!(
        look(reply.as_bytes(), lines.as_bytes()).unwrap().nodes[0].health,
        Health::Failed
    );
}

/// Any topology of up to six nodes, its ranges as long as they can be.
pub(crate) fn topology() -> impl Strategy<Value = Topology<'static>> {
    let node = (
        prop_oneof![Just(""), Just("10.0.0.1"), Just("fd00::3")],
        prop_oneof![
            Just(None),
            Just(Some("")),
            Just(Some("?")),
            Just(Some("a.example"))
        ],
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
    (prop::collection::vec(node, 0..=6), cuts).prop_map(|(nodes, cuts)| {
        let id =
            |index: usize| -> Cow<'static, [u8]> { format!("node{index}").into_bytes().into() };
        let nodes: Vec<Node> = nodes
            .into_iter()
            .enumerate()
            .map(
                |(index, (ip, endpoint, port, tls_port, primary, health))| Node {
                    id: id(index),
                    ip: ip.as_bytes().into(),
                    endpoint: endpoint.unwrap_or(ip).as_bytes().into(),
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
        }
    })
}

proptest! {
    #[test]
    fn what_a_server_prints_is_read_back(topology in topology(), resp3: bool) {
        let (shards, nodes) = (shards(resp3, &topology.nodes), nodes(resp3, &topology));
        let read = look(shards.as_bytes(), nodes.as_bytes());
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
