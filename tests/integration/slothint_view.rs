//! Helpers for tests of slot hints: strict parsers, and comparisons with the server's CLUSTER SLOTS
//! and MOVED.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use testkit::differences::CACHES_CLUSTER_SLOTS;
use testkit::redis::Value;
use testkit::{
    encode_command, eventually, eventually_some, Cluster, ClusterBuilder, RawConn, Server,
};

pub use crate::slothint_read::read;
use crate::slothint_read::{array, number, read_node, read_slots};

/// A plain or TLS connection.
pub trait Talk {
    fn put(&mut self, bytes: &[u8]);
    fn take(&mut self) -> Vec<u8>;

    fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> Value {
        self.put(&encode_command(command));
        read(&self.take())
    }

    fn line(&mut self, line: &str) -> Value {
        self.ask(&line.split_whitespace().collect::<Vec<_>>())
    }
}

impl Talk for RawConn {
    fn put(&mut self, bytes: &[u8]) {
        self.send_bytes(bytes);
    }

    fn take(&mut self) -> Vec<u8> {
        self.read_reply_bytes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: Option<String>,
    pub port: u16,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub address: Address,
    pub replicas: Vec<Address>,
}

/// Nodes ordered by id, and ranges: first slot, last slot, index of the owner in `nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    pub nodes: Vec<Node>,
    pub ranges: Vec<(u16, u16, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub token: i64,
    pub slots: Slots,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub token: i64,
    pub nodes: Vec<Node>,
    /// For each key its slot and the index of its owner in `nodes`.
    pub keys: Vec<(u16, i64)>,
}

/// A cluster whose nodes read the topology in every turn with a request, so that no map is old.
pub fn afresh(primaries: usize, replicas: usize) -> ClusterBuilder {
    Cluster::builder(primaries, replicas)
        .node(|_, builder| builder.module_args(&["slothint-max-age-ms", "0"]))
}

/// A cluster of one node with all slots. [`rename`] changes its host name, which changes the map at
/// once.
pub fn alone(max_age_ms: &'static str) -> Cluster {
    Cluster::builder(1, 0)
        .node(move |_, builder| {
            builder
                .module_args(&["slothint-max-age-ms", max_age_ms])
                .config("cluster-preferred-endpoint-type", "hostname")
                .config("cluster-announce-hostname", "first.example")
        })
        .start()
}

#[track_caller]
pub fn rename(server: &Server, name: &str) {
    set(server, "cluster-announce-hostname", name);
}

#[track_caller]
pub fn set(server: &Server, name: &str, value: &str) {
    server.run::<()>(&["CONFIG", "SET", name, value]);
    if name == "cluster-announce-ip" && server.has(CACHES_CLUSTER_SLOTS) {
        // Another setting, changed and changed back, renews the cached answer.
        let endpoint = "cluster-preferred-endpoint-type";
        let kept: Vec<String> = server.run(&["CONFIG", "GET", endpoint]);
        let other = if kept[1] == "ip" { "hostname" } else { "ip" };
        for value in [other, kept[1].as_str()] {
            server.run::<()>(&["CONFIG", "SET", endpoint, value]);
        }
    }
}

#[track_caller]
pub fn map(conn: &mut impl Talk) -> Map {
    read_map(&conn.ask(&["SLOTHINT.MAP"]))
}

#[track_caller]
pub fn token(conn: &mut impl Talk) -> i64 {
    map(conn).token
}

#[track_caller]
pub fn hint<A: AsRef<[u8]>>(conn: &mut impl Talk, keys: &[A]) -> Hint {
    let words: Vec<&[u8]> = std::iter::once(&b"SLOTHINT"[..])
        .chain(keys.iter().map(AsRef::as_ref))
        .collect();
    let reply = conn.ask(&words);
    let [token, nodes, hints] = array(&reply) else {
        panic!("SLOTHINT answered {reply:?}");
    };
    let pair = |hint: &Value| match array(hint) {
        [slot, index] => (number(slot) as u16, number(index)),
        other => panic!("a hint is {other:?}"),
    };
    Hint {
        token: number(token),
        nodes: array(nodes).iter().map(read_node).collect(),
        keys: array(hints).iter().map(pair).collect(),
    }
}

#[track_caller]
pub fn read_map(reply: &Value) -> Map {
    let [token, nodes, ranges] = array(reply) else {
        panic!("SLOTHINT.MAP answered {reply:?}");
    };
    let range = |range: &Value| match array(range) {
        [first, last, owner] => (
            number(first) as u16,
            number(last) as u16,
            number(owner) as usize,
        ),
        other => panic!("a range is {other:?}"),
    };
    let token = number(token);
    assert!(token > 0, "the token is {token}");
    Map {
        token,
        slots: Slots {
            nodes: array(nodes).iter().map(read_node).collect(),
            ranges: array(ranges).iter().map(range).collect(),
        },
    }
}

/// The module's map and the server's CLUSTER SLOTS, read in one transaction.
#[track_caller]
pub fn map_and_slots(conn: &mut impl Talk) -> (Map, Slots) {
    let packet: Vec<u8> = [
        &["MULTI"][..],
        &["SLOTHINT.MAP"],
        &["CLUSTER", "SLOTS"],
        &["EXEC"],
    ]
    .iter()
    .flat_map(|command| encode_command(command))
    .collect();
    conn.put(&packet);
    for _ in 0..3 {
        conn.take();
    }
    let replies = read(&conn.take());
    let [map, slots] = array(&replies) else {
        panic!("EXEC answered {replies:?}");
    };
    (read_map(map), read_slots(slots))
}

/// Asserts that the map agrees with CLUSTER SLOTS on this connection, and returns it.
#[track_caller]
pub fn agreed(conn: &mut impl Talk) -> Map {
    let (map, slots) = map_and_slots(conn);
    assert_eq!(map.slots, slots);
    map
}

/// Asserts for a key of every slot that the hint has the address of the server's MOVED. A key
/// without a MOVED belongs to the server itself.
#[track_caller]
pub fn redirections_agree(conn: &mut impl Talk, own_id: &str) {
    let keys = a_key_of_each_slot();
    let gets: Vec<u8> = keys
        .iter()
        .flat_map(|key| encode_command(&["GET", key]))
        .collect();
    // On a busy machine the cluster may fail for a moment. Then the node serves no slot and sends
    // no MOVED.
    let (hint, replies) = eventually_some("the node to serve its slots", || {
        let hint = hint(conn, keys);
        conn.put(&gets);
        let replies: Vec<Vec<u8>> = keys.iter().map(|_| conn.take()).collect();
        let is_down = |reply: &Vec<u8>| reply.starts_with(b"-CLUSTERDOWN The cluster is down");
        (!replies.iter().any(is_down)).then_some((hint, replies))
    });
    let mut moved = 0;
    for (((slot, index), expected_slot), reply) in hint.keys.iter().zip(0..).zip(&replies) {
        assert_eq!(*slot, expected_slot);
        let reply = String::from_utf8_lossy(reply);
        let node = &hint.nodes[*index as usize].address;
        if reply.starts_with("-MOVED") {
            let host = node.host.as_deref().unwrap_or_default();
            assert_eq!(reply, format!("-MOVED {slot} {host}:{}\r\n", node.port));
            moved += 1;
        } else {
            assert_eq!((&*reply, node.id.as_str()), ("$-1\r\n", own_id));
        }
    }
    assert!(moved > 0, "the node sent no MOVED");
}

/// One key per slot, in the order of the slots.
pub fn a_key_of_each_slot() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = BTreeMap::new();
        for number in 0.. {
            let key = format!("key:{number}");
            keys.entry(crc16(key.as_bytes()) % 16384).or_insert(key);
            if keys.len() == 16384 {
                break;
            }
        }
        keys.into_values().collect()
    })
}

