//! How nodes are reached: with a password, over a Unix socket, behind NAT, under names that servers
//! do not know.

use redis_durable_client::{Client, Command, Error};
use testkit::{eventually, Cluster};

use crate::support::{assert_own_values, client_of, keys, set_to_themselves};

#[test]
fn user_and_password_go_to_every_node() {
    let cluster = Cluster::start(3, 0);
    for node in &cluster.nodes {
        node.run::<()>(&[
            "ACL",
            "SETUSER",
            "app",
            "on",
            ">open sesame",
            "~*",
            "&*",
            "+@all",
        ]);
        node.run::<()>(&["ACL", "SETUSER", "default", "off"]);
    }
    let address = cluster.nodes[0].addr();
    let client = Client::open([format!("redis://app:open%20sesame@{address}")]).unwrap();
    let mut session = client.session();
    let keys = keys(200);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    assert_eq!((client.stats().connections, client.stats().moved), (3, 0));

    let wrong = Client::open([format!("redis://app:wrong@{address}")]).unwrap();
    let error = wrong.session().run(&Command::set("k", "v")).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(!error.may_have_been_executed());
}

#[test]
fn a_unix_socket_leads_to_the_other_nodes() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.config("unixsocket", "server.sock"))
        .start();
    let socket = cluster.nodes[0].dir().join("server.sock");
    let client = Client::open([format!("unix://{}", socket.display())]).unwrap();
    let mut session = client.session();
    let keys = keys(200);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().moved, 0);
}

/// Both hints and, without them, MOVED have to lead to the right nodes.
fn assert_usable(client: &Client) {
    let mut session = client.session();
    let keys = keys(200);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
}

fn builder(cluster: &Cluster) -> redis_durable_client::ClientBuilder {
    Client::builder([format!("redis://{}", cluster.nodes[0].addr())]).unwrap()
}

#[test]
fn a_host_that_is_nil_is_the_one_the_client_is_connected_to() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.config("cluster-preferred-endpoint-type", "unknown-endpoint"))
        .start();
    let client = builder(&cluster).build();
    assert_usable(&client);
    assert_eq!((client.stats().moved, client.stats().connections), (0, 3));
    let client = builder(&cluster).hint_batches(false).build();
    assert_usable(&client);
    assert!(client.stats().moved > 0);
    assert_eq!(client.stats().connections, 3);
    let client = client_of(&cluster.nodes[0]);
    client.session().prefill_all().unwrap();
    assert_eq!(client.known_slots(), 16384);
}

#[test]
fn a_missing_host_name_is_the_host_the_client_is_connected_to() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.config("cluster-preferred-endpoint-type", "hostname"))
        .start();
    let client = builder(&cluster).build();
    assert_usable(&client);
    assert_eq!(client.stats().moved, 0);
    assert_usable(&builder(&cluster).hint_batches(false).build());
}

#[test]
fn over_ipv6_the_unknown_host_is_the_ipv6_address() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| {
            builder
                .config("bind", "127.0.0.1 -::1")
                .config("cluster-preferred-endpoint-type", "unknown-endpoint")
        })
        .start();
    let address = format!("[::1]:{}", cluster.nodes[0].port());
    if std::net::TcpStream::connect(&address).is_err() {
        eprintln!("this machine has no IPv6 loopback: nothing tested");
        return;
    }
    for hints in [true, false] {
        let client = Client::builder([format!("redis://{address}")])
            .unwrap()
            .hint_batches(hints)
            .build();
        assert_usable(&client);
        let node = client.node_of(&keys(1)[0]).unwrap().to_string();
        assert!(node.starts_with("[::1]:"), "{node}");
    }
}

#[test]
fn an_address_map_leads_through_nat() {
    let cluster = Cluster::builder(3, 0)
        .node(|number, builder| {
            builder
                .config("cluster-preferred-endpoint-type", "hostname")
                .config(
                    "cluster-announce-hostname",
                    &format!("node-{number}.invalid"),
                )
        })
        .start();
    // Ports on which no server listens, as behind a port mapping.
    for (number, node) in (1..).zip(&cluster.nodes) {
        node.run::<()>(&[
            "CONFIG",
            "SET",
            "cluster-announce-port",
            &number.to_string(),
        ]);
    }
    let announced = |node: &testkit::Server| {
        let text = node.run::<String>(&["CLUSTER", "NODES"]);
        (1..=3).all(|port| text.contains(&format!(":{port}@")))
            && (0..3).all(|number| text.contains(&format!("node-{number}.invalid")))
    };
    eventually("the announced addresses to be known", || {
        cluster.nodes.iter().all(announced)
    });
    let ports: Vec<u16> = cluster.nodes.iter().map(testkit::Server::port).collect();
    for hints in [true, false] {
        let ports = ports.clone();
        let map = move |host: &str, port: u16| {
            assert_eq!(host, format!("node-{}.invalid", port - 1));
            ("127.0.0.1".to_string(), ports[usize::from(port) - 1])
        };
        let client = builder(&cluster)
            .address_map(map)
            .hint_batches(hints)
            .build();
        assert_usable(&client);
        assert_eq!(client.stats().moved == 0, hints);
        assert_eq!(
            client.stats().connections,
            3,
            "the node that was named is one of them"
        );
    }
}

#[test]
fn resp3_is_spoken_where_it_is_asked_for() {
    let cluster = Cluster::start(3, 0);
    let client = Client::open([format!(
        "redis://{}/?protocol=resp3",
        cluster.nodes[0].addr()
    )])
    .unwrap();
    let _watch = client.watch().unwrap();
    assert_usable(&client);
    let mut session = client.session();
    session
        .run(&Command::new("HSET").key("h").arg(&["f", "v"]))
        .unwrap();
    let all = session.run(&Command::new("HGETALL").key("h")).unwrap();
    assert!(matches!(all, redis::Value::Map(_)), "{all:?}");
}
