//! Replies by example. They are printed here from a list of nodes, in RESP2 and RESP3.

use super::*;

mod any;
mod lines;

pub(crate) use any::topology;

/// The replies of a real server, Redis 7.0.15, that does not know its own address. The other
/// primary has failed, the server's replica is not synchronized, a slot is migrating, and some
/// slots have no owner.
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

/// Nodes that are in no shard get their address as endpoint.
fn look<'a>(shards: &'a [u8], nodes: &'a [u8]) -> Result<Topology<'a>, Unreadable> {
    Topology::read(shards, nodes, Some(PreferredEndpoint::Ip), || false)
}

/// Prints `CLUSTER SHARDS`: each node in a shard of its own, without slots, which are not read.
fn shards(resp3: bool, nodes: &[Node]) -> String {
    let shard = |node: &Node| {
        let mut pairs = vec![("id", text(&node.id))];
        pairs.extend(node.port.map(|port| ("port", format!(":{port}\r\n"))));
        pairs.extend(
            node.tls_port
                .map(|port| ("tls-port", format!(":{port}\r\n"))),
        );
        pairs.extend([("ip", text(&node.ip)), ("endpoint", text(&node.endpoint))]);
        // Servers leave out a missing name.
        let name = Some(&node.hostname).filter(|name| !name.is_empty());
        pairs.extend(name.map(|name| ("hostname", text(name))));
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

/// Prints `CLUSTER NODES`.
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
        hostname: b"".into(),
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
fn the_replies_of_a_real_server_are_read() {
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
                hostname: b"one.example".into(),
                ..at(failed, "10.0.0.1", 7000)
            },
            at(spare, "10.0.0.2", 7000),
            at(myself, "", 29_911),
        ],
        // Slot 101 is migrating. CLUSTER SLOTS gives the same four ranges.
        ranges: [
            (0, 99, 3),
            (101, 101, 3),
            (8_000, 8_191, 3),
            (8_192, 16_383, 1),
        ]
        .map(|(first, last, node)| SlotRange { first, last, node })
        .into(),
        preferred: PreferredEndpoint::Ip,
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
fn slots_are_those_of_cluster_nodes_and_not_of_cluster_shards() {
    // After a failover CLUSTER SHARDS of Redis 7.2 and 7.4 has no slots for this shard: it prints
    // those of the failed primary.
    let mut failed = node("a");
    failed.health = Health::Failed;
    let topology = Topology {
        nodes: vec![failed, node("b")],
        ranges: vec![SlotRange {
            first: 0,
            last: 16_383,
            node: 1,
        }],
        preferred: PreferredEndpoint::Ip,
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
        preferred: PreferredEndpoint::Ip,
    };
    assert_eq!(read(&topology).unwrap().ranges, topology.ranges);
}

#[test]
fn migrating_slots_are_owned_by_their_source() {
    let topology = Topology {
        nodes: vec![node("a")],
        ranges: vec![SlotRange {
            first: 5,
            last: 5,
            node: 0,
        }],
        preferred: PreferredEndpoint::Ip,
    };
    assert_eq!(read(&topology), Ok(topology));
}

#[test]
fn a_slot_that_two_nodes_claim_is_owned_by_the_lower_id() {
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
fn malformed_replies_are_refused() {
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
fn a_node_without_a_required_field_is_refused() {
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

#[test]
fn endpoints_show_what_they_prefer_if_the_setting_cannot_be_read() {
    for (endpoint, expected) in [
        ("10.0.0.1", PreferredEndpoint::Ip),
        ("a.example", PreferredEndpoint::HostName),
        ("?", PreferredEndpoint::HostName),
        ("", PreferredEndpoint::Unknown),
    ] {
        let mut other = node("b");
        other.endpoint = endpoint.as_bytes().into();
        let shards = shards(false, &[node("a"), other]);
        let lines = text(b"a :1@2 m - 0 0 1 c\nb :1@2 m - 0 0 1 c\n");
        let read = |preferred| {
            Topology::read(shards.as_bytes(), lines.as_bytes(), preferred, || false)
                .map(|topology| topology.preferred)
        };
        assert_eq!(read(None), Ok(expected), "{endpoint:?}");
        let known = PreferredEndpoint::Ip;
        assert_eq!(read(Some(known)), Ok(known), "the setting counts");
    }
}
