//! SLOTHINT: its reply, the slots of keys, bad arguments, and its use in scripts and transactions.

use testkit::redis::Value;
use testkit::{eventually, Server};

use crate::support::slots::{
    a_key_of_each_slot, afresh, agreed, alone, hint, set, token, Node, Talk,
};
use crate::support::{info, say, unload_and_load_again, Chance};

const DISABLED: &str = "-ERR This instance has cluster support disabled\r\n";

#[test]
fn the_reply_is_the_same_in_both_protocols_and_on_every_node() {
    let cluster = afresh(2, 1).start();
    let [first, second, first_replica, second_replica] = &cluster.nodes[..] else {
        panic!("the cluster does not have four nodes");
    };
    // bar is in slot 5061, foo in 12182.
    let keys = ["{bar}x", "foo", "bar", "foo"];
    let mut nodes = [(first, first_replica), (second, second_replica)];
    nodes.sort_by_key(|(owner, _)| cluster.id_of(owner).to_string());
    let written = |node: &Server, fields: usize| {
        let id = cluster.id_of(node);
        let port = node.port();
        format!("*{fields}\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{id}\r\n")
    };
    let nodes_written: String = nodes
        .iter()
        .map(|(owner, replica)| written(owner, 4) + "*1\r\n" + &written(replica, 3))
        .collect();
    let index = |owner: &Server| {
        nodes
            .iter()
            .position(|node| node.0.port() == owner.port())
            .expect("not one of the two primaries")
    };
    let bar = format!("*2\r\n:5061\r\n:{}\r\n", index(first));
    let foo = format!("*2\r\n:12182\r\n:{}\r\n", index(second));
    // At first the nodes may have different views.
    let mut conn = first.raw();
    eventually("all nodes to agree", || {
        let mut tokens = cluster.nodes.iter().map(|node| token(&mut node.raw()));
        let one = tokens.next();
        tokens.all(|token| Some(token) == one)
    });
    let token = token(&mut conn);
    let expected = format!("*3\r\n:{token}\r\n*2\r\n{nodes_written}*4\r\n{bar}{foo}{bar}{foo}");
    let line = format!("SLOTHINT {}", keys.join(" "));
    for node in &cluster.nodes {
        let mut conn = node.raw();
        assert_eq!(say(&mut conn, &line), expected, "{}", node.name());
        conn.hello3();
        assert_eq!(say(&mut conn, &line), expected, "{} RESP3", node.name());
    }
    // A hint lists only the owners of its keys.
    let one = format!(
        "*3\r\n:{token}\r\n*1\r\n{}*1\r\n{}*1\r\n*2\r\n:12182\r\n:0\r\n",
        written(second, 4),
        written(second_replica, 3)
    );
    assert_eq!(say(&mut conn, "slothint foo"), one);
}

#[test]
fn a_node_that_does_not_know_its_address_says_nil() {
    let cluster = afresh(1, 0).start();
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let token = token(&mut conn);
    let (port, id) = (node.port(), cluster.id_of(node));
    let reply = |nil: &str| {
        format!("*3\r\n:{token}\r\n*1\r\n*4\r\n{nil}\r\n:{port}\r\n$40\r\n{id}\r\n*0\r\n*1\r\n*2\r\n:12182\r\n:0\r\n")
    };
    assert_eq!(say(&mut conn, "SLOTHINT foo"), reply("$-1"));
    conn.hello3();
    assert_eq!(say(&mut conn, "SLOTHINT foo"), reply("_"));
}

#[test]
fn slots_are_those_of_cluster_keyslot() {
    let cluster = alone("100");
    let mut conn = cluster.nodes[0].raw();
    let mut keys: Vec<Vec<u8>> = [
        "",
        "123456789",
        "{}",
        "foo{}{bar}",
        "{{bar}}zap",
        "foo{bar}{zap}",
        "foo{bar",
        "}foo{",
        "}{a}",
        "{a}b{c}",
        "x{\r\n}",
        "{\0}",
        "\0",
        "ключ{ключ}",
    ]
    .map(|key| key.as_bytes().to_vec())
    .to_vec();
    // Random bytes with many braces.
    let mut chance = Chance::new(4);
    keys.extend((0..2000).map(|_| {
        let mut key = chance.bytes(24);
        for byte in &mut key {
            match chance.below(8) {
                0 => *byte = b'{',
                1 => *byte = b'}',
                _ => (),
            }
        }
        key
    }));
    keys.push(vec![b'x'; 1 << 20]);
    let hint = hint(&mut conn, &keys);
    assert_eq!(hint.keys.len(), keys.len());
    for (key, (slot, index)) in keys.iter().zip(&hint.keys) {
        let expected = conn.ask(&[&b"CLUSTER"[..], b"KEYSLOT", key]);
        assert_eq!(
            Value::Int((*slot).into()),
            expected,
            "{}",
            key.escape_ascii()
        );
        assert_eq!(*index, 0);
    }
    assert_eq!(hint.keys[0].0, 0, "the slot of the empty key");
    assert_eq!(hint.keys[1].0, 0x31C3);
    assert_eq!(hint.nodes.len(), 1);
}

