//! SLOTHINT.SLOTS: its rows are those of the server's CLUSTER SLOTS, for the slots that were asked
//! for. (Every test that calls `agreed` or `map_and_slots` compares the two as well.)

use std::collections::BTreeSet;

use testkit::redis::Value;
use testkit::{eventually, RawConn, Server};

use crate::support::slots::{
    a_key_of_each_slot, afresh, agreed, agreed_until, alone, begin_move, by_slot, hand_over, hint,
    one_token, read, set, Talk,
};
use crate::support::{info, packet, say, Chance};

/// SLOTHINT.SLOTS and CLUSTER SLOTS, byte by byte, read in one transaction.
#[track_caller]
fn both(conn: &mut RawConn) -> (String, String) {
    conn.put(&packet(&[
        "MULTI",
        "SLOTHINT.SLOTS",
        "CLUSTER SLOTS",
        "EXEC",
    ]));
    for _ in 0..3 {
        conn.take();
    }
    let replies = String::from_utf8_lossy(&conn.take()).into_owned();
    let replies = replies.strip_prefix("*2\r\n").expect("not two replies");
    let length = testkit::reply_length(replies.as_bytes()).expect("not a reply");
    let (ours, the_servers) = replies.split_at(length.expect("no whole reply"));
    (ours.to_owned(), the_servers.to_owned())
}

/// Asserts that the rows for all slots are the bytes of CLUSTER SLOTS. Primaries with several
/// replicas may list them in another order, so none has more than one here.
#[track_caller]
fn same_bytes(node: &Server) -> String {
    let mut conn = node.raw();
    let (ours, the_servers) = both(&mut conn);
    assert_eq!(ours, the_servers, "{}", node.name());
    conn.hello3();
    let (resp3, the_servers) = both(&mut conn);
    assert_eq!(resp3, the_servers, "{} RESP3", node.name());
    ours
}

/// First and last slot of each row, and the id of the owner.
#[track_caller]
fn rows(reply: &Value) -> Vec<(i64, i64, String)> {
    let array = |value: &Value| match value {
        Value::Array(parts) => parts.clone(),
        other => panic!("{other:?} instead of an array"),
    };
    let row = |row: &Value| match (&array(row)[..], &array(&array(row)[2])[2]) {
        ([Value::Int(first), Value::Int(last), ..], Value::BulkString(id)) => {
            (*first, *last, String::from_utf8_lossy(id).into_owned())
        }
        other => panic!("a row is {other:?}"),
    };
    array(reply).iter().map(row).collect()
}

#[track_caller]
fn slots<A: AsRef<[u8]>>(conn: &mut impl Talk, keys: &[A]) -> Value {
    let words = std::iter::once(&b"SLOTHINT.SLOTS"[..]).chain(keys.iter().map(AsRef::as_ref));
    conn.ask(&words.collect::<Vec<_>>())
}

#[test]
fn all_slots_are_the_bytes_of_cluster_slots_on_primaries_and_replicas() {
    let cluster = afresh(2, 1).start();
    for node in &cluster.nodes {
        assert!(same_bytes(node).starts_with("*2\r\n"), "{}", node.name());
    }
}

#[test]
fn hosts_and_metadata_are_those_of_cluster_slots_whatever_the_nodes_announce() {
    // A node alone does not know its address.
    for cluster in [afresh(1, 0).start(), afresh(2, 1).start()] {
        for name in ["", "name.example"] {
            for node in &cluster.nodes {
                set(node, "cluster-announce-hostname", name);
            }
            for kind in ["ip", "hostname", "unknown-endpoint"] {
                for node in &cluster.nodes {
                    set(node, "cluster-preferred-endpoint-type", kind);
                }
                for node in &cluster.nodes {
                    eventually("the names to arrive", || {
                        let slots = say(&mut node.raw(), "CLUSTER SLOTS");
                        slots.matches("name.example").count()
                            == if name.is_empty() {
                                0
                            } else {
                                cluster.nodes.len()
                            }
                    });
                    same_bytes(node);
                }
            }
        }
    }
}

#[test]
fn several_replicas_are_listed_in_the_order_of_their_ids() {
    let cluster = afresh(1, 3).start();
    for node in &cluster.nodes {
        let mut conn = node.raw();
        agreed(&mut conn);
        let Value::Array(rows) = slots(&mut conn, &["foo"]) else {
            panic!("no rows");
        };
        let [Value::Array(row)] = &rows[..] else {
            panic!("not one row: {rows:?}");
        };
        let ids = row[3..].iter().map(|node| format!("{node:?}"));
        let ids: Vec<String> = ids.collect();
        let replicas = cluster.nodes[1..].iter().map(|node| cluster.id_of(node));
        let replicas: BTreeSet<&str> = replicas.collect();
        assert_eq!(ids.len(), replicas.len());
        assert!(ids.iter().zip(replicas).all(|(node, id)| {
            let id = format!("{:?}", Value::BulkString(id.into()));
            node.contains(&id)
        }));
    }
}

