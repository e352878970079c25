//! Durable reads on replicas. In a cluster they get a MOVED to the primary, byte for byte like the
//! server's own, even after READONLY. Without cluster mode they get READONLY.

use std::rc::Rc;

use testkit::differences::ANNOUNCES_AN_ADDRESS_PER_FAMILY;
use testkit::{eventually, Cluster, RawConn, Server, Tls};

use crate::support::slots::{afresh, set, Talk};
use crate::support::{connect, get, has_ipv6, info, ipv6_cluster, key_of, say};

fn talk(conn: &mut impl Talk, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    conn.put(&testkit::encode_command(&words));
    String::from_utf8_lossy(&conn.take()).into_owned()
}

/// The server's MOVED for this key on this connection. Asserts that durable commands get the same,
/// after READWRITE and after READONLY.
#[track_caller]
fn moved(conn: &mut impl Talk, key: &str) -> String {
    assert_eq!(talk(conn, "READWRITE"), "+OK\r\n");
    let plain = talk(conn, &format!("GET {key}"));
    assert!(plain.starts_with("-MOVED "), "{plain}");
    for mode in ["READWRITE", "READONLY"] {
        assert_eq!(talk(conn, mode), "+OK\r\n");
        for line in [
            format!("DURABLE.GET {key}"),
            format!("DURABLE.GET {key} REPLICAS 0"),
            format!("DURABLE.SET {key} v"),
            format!("DURABLE.CALL GET {key}"),
            format!("DURABLE.CALL SET {key} v"),
        ] {
            assert_eq!(talk(conn, &line), plain, "{line} after {mode}");
        }
    }
    // After READONLY this replica serves the plain command, so the MOVED above were the module's.
    let served = talk(conn, &format!("GET {key}"));
    assert!(!served.starts_with('-'), "{served}");
    plain
}

#[test]
fn a_durable_read_is_moved_to_the_primary_even_after_readonly() {
    let cluster = afresh(2, 1).start();
    let key = key_of(&cluster, 0);
    let mut conn = cluster.nodes[2].raw();
    let slot = cluster.slot_of(&key);
    let port = cluster.nodes[0].port();
    let expected = format!("-MOVED {slot} 127.0.0.1:{port}\r\n");
    assert_eq!(moved(&mut conn, &key), expected);
    // For slots of the other primary the server itself redirects.
    let foreign = key_of(&cluster, 1);
    let plain = say(&mut conn, &format!("GET {foreign}"));
    assert_eq!(say(&mut conn, &format!("DURABLE.GET {foreign}")), plain);
    assert!(plain.starts_with("-MOVED "), "{plain}");
    assert_eq!(info(&cluster.nodes[2], "waiters_peak"), 0);
}

#[test]
fn it_is_moved_in_a_transaction_and_whatever_its_options_would_need() {
    let cluster = afresh(1, 1).start();
    let mut conn = cluster.nodes[1].raw();
    let plain = moved(&mut conn, "k");
    assert_eq!(say(&mut conn, "MULTI"), "+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.GET k"), "+QUEUED\r\n");
    assert_eq!(say(&mut conn, "EXEC"), format!("*1\r\n{plain}"));
    // The settings for REPLICAS ALL are checked on the primary, not here.
    assert_eq!(say(&mut conn, "DURABLE.GET k REPLICAS ALL"), plain);
    let bad = say(&mut conn, "DURABLE.GET k REPLICAS x");
    assert!(bad.starts_with("-ERR REPLICAS does not take 'x'"), "{bad}");
    // A script's call has no connection, so its kind (plain or TLS) is unknown.
    conn.send(&["EVAL_RO", "return redis.call('DURABLE.GET', 'k')", "1", "k"]);
    let called = String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
    let readonly = "-READONLY DURABLE.GET needs a primary, this is a replica";
    assert!(called.starts_with(readonly), "{called}");
}

#[test]
fn commands_without_a_key_are_told_readonly_in_a_cluster_too() {
    let cluster = afresh(1, 1).start();
    let mut conn = cluster.nodes[1].raw();
    for mode in ["READWRITE", "READONLY"] {
        say(&mut conn, mode);
        for name in ["DURABLE.WAIT", "DURABLE.REPLICAS"] {
            let refused = format!("-READONLY {name} needs a primary, this is a replica\r\n");
            assert_eq!(say(&mut conn, name), refused);
        }
        let plain = say(&mut conn, "FLUSHALL");
        assert!(plain.starts_with("-READONLY "), "{plain}");
        for line in ["DURABLE.CALL FLUSHALL", "DURABLE.CALL DBSIZE"] {
            assert_eq!(say(&mut conn, line), plain, "{line}");
        }
    }
}