#[test]
fn a_slot_without_owner_is_minus_one_even_while_the_cluster_is_down() {
    let node = Server::builder()
        .cluster(true)
        .module_args(&["slothint-max-age-ms", "0"])
        .start();
    let mut conn = node.raw();
    let nothing = hint(&mut conn, &["foo", "bar"]);
    let expected = format!(
        "*3\r\n:{}\r\n*0\r\n*2\r\n*2\r\n:12182\r\n:-1\r\n*2\r\n:5061\r\n:-1\r\n",
        nothing.token
    );
    assert_eq!(say(&mut conn, "SLOTHINT foo bar"), expected);
    assert_eq!(
        say(&mut conn, "SLOTHINT.MAP"),
        format!("*3\r\n:{}\r\n*0\r\n*0\r\n", nothing.token)
    );
    assert_eq!(say(&mut conn, "CLUSTER ADDSLOTS 12182"), "+OK\r\n");
    let some = hint(&mut conn, &["foo", "bar"]);
    assert_eq!(some.keys, [(12182, 0), (5061, -1)]);
    assert_eq!(some.nodes.len(), 1);
    assert_ne!(some.token, nothing.token);
    assert!(say(&mut conn, "GET foo").starts_with("-CLUSTERDOWN"));
    assert!(say(&mut conn, "GET bar").starts_with("-CLUSTERDOWN"));
    agreed(&mut conn);
}

#[test]
fn keys_are_not_declared_and_need_no_permission() {
    let cluster = afresh(2, 0).start();
    let mut conn = cluster.nodes[0].raw();
    for name in [
        "SLOTHINT",
        "SLOTHINT.MAP",
        "SLOTHINT.SLOTS",
        "SLOTHINT.WATCH",
    ] {
        let command = ["COMMAND", "GETKEYS", name, "1", "2"];
        let reply = conn.call_text(&command);
        assert!(reply.starts_with('-'), "{reply}");
        let info = conn.ask(&["COMMAND", "INFO", name]);
        let Value::Array(entries) = &info else {
            panic!("COMMAND INFO answered {info:?}");
        };
        let Value::Array(fields) = &entries[0] else {
            panic!("{name} is {entries:?}");
        };
        assert_eq!(fields[3..6], [0, 0, 0].map(Value::Int), "{name}");
    }
    let user = "ACL SETUSER asker on nopass resetkeys -@all +slothint";
    assert_eq!(say(&mut conn, user), "+OK\r\n");
    assert_eq!(say(&mut conn, "AUTH asker any"), "+OK\r\n");
    // One command with keys of both nodes.
    let both = hint(&mut conn, &["foo", "bar"]);
    assert_eq!(both.nodes.len(), 2);
    assert!(say(&mut conn, "SLOTHINT.MAP").starts_with("-NOPERM"));
}

