//! SLOTHINT.MAP: its reply, its token, and the age of the map.

use testkit::{eventually, module_path, Cluster, RawConn};

use crate::support::slots::{
    afresh, agreed, alone, hand_over, hint, let_cron_run, map, redirections_agree, rename, set,
    token, topology_reads, Talk,
};
use crate::support::{info, packet, say, unload_and_load_again};

#[test]
fn the_whole_map_is_the_same_in_both_protocols_and_nil_when_it_is_known() {
    let cluster = afresh(2, 1).start();
    let mut conn = cluster.nodes[3].raw();
    let map = agreed(&mut conn);
    let mut nodes: Vec<usize> = vec![0, 1];
    nodes.sort_by_key(|number| cluster.id_of(&cluster.nodes[*number]).to_string());
    let written = |number: usize, fields: usize| {
        let node = &cluster.nodes[number];
        let (port, id) = (node.port(), cluster.id_of(node));
        format!("*{fields}\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{id}\r\n")
    };
    let index = |number: usize| usize::from(nodes[0] != number);
    let expected = format!(
        "*3\r\n:{}\r\n*2\r\n{}*1\r\n{}{}*1\r\n{}*2\r\n*3\r\n:0\r\n:8191\r\n:{}\r\n*3\r\n:8192\r\n:16383\r\n:{}\r\n",
        map.token,
        written(nodes[0], 4),
        written(nodes[0] + 2, 3),
        written(nodes[1], 4),
        written(nodes[1] + 2, 3),
        index(0),
        index(1),
    );
    for null in ["$-1\r\n", "_\r\n"] {
        assert_eq!(say(&mut conn, "SLOTHINT.MAP"), expected);
        assert_eq!(say(&mut conn, "SLOTHINT.MAP 0"), expected);
        assert_eq!(say(&mut conn, "SLOTHINT.MAP 9223372036854775807"), expected);
        let known = format!("SLOTHINT.MAP {}", map.token);
        assert_eq!(say(&mut conn, &known), null);
        let watched = format!("SLOTHINT.WATCH 0 {}", 1);
        assert_eq!(say(&mut conn, &watched), expected);
        conn.hello3();
    }
}

#[test]
fn the_token_changes_with_the_map_and_comes_back_with_it() {
    let cluster = afresh(2, 0).start();
    let node = &cluster.nodes[0];
    let other = cluster.id_of(&cluster.nodes[1]);
    let mut conn = node.raw();
    let first = agreed(&mut conn);
    // These do not change the map.
    for line in [
        "SET bar 1",
        "CONFIG SET maxmemory 100mb",
        "CONFIG SET cluster-announce-hostname unused.example",
        "CLUSTER BUMPEPOCH",
        &format!("CLUSTER SETSLOT 0 MIGRATING {other}"),
        "CLUSTER SETSLOT 0 STABLE",
        "CONFIG SET durable.slothint-max-age-ms 60000",
        "CONFIG SET durable.slothint-max-age-ms 0",
    ] {
        let reply = say(&mut conn, line);
        assert!(reply.starts_with('+'), "{line}: {reply}");
        assert_eq!(agreed(&mut conn), first, "{line}");
    }
    // These do.
    let mut tokens = vec![first.token];
    for (setting, value) in [
        ("cluster-announce-port", "7001"),
        ("cluster-announce-ip", "192.0.2.1"),
        ("cluster-preferred-endpoint-type", "hostname"),
        ("cluster-announce-hostname", "one.example"),
        ("cluster-announce-hostname", "two.example"),
        ("cluster-preferred-endpoint-type", "unknown-endpoint"),
    ] {
        set(node, setting, value);
        let map = agreed(&mut conn);
        assert!(map.token > 0);
        assert!(!tokens.contains(&map.token), "{setting} {value}");
        tokens.push(map.token);
    }
    // A hidden host name does not change the map.
    set(node, "cluster-announce-hostname", "three.example");
    assert_eq!(token(&mut conn), tokens[6]);
    // The old map again.
    set(node, "cluster-preferred-endpoint-type", "ip");
    set(node, "cluster-announce-port", "0");
    set(node, "cluster-announce-ip", "127.0.0.1");
    assert_eq!(agreed(&mut conn), first);
}

#[test]
fn alternating_slots_are_told_one_by_one() {
    let cluster = afresh(2, 0).start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    let odd: Vec<u16> = (0..8192).filter(|slot| slot % 2 == 1).collect();
    let even: Vec<u16> = (8192..16384).filter(|slot| slot % 2 == 0).collect();
    hand_over(&cluster, &odd, first, second);
    hand_over(&cluster, &even, second, first);
    let maps = [first, second].map(|node| {
        let mut conn = node.raw();
        let map = agreed(&mut conn);
        assert_eq!(map.slots.ranges.len(), 16384);
        redirections_agree(&mut conn, cluster.id_of(node));
        map
    });
    assert_eq!(maps[0], maps[1]);
}