#[test]
fn the_host_is_what_the_preferred_endpoint_type_makes_of_it() {
    let cluster = afresh(2, 1).start();
    let key = key_of(&cluster, 0);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[2]);
    let mut conn = replica.raw();
    let slot = cluster.slot_of(&key);
    let expected = |host: &str| format!("-MOVED {slot} {host}:{}\r\n", primary.port());
    set(replica, "cluster-preferred-endpoint-type", "hostname");
    assert_eq!(moved(&mut conn, &key), expected("?"));
    set(primary, "cluster-announce-hostname", "one.example");
    let get = format!("GET {key}");
    say(&mut conn, "READWRITE");
    eventually("the name to reach the replica", || {
        say(&mut conn, &get) == expected("one.example")
    });
    assert_eq!(moved(&mut conn, &key), expected("one.example"));
    set(
        replica,
        "cluster-preferred-endpoint-type",
        "unknown-endpoint",
    );
    assert_eq!(moved(&mut conn, &key), expected(""));
    set(replica, "cluster-preferred-endpoint-type", "ip");
    assert_eq!(moved(&mut conn, &key), expected("127.0.0.1"));
}

#[test]
fn an_ipv6_host_is_written_as_the_server_writes_it() {
    if !has_ipv6() {
        return;
    }
    let cluster = ipv6_cluster(1, 1);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[1]);
    let mut v4 = replica.raw();
    let mut v6 = RawConn::connect(&format!("[::1]:{}", replica.port()));
    let expected = format!("-MOVED 7629 ::1:{}\r\n", primary.port());
    for conn in [&mut v4, &mut v6] {
        assert_eq!(moved(conn, "k"), expected);
    }
    // Valkey can announce different addresses to IPv4 and IPv6 clients.
    if primary.has(ANNOUNCES_AN_ADDRESS_PER_FAMILY) {
        set(primary, "cluster-announce-client-ipv4", "192.0.2.4");
        set(primary, "cluster-announce-client-ipv6", "2001:db8::4");
        say(&mut v4, "READWRITE");
        say(&mut v6, "READWRITE");
        eventually("the announcement to arrive", || {
            say(&mut v4, "GET k").contains(" 192.0.2.4:")
                && say(&mut v6, "GET k").contains(" 2001:db8::4:")
        });
        for _ in 0..2 {
            moved(&mut v4, "k");
            moved(&mut v6, "k");
        }
    }
}

#[test]
fn each_kind_of_connection_is_told_its_port() {
    let tls = Rc::new(Tls::for_servers(2));
    let (configure, meet) = (Rc::clone(&tls), Rc::clone(&tls));
    let cluster = Cluster::builder(1, 1)
        .node(move |number, builder| {
            let builder = builder.module_args(&["slothint-max-age-ms", "0"]);
            let builder = configure.configure(number, builder);
            builder
                .config("tls-cluster", "yes")
                .config("tls-replication", "yes")
        })
        .meet_at(move |number, _| ("127.0.0.1".into(), meet.port(number)))
        .start();
    let mut plain = cluster.nodes[1].raw();
    let mut encrypted = connect(&tls, 1);
    for _ in 0..2 {
        let port = cluster.nodes[0].port();
        assert_eq!(
            moved(&mut plain, "k"),
            format!("-MOVED 7629 127.0.0.1:{port}\r\n")
        );
        let port = tls.port(0);
        assert_eq!(
            moved(&mut encrypted, "k"),
            format!("-MOVED 7629 127.0.0.1:{port}\r\n")
        );
    }
}

/// With an old slot map a client would be sent to the former owner of the slot.
#[test]
fn the_age_of_the_map_does_not_send_a_client_to_the_former_owner() {
    let cluster = Cluster::builder(2, 1)
        .node(|_, builder| builder.module_args(&["slothint-max-age-ms", "60000"]))
        .start();
    let key = key_of(&cluster, 0);
    let slot = cluster.slot_of(&key).to_string();
    let target = &cluster.nodes[1];
    let mut conn = cluster.nodes[3].raw();
    // From now on the map is cached.
    assert!(say(&mut conn, &format!("SLOTHINT {key}")).starts_with('*'));
    for node in [target, &cluster.nodes[0]] {
        node.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", cluster.id_of(target)]);
    }
    let expected = format!("-MOVED {slot} 127.0.0.1:{}\r\n", target.port());
    eventually("the replica to learn of the moved slot", || {
        say(&mut conn, "READWRITE");
        say(&mut conn, &format!("GET {key}")) == expected
    });
    assert_eq!(moved(&mut conn, &key), expected);
}

#[test]
fn outside_a_cluster_a_replica_says_that_it_is_one() {
    let primary = Server::builder().start();
    let replica = Server::builder().start();
    replica.replica_of(&primary);
    primary.run::<()>(&["SET", "k", "v"]);
    eventually("the replica to have the key", || {
        get(&replica, "k").as_deref() == Some("v")
    });
    let mut conn = replica.raw();
    for (line, name) in [
        ("DURABLE.GET k", "DURABLE.GET"),
        ("DURABLE.GET k REPLICAS 0", "DURABLE.GET"),
        ("DURABLE.WAIT", "DURABLE.WAIT"),
        ("DURABLE.REPLICAS", "DURABLE.REPLICAS"),
    ] {
        let refused = format!("-READONLY {name} needs a primary, this is a replica\r\n");
        assert_eq!(say(&mut conn, line), refused, "{line}");
    }
}