#[test]
fn keys_have_the_rows_of_their_slots_each_once() {
    let cluster = afresh(2, 1).start();
    let [first, second, first_replica, second_replica] = &cluster.nodes[..] else {
        panic!("the cluster does not have four nodes");
    };
    // bar is in slot 5061, foo in 12182.
    let node = |node: &Server, empty: &str| {
        let (port, id) = (node.port(), cluster.id_of(node));
        format!("*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{id}\r\n{empty}\r\n")
    };
    let row = |slot: u16, owner: &Server, replica: &Server, empty: &str| {
        let nodes = node(owner, empty) + &node(replica, empty);
        format!("*4\r\n:{slot}\r\n:{slot}\r\n{nodes}")
    };
    for server in &cluster.nodes {
        let mut conn = server.raw();
        for empty in ["*0", "%0"] {
            let bar = row(5_061, first, first_replica, empty);
            let foo = row(12_182, second, second_replica, empty);
            let reply = say(&mut conn, "SLOTHINT.SLOTS foo {bar}x foo bar");
            assert_eq!(reply, format!("*2\r\n{bar}{foo}"), "{}", server.name());
            let reply = say(&mut conn, "slothint.slots foo");
            assert_eq!(reply, format!("*1\r\n{foo}"));
            conn.hello3();
        }
    }
}

#[test]
fn adjacent_slots_of_one_owner_are_one_row_and_follow_a_move() {
    let cluster = afresh(2, 0).start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    let (source, target) = (cluster.id_of(first), cluster.id_of(second));
    let (mut here, mut there) = (first.raw(), second.raw());
    let keys = &a_key_of_each_slot()[98..=102];
    let asked = [&keys[4], &keys[1], &keys[2], &keys[1], &keys[3]];
    begin_move(&cluster, 100, first, second);
    // A migrating slot belongs to its source.
    for conn in [&mut here, &mut there] {
        let expected = [(99, 102, source.to_owned())];
        assert_eq!(rows(&slots(conn, &asked)), expected);
    }
    hand_over(&cluster, &[100], first, second);
    agreed_until("both nodes to have the new owner", &cluster, one_token);
    for conn in [&mut here, &mut there] {
        let expected = [(99, 99, source), (100, 100, target), (101, 102, source)];
        let expected = expected.map(|(first, last, id)| (first, last, id.to_owned()));
        assert_eq!(rows(&slots(conn, &asked)), expected);
    }
}

#[test]
fn a_slot_without_owner_has_no_row_even_while_the_cluster_is_down() {
    let node = Server::builder()
        .cluster(true)
        .module_args(&["slothint-max-age-ms", "0"])
        .start();
    let mut conn = node.raw();
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS"), "*0\r\n");
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS foo bar"), "*0\r\n");
    assert_eq!(say(&mut conn, "CLUSTER ADDSLOTS 12182"), "+OK\r\n");
    let one = say(&mut conn, "CLUSTER SLOTS");
    assert!(one.starts_with("*1\r\n"), "{one}");
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS"), one);
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS bar foo"), one);
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS bar"), "*0\r\n");
    assert!(say(&mut conn, "GET foo").starts_with("-CLUSTERDOWN"));
}

#[test]
fn a_hundred_thousand_binary_keys_are_answered() {
    let cluster = afresh(3, 0).start();
    let node = &cluster.nodes[1];
    let mut conn = node.raw();
    let mut chance = Chance::new(7);
    // Keys of a third of all slots, so that there are many rows.
    let mut keys = Vec::new();
    while keys.len() < 100_000 {
        let tag = a_key_of_each_slot()[chance.below(16_384) / 3 * 3].as_bytes();
        let parts = [b"{", tag, b"}", &chance.bytes(20)];
        keys.push(parts.concat());
    }
    let hinted = hint(&mut conn, &keys);
    let reply = slots(&mut conn, &keys);
    let expected: BTreeSet<i64> = hinted.keys.iter().map(|key| key.0.into()).collect();
    let listed = by_slot(&reply);
    assert!(listed.keys().eq(&expected), "other slots than asked for");
    let all = by_slot(&conn.ask(&["CLUSTER", "SLOTS"]));
    assert!(listed.iter().all(|(slot, nodes)| all[slot] == *nodes));
    assert_eq!(info(node, "slothint_keys_total"), 200_000);
    let every = slots(&mut conn, a_key_of_each_slot());
    assert_eq!(every, conn.ask(&["SLOTHINT.SLOTS"]));
}

#[test]
fn scripts_and_transactions_get_rows_too() {
    let cluster = alone("100");
    let mut conn = cluster.nodes[0].raw();
    let direct = say(&mut conn, "SLOTHINT.SLOTS foo");
    say(&mut conn, "MULTI");
    assert_eq!(say(&mut conn, "SLOTHINT.SLOTS foo"), "+QUEUED\r\n");
    assert_eq!(say(&mut conn, "EXEC"), format!("*1\r\n{direct}"));
    let script = "return redis.call('SLOTHINT.SLOTS', 'foo')";
    assert_eq!(conn.call_text(&["EVAL", script, "0"]), direct);
    let resp3 = "redis.setresp(3) return redis.call('SLOTHINT.SLOTS')[1][3][1]";
    assert_eq!(
        conn.call_text(&["EVAL", resp3, "0"]),
        "$13\r\nfirst.example\r\n"
    );
    assert!(say(&mut conn, "DURABLE.CALL SLOTHINT.SLOTS foo").starts_with("-ERR"));
    assert!(cluster.nodes[0].is_alive());
}

#[test]
fn a_fragmented_map_is_listed_row_by_row() {
    let cluster = afresh(2, 0).start();
    let even: Vec<u16> = (0..400).step_by(2).collect();
    hand_over(&cluster, &even, &cluster.nodes[0], &cluster.nodes[1]);
    agreed_until("both nodes to agree", &cluster, one_token);
    for node in &cluster.nodes {
        let mut conn = node.raw();
        let listed = rows(&read(same_bytes(node).as_bytes()));
        // The last odd slot is in one row with those behind it.
        assert_eq!(listed.len(), 401);
        let keys = &a_key_of_each_slot()[..400];
        assert_eq!(rows(&slots(&mut conn, keys)).len(), 400);
    }
}