#[test]
fn every_key_of_a_large_batch_is_answered_in_order() {
    let cluster = afresh(3, 0).start();
    let mut conn = cluster.nodes[1].raw();
    let mut keys = a_key_of_each_slot().to_vec();
    keys.reverse();
    let hint = hint(&mut conn, &keys);
    let ids: Vec<&str> = hint.nodes.iter().map(id).collect();
    let mut expected: Vec<&str> = cluster.nodes.iter().map(|n| cluster.id_of(n)).collect();
    expected.sort();
    assert_eq!(ids, expected, "not each node once, ordered by id");
    for ((slot, index), expected) in hint.keys.iter().zip((0..16384).rev()) {
        assert_eq!(*slot, expected);
        let owner = [5461, 10923, 16384].iter().position(|end| slot < end);
        let owner = &cluster.nodes[owner.expect("a slot above 16383")];
        assert_eq!(ids[*index as usize], cluster.id_of(owner), "slot {slot}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cluster = alone("100");
    let mut conn = cluster.nodes[0].raw();
    let arity = |name: &str| format!("-ERR wrong number of arguments for '{name}' command\r\n");
    let token = |word: &str| {
        format!("-ERR invalid token '{word}', accepted are 0 to 9223372036854775807\r\n")
    };
    let timeout = |word: &str| {
        format!("-ERR invalid timeout-ms '{word}', accepted are 0 to 86400000 milliseconds, 0 for ever\r\n")
    };
    for (line, expected) in [
        ("SLOTHINT", arity("slothint")),
        ("SLOTHINT.MAP 1 2", arity("slothint.map")),
        ("SLOTHINT.WATCH", arity("slothint.watch")),
        ("SLOTHINT.WATCH 1", arity("slothint.watch")),
        ("SLOTHINT.WATCH 1 2 3", arity("slothint.watch")),
        ("SLOTHINT.MAP x", token("x")),
        ("SLOTHINT.MAP -1", token("-1")),
        ("SLOTHINT.MAP +1", token("+1")),
        ("SLOTHINT.MAP 1.0", token("1.0")),
        (
            "SLOTHINT.MAP 9223372036854775808",
            token("9223372036854775808"),
        ),
        ("SLOTHINT.WATCH x 1", token("x")),
        ("SLOTHINT.WATCH 0 -1", timeout("-1")),
        ("SLOTHINT.WATCH 0 1s", timeout("1s")),
        ("SLOTHINT.WATCH 0 86400001", timeout("86400001")),
    ] {
        assert_eq!(say(&mut conn, line), expected, "{line}");
    }
    let empty = conn.call_text(&["SLOTHINT.MAP", ""]);
    assert_eq!(empty, token(""));
    // After an error the connection still works, and no client waits.
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
    unload_and_load_again(&cluster.nodes[0]);
}

#[test]
fn with_cluster_mode_off_the_servers_own_error_comes() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    for _ in 0..2 {
        for line in [
            "SLOTHINT k",
            "SLOTHINT.MAP",
            "SLOTHINT.MAP 1",
            "SLOTHINT.SLOTS",
            "SLOTHINT.SLOTS k",
            "SLOTHINT.WATCH 1 0",
        ] {
            assert_eq!(say(&mut conn, line), DISABLED, "{line}");
        }
        conn.hello3();
    }
    assert_eq!(say(&mut conn, "CLUSTER SLOTS"), DISABLED);
    assert_eq!(info(&server, "slothint_token"), 0);
    unload_and_load_again(&server);
}

#[test]
fn scripts_and_transactions_are_answered_too() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let direct = say(&mut conn, "SLOTHINT foo");
    assert_eq!(say(&mut conn, "MULTI"), "+OK\r\n");
    assert_eq!(say(&mut conn, "SLOTHINT foo"), "+QUEUED\r\n");
    assert_eq!(say(&mut conn, "EXEC"), format!("*1\r\n{direct}"));

    let script =
        "local r = redis.call('SLOTHINT', 'foo', 'bar') return {r[3][1][1], r[3][1][2], r[3][2][1], r[2][1][1]}";
    let expected = "*4\r\n:12182\r\n:0\r\n:5061\r\n$13\r\nfirst.example\r\n";
    let library =
        format!("#!lua name=hints\nredis.register_function('hints', function() {script} end)");
    assert_eq!(
        conn.call_text(&["FUNCTION", "LOAD", &library]),
        "$5\r\nhints\r\n"
    );
    for protocol in ["2", "3"] {
        assert_eq!(
            conn.call_text(&["EVAL", script, "0"]),
            expected,
            "RESP{protocol}"
        );
        assert_eq!(conn.call_text(&["FCALL", "hints", "0"]), expected);
        let map = "return #redis.call('SLOTHINT.MAP')";
        assert_eq!(conn.call_text(&["EVAL", map, "0"]), ":3\r\n");
        let resp3 = format!("redis.setresp(3) {script}");
        assert_eq!(conn.call_text(&["EVAL", &resp3, "0"]), expected);
        conn.hello3();
    }
    // A script inside a transaction.
    let mut other = node.raw();
    say(&mut other, "MULTI");
    other.call_text(&["EVAL", script, "0"]);
    assert_eq!(say(&mut other, "EXEC"), format!("*1\r\n{expected}"));
    let nested = say(&mut other, "DURABLE.CALL SLOTHINT foo");
    assert!(nested.starts_with("-ERR"), "{nested}");
    assert!(node.is_alive());
}

#[test]
fn requests_and_keys_are_counted() {
    let cluster = alone("60000");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    assert_eq!(
        info(node, "slothint_token"),
        0,
        "a token before the first request"
    );
    let token = token(&mut conn);
    assert_eq!(info(node, "slothint_token"), token);
    hint(&mut conn, &["a", "b", "a"]);
    say(&mut conn, &format!("SLOTHINT.MAP {token}"));
    conn.line("SLOTHINT.WATCH 0 0");
    conn.line("SLOTHINT.SLOTS a b");
    conn.line("SLOTHINT.SLOTS");
    assert_eq!(info(node, "slothint_requests_total"), 6);
    assert_eq!(info(node, "slothint_keys_total"), 5);
    assert_eq!(info(node, "slothint_map_refreshes_total"), 1);
    set(node, "durable.slothint-max-age-ms", "0");
    hint(&mut conn, &["a"]);
    hint(&mut conn, &["a"]);
    assert_eq!(info(node, "slothint_map_refreshes_total"), 3);
}

fn id(node: &Node) -> &str {
    &node.address.id
}
