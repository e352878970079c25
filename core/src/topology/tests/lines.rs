//! Nodes that are in no shard, and get their address from CLUSTER NODES.

use super::*;

#[test]
fn nodes_without_a_line_or_in_the_handshake_are_left_out() {
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
fn a_node_in_no_shard_gets_its_address_from_its_line() {
    let shards = shards(false, &[node("b")]);
    let lines = text(
        b"a fd00::1:1@2,a.example,x=y myself,master - 0 0 1 connected 0-9\n\
          b :1@2 master - 0 0 1 connected 10-19\n\
          c 10.0.0.3:3@4 slave,fail a 0 0 1 connected\n\
          d :0@0 master,noaddr - 0 0 1 disconnected 20\n",
    );
    let read = |preferred, tls| {
        Topology::read(shards.as_bytes(), lines.as_bytes(), Some(preferred), || tls).unwrap()
    };
    let address = |node: &Node| {
        let host = String::from_utf8_lossy(&node.endpoint).into_owned();
        (host, node.port, node.tls_port)
    };
    let topology = read(PreferredEndpoint::Ip, false);
    assert_eq!(
        topology.nodes[0].hostname.as_ref(),
        b"a.example",
        "the name is read too"
    );
    let [a, b, c, d] = &topology.nodes[..] else {
        panic!("{topology:?}");
    };
    assert_eq!(address(a), ("fd00::1".into(), Some(1), None));
    assert_eq!(*b, node("b"));
    assert_eq!(address(c), ("10.0.0.3".into(), Some(3), None));
    assert_eq!(address(d), (String::new(), None, None));
    assert!(!a.is_listed && c.primary.as_deref() == Some(b"a") && c.health == Health::Failed);
    assert_eq!(topology.ranges.len(), 3, "each owner has its slots");
    let hosts = |topology: Topology| topology.nodes.iter().map(address).collect::<Vec<_>>();
    let named = hosts(read(PreferredEndpoint::HostName, true));
    assert_eq!(named[0], ("a.example".into(), None, Some(1)));
    assert_eq!(named[2], ("?".into(), None, Some(3)));
    assert_eq!(hosts(read(PreferredEndpoint::Unknown, false))[0].0, "");
    // The port for the other kind of connection is kept from the earlier look.
    let mut topology = read(PreferredEndpoint::Ip, false);
    topology.add_ports_of(&read(PreferredEndpoint::Ip, true));
    assert_eq!(
        address(&topology.nodes[0]),
        ("fd00::1".into(), Some(1), Some(1))
    );
    assert_eq!(topology.nodes[1], node("b"));
}

#[test]
fn the_kind_of_ports_is_not_asked_for_if_every_node_is_in_a_shard() {
    let shards = shards(false, &[node("a")]);
    let lines = text(b"a :1@2 master - 0 0 1 connected 0-9\n");
    let preferred = Some(PreferredEndpoint::HostName);
    let (shards, lines) = (shards.as_bytes(), lines.as_bytes());
    let topology = Topology::read(shards, lines, preferred, || unreachable!());
    assert_eq!(topology.unwrap().nodes, [node("a")]);
}