/// Moves slots without keys from one primary to another. Waits until all nodes agree.
#[track_caller]
pub fn hand_over(cluster: &Cluster, slots: &[u16], from: &Server, to: &Server) {
    let id = cluster.id_of(to);
    let lines: Vec<String> = slots
        .iter()
        .map(|slot| format!("CLUSTER SETSLOT {slot} NODE {id}"))
        .collect();
    // The old owner first, or it would claim the slots back. Then a new epoch, so that all nodes
    // accept the new owner.
    let mut primaries = cluster.primaries();
    primaries.sort_by_key(|node| (node.port() != from.port(), node.port() == to.port()));
    for node in primaries {
        let mut conn = node.raw();
        conn.send_bytes(&crate::support::packet(
            &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        ));
        for _ in slots {
            assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
        }
    }
    to.run::<String>(&["CLUSTER", "BUMPEPOCH"]);
    cluster.wait_until_agreed();
    eventually("the new owner in CLUSTER SLOTS", || {
        cluster.owner_of_slot(slots[0]).port() == to.port()
    });
}

/// How often the module has read the topology.
#[track_caller]
pub fn looks(server: &Server) -> i64 {
    crate::support::info(server, "slothint_map_refreshes_total")
}

/// Waits until the server's cron has run for at least a second of the server's own clock.
#[track_caller]
pub fn let_cron_run(server: &Server) {
    let uptime = || server.info_number("server", "uptime_in_seconds");
    let before = uptime();
    eventually("the server's cron to run for a while", || {
        uptime() >= before + 2
    });
}

#[track_caller]
pub fn wait_for_blocked(server: &Server, count: i64) {
    eventually(&format!("{count} blocked clients"), || {
        server.info_number("clients", "blocked_clients") == count
    });
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}
