//! Slot hints on servers that listen for TLS and plain connections: each kind of connection gets
//! its own ports.

use std::rc::Rc;

use testkit::differences::KNOWS_TLS_PORTS_WITHOUT_TLS_CLUSTER;
use testkit::{eventually, Cluster, Tls};

use crate::support::slots::{
    agreed, map, read, read_map, redirections_agree, set, token, wait_for_blocked, Map, Talk,
};
use crate::support::{connect, TlsConn};

const NODES: usize = 4;

/// Two primaries with a replica each.
fn cluster(tls_cluster: bool) -> (Cluster, Rc<Tls>) {
    let tls = Rc::new(Tls::for_servers(NODES));
    let (configure, meet) = (Rc::clone(&tls), Rc::clone(&tls));
    let builder = Cluster::builder(2, 1).node(move |number, builder| {
        let builder = builder.module_args(&["slothint-max-age-ms", "0"]);
        let builder = configure.configure(number, builder);
        if tls_cluster {
            builder
                .config("tls-cluster", "yes")
                .config("tls-replication", "yes")
        } else {
            builder
        }
    });
    let cluster = if tls_cluster {
        builder.meet_at(move |number, _| ("127.0.0.1".into(), meet.port(number)))
    } else {
        builder
    };
    (cluster.start(), tls)
}

fn ports(map: &Map) -> Vec<u16> {
    let nodes = map.slots.nodes.iter();
    let mut ports: Vec<u16> = nodes
        .flat_map(|node| std::iter::once(&node.address).chain(&node.replicas))
        .map(|address| address.port)
        .collect();
    ports.sort();
    ports
}

fn plain_ports(cluster: &Cluster) -> Vec<u16> {
    let mut ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port()).collect();
    ports.sort();
    ports
}

fn tls_ports(tls: &Tls) -> Vec<u16> {
    let mut ports: Vec<u16> = (0..NODES).map(|number| tls.port(number)).collect();
    ports.sort();
    ports
}

#[test]
fn with_an_encrypted_bus_each_kind_of_connection_is_told_its_ports() {
    let (cluster, tls) = cluster(true);
    for (number, node) in cluster.nodes.iter().enumerate() {
        let id = cluster.id_of(node);
        let (mut plain, mut encrypted) = (node.raw(), connect(&tls, number));
        // In turns: one kind's answer does not depend on the other's.
        for _ in 0..3 {
            assert_eq!(ports(&agreed(&mut plain)), plain_ports(&cluster));
            assert_eq!(ports(&agreed(&mut encrypted)), tls_ports(&tls));
        }
        redirections_agree(&mut plain, id);
        redirections_agree(&mut encrypted, id);
    }
    one_token_for_each_kind(&cluster, &tls, true);
}

#[test]
fn with_a_plain_bus_each_kind_of_connection_is_told_what_the_server_knows() {
    let (cluster, tls) = cluster(false);
    let knows_both = cluster.nodes[0].has(KNOWS_TLS_PORTS_WITHOUT_TLS_CLUSTER);
    let expected = if knows_both {
        tls_ports(&tls)
    } else {
        plain_ports(&cluster)
    };
    for (number, node) in cluster.nodes.iter().enumerate() {
        let id = cluster.id_of(node);
        let (mut plain, mut encrypted) = (node.raw(), connect(&tls, number));
        for _ in 0..3 {
            assert_eq!(ports(&agreed(&mut plain)), plain_ports(&cluster));
            assert_eq!(ports(&agreed(&mut encrypted)), expected);
        }
        redirections_agree(&mut plain, id);
        redirections_agree(&mut encrypted, id);
    }
    one_token_for_each_kind(&cluster, &tls, knows_both);
}

#[track_caller]
fn one_token_for_each_kind(cluster: &Cluster, tls: &Tls, two: bool) {
    eventually("all nodes to agree", || {
        let plain = token(&mut cluster.nodes[0].raw());
        let encrypted = token(&mut connect(tls, 0));
        assert_eq!(plain != encrypted, two);
        cluster.nodes.iter().enumerate().all(|(number, node)| {
            (token(&mut node.raw()), token(&mut connect(tls, number))) == (plain, encrypted)
        })
    });
}

#[test]
fn a_transaction_is_told_the_same_as_its_connection_and_a_script_is_answered() {
    let (cluster, tls) = cluster(true);
    let mut encrypted = connect(&tls, 0);
    let direct = encrypted.line("SLOTHINT.MAP");
    encrypted.line("MULTI");
    encrypted.line("SLOTHINT.MAP");
    encrypted.line("SLOTHINT foo bar");
    let in_transaction = encrypted.line("EXEC");
    let hints = encrypted.line("SLOTHINT foo bar");
    let expected = testkit::redis::Value::Array(vec![direct, hints]);
    assert_eq!(in_transaction, expected);
    // Scripts have no connection, so they may get the plain ports.
    let script = "return redis.call('SLOTHINT', 'foo')[3][1][1]";
    let slot = encrypted.ask(&["EVAL", script, "0"]);
    assert_eq!(slot, testkit::redis::Value::Int(12182));
    assert!(cluster.nodes[0].is_alive());
}

#[test]
fn watchers_of_both_kinds_are_woken_by_one_change_each_with_its_map() {
    let (cluster, tls) = cluster(true);
    let node = &cluster.nodes[0];
    let (mut plain, mut encrypted) = (node.raw(), connect(&tls, 0));
    let (first, second) = (token(&mut plain), token(&mut encrypted));
    plain.line("PING");
    watch(&mut plain, first);
    watch(&mut encrypted, second);
    wait_for_blocked(node, 2);
    set(node, "cluster-preferred-endpoint-type", "unknown-endpoint");
    let woken = read_map(&read(&plain.take()));
    assert_eq!(ports(&woken), plain_ports(&cluster));
    assert_eq!(woken, map(&mut plain));
    let woken = read_map(&read(&encrypted.take()));
    assert_eq!(ports(&woken), tls_ports(&tls));
    assert_eq!(woken, map(&mut encrypted));
    // The token of the other kind is a different one, so the watch is answered at once.
    let plain_token = token(&mut plain);
    watch(&mut encrypted, plain_token);
    assert_eq!(read_map(&read(&encrypted.take())), woken);
}

fn watch(conn: &mut impl Talk, token: i64) {
    conn.put(&testkit::encode_command(&[
        "SLOTHINT.WATCH",
        &token.to_string(),
        "0",
    ]));
}

#[test]
fn a_change_that_only_one_kind_can_see_wakes_that_kind_alone() {
    let (cluster, tls) = cluster(true);
    let node = &cluster.nodes[0];
    let mut plain = node.raw();
    let mut encrypted: TlsConn = connect(&tls, 0);
    // Redis 7.0 loses its plain port if only another TLS port is announced.
    set(node, "cluster-announce-port", &node.port().to_string());
    set(node, "cluster-announce-tls-port", &tls.port(0).to_string());
    watch_current(&mut plain);
    watch_current(&mut encrypted);
    wait_for_blocked(node, 2);
    set(node, "cluster-announce-tls-port", "7777");
    let woken = read_map(&read(&encrypted.take()));
    assert!(ports(&woken).contains(&7777));
    assert!(!plain.is_readable_now());
    wait_for_blocked(node, 1);
    set(node, "cluster-announce-port", "7778");
    let woken = read_map(&read(&plain.take()));
    assert!(ports(&woken).contains(&7778));
}

fn watch_current(conn: &mut impl Talk) {
    let current = token(conn);
    watch(conn, current);
}