#[test]
fn a_map_that_may_be_old_is_kept_until_it_may_not() {
    let cluster = alone("60000");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let before = map(&mut conn);
    rename(node, "second.example");
    // No request reads the topology again.
    assert_eq!(map(&mut conn), before);
    assert_eq!(map(&mut node.raw()), before);
    let hinted = hint(&mut conn, &["foo"]);
    let host = hinted.nodes[0].address.host.as_deref();
    assert_eq!((hinted.token, host), (before.token, Some("first.example")));
    assert_eq!(topology_reads(node), 1);
    set(node, "durable.slothint-max-age-ms", "0");
    let after = agreed(&mut conn);
    assert_ne!(after.token, before.token);
    assert_eq!(topology_reads(node), 2);
    set(node, "durable.slothint-max-age-ms", "60000");
    rename(node, "third.example");
    assert_eq!(map(&mut conn), after);
}

#[test]
fn the_slots_of_an_old_map_stay_with_their_owner_until_the_next_look() {
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| builder.module_args(&["slothint-max-age-ms", "60000"]))
        .start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    let slot_of_bar = cluster.slot_of("bar");
    let mut conn = second.raw();
    let owner = |conn: &mut RawConn| {
        let hint = hint(conn, &["bar"]);
        hint.nodes[hint.keys[0].1 as usize].address.id.clone()
    };
    assert_eq!(owner(&mut conn), cluster.id_of(first));
    hand_over(&cluster, &[slot_of_bar], first, second);
    assert_eq!(owner(&mut conn), cluster.id_of(first));
    set(second, "durable.slothint-max-age-ms", "0");
    assert_eq!(owner(&mut conn), cluster.id_of(second));
}

/// JavaScript and Lua store integers as doubles, which are exact up to 2^53.
#[test]
fn the_token_is_below_2_to_the_53_and_survives_a_script() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    let script = "local token = redis.call('SLOTHINT.MAP')[1]
        local watched = redis.call('SLOTHINT.WATCH', 0, 1)[1]
        local hinted = redis.call('SLOTHINT', 'k')[1]
        return {redis.call('SLOTHINT.MAP', token) == false, watched == token, hinted == token, token}";
    for name in ["one", "two", "three", "four"] {
        rename(node, name);
        let token = token(&mut conn);
        assert!((1..1 << 53).contains(&token), "{token}");
        assert_eq!(hint(&mut conn, &["k"]).token, token);
        assert_eq!(info(node, "slothint_token"), token);
        let watched = say(&mut conn, "SLOTHINT.WATCH 0 1");
        assert!(
            watched.starts_with(&format!("*3\r\n:{token}\r\n")),
            "{watched}"
        );
        conn.send(&["EVAL", script, "0"]);
        let kept = String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
        assert_eq!(kept, format!("*4\r\n:1\r\n:1\r\n:1\r\n:{token}\r\n"));
    }
}

#[test]
fn one_look_serves_all_that_ask_in_one_turn() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let mut conn = node.raw();
    token(&mut conn);
    let before = topology_reads(node);
    // One packet is one turn.
    conn.send_bytes(&packet(&["SLOTHINT foo"; 50]));
    for _ in 0..50 {
        conn.take();
    }
    assert_eq!(topology_reads(node), before + 1);
}

#[test]
fn nobody_looks_while_nobody_asks() {
    let cluster = alone("0");
    let node = &cluster.nodes[0];
    let_cron_run(node);
    assert_eq!(topology_reads(node), 0);
    token(&mut node.raw());
    let asked = topology_reads(node);
    rename(node, "second.example");
    let_cron_run(node);
    assert_eq!(topology_reads(node), asked);
    // INFO shows the token of the last reply.
    let known = info(node, "slothint_token");
    assert_ne!(token(&mut node.raw()), known);
}

#[test]
fn a_module_that_is_loaded_at_run_time_knows_the_map_at_once() {
    let cluster = Cluster::builder(2, 1)
        .node(|_, builder| builder.module(false))
        .start();
    let path = module_path().display().to_string();
    for node in &cluster.nodes {
        node.run::<()>(&["MODULE", "LOAD", &path, "slothint-max-age-ms", "0"]);
        let mut conn = node.raw();
        agreed(&mut conn);
        redirections_agree(&mut conn, cluster.id_of(node));
    }
    let [first, second, ..] = &cluster.nodes[..] else {
        panic!("the cluster does not have four nodes");
    };
    hand_over(&cluster, &[0, 1, 2], first, second);
    for node in &cluster.nodes {
        let mut conn = node.raw();
        agreed(&mut conn);
        redirections_agree(&mut conn, cluster.id_of(node));
    }
    unload_and_load_again(first);
    set(first, "durable.slothint-max-age-ms", "0");
    agreed(&mut first.raw());
}

#[test]
fn a_node_that_was_restarted_gives_the_token_it_gave_before() {
    let cluster = afresh(2, 0).start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    let before = agreed(&mut second.raw());
    first.restart();
    // It learns its own address from the other node.
    eventually("the restarted node to agree", || {
        agreed(&mut first.raw()) == before
    });
}
