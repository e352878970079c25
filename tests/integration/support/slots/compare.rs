//! Comparisons of slot hints with the server's CLUSTER SLOTS and MOVED.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use testkit::{encode_command, eventually_some};

use super::read::{array, by_slot, read_slots};
use super::{hint, read, read_map, Map, Slots, Talk};

/// The module's map and the server's CLUSTER SLOTS, read in one transaction. Asserts that
/// SLOTHINT.SLOTS agrees with CLUSTER SLOTS.
#[track_caller]
pub fn map_and_slots(conn: &mut impl Talk) -> (Map, Slots) {
    let packet: Vec<u8> = [
        &["MULTI"][..],
        &["SLOTHINT.MAP"],
        &["SLOTHINT.SLOTS"],
        &["CLUSTER", "SLOTS"],
        &["EXEC"],
    ]
    .iter()
    .flat_map(|command| encode_command(command))
    .collect();
    conn.put(&packet);
    for _ in 0..4 {
        conn.take();
    }
    let replies = read(&conn.take());
    let [map, rows, slots] = array(&replies) else {
        panic!("EXEC answered {replies:?}");
    };
    assert_eq!(by_slot(rows), by_slot(slots));
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

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}
