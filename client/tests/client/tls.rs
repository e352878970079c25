//! The client over TLS: nodes that become known are connected to with the same settings, at their
//! TLS ports.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use redis_durable_client::{Client, ClientBuilder, Command, Error, Fill, Session};
use testkit::differences::KNOWS_TLS_PORTS_WITHOUT_TLS_CLUSTER;
use testkit::{eventually, Cluster, Tls};

use crate::support::{assert_own_values, keys, keys_of, set_to_themselves};

const NODES: usize = 6;

/// Settings that trust only the certificate of these servers.
fn trust(trusted: &Tls) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.certificate().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

fn builder(tls: &Tls, host: &str, number: usize, password: &str) -> ClientBuilder {
    let url = format!("rediss://user:{password}@{host}:{}", tls.port(number));
    Client::builder([url]).unwrap().tls(trust(tls))
}

/// A builder with long limits, for tests in which no connection may fail on a busy machine.
fn patient(tls: &Tls, host: &str, number: usize) -> ClientBuilder {
    with_long_limits(builder(tls, host, number, "secret"))
}

fn with_long_limits(builder: ClientBuilder) -> ClientBuilder {
    let patience = Duration::from_secs(60);
    builder
        .connect_timeout(patience)
        .response_timeout(Some(patience))
        .retry_for(patience)
}

#[track_caller]
fn assert_all_go_to_tls_ports(tls: &Tls, client: &Client, keys: &[String]) {
    for key in keys {
        let node = client.node_of(key).unwrap().to_string();
        let mut ports = (0..NODES).map(|number| tls.port(number));
        assert!(ports.any(|port| node.ends_with(&format!(":{port}"))));
    }
}

/// Three primaries with a replica each, every one with both kinds of port.
fn cluster(tls_cluster: bool) -> (Cluster, Rc<Tls>) {
    let tls = Rc::new(Tls::for_servers(NODES));
    let (configure, meet) = (Rc::clone(&tls), Rc::clone(&tls));
    let builder = Cluster::builder(3, 1).node(move |number, builder| {
        let builder = configure.configure(number, builder);
        let builder = builder.config("user", "user on >secret ~* &* +@all");
        match tls_cluster {
            true => builder
                .config("tls-cluster", "yes")
                .config("tls-replication", "yes"),
            false => builder,
        }
    });
    let builder = match tls_cluster {
        true => builder.meet_at(move |number, _| ("127.0.0.1".into(), meet.port(number))),
        false => builder,
    };
    (builder.start(), tls)
}

#[test]
fn hints_and_redirections_lead_to_tls_ports() {
    let (_cluster, tls) = cluster(true);
    for (hints, host) in [
        (true, "localhost"),
        (true, "127.0.0.1"),
        (false, "localhost"),
    ] {
        let client = patient(&tls, host, 0).hint_batches(hints).build();
        let keys = keys(2000);
        let mut session = client.session();
        set_to_themselves(&mut session, &keys);
        assert_own_values(&mut session, &keys);
        let stats = client.stats();
        assert_eq!(stats.moved == 0, hints, "{stats:?}");
        assert_eq!(stats.connection_failures, 0, "{stats:?}");
        assert_all_go_to_tls_ports(&tls, &client, &keys);
    }
}

#[test]
fn the_watch_and_a_failover_work_over_tls() {
    let (cluster, tls) = cluster(true);
    let client = patient(&tls, "127.0.0.1", 1).build();
    let watch = client.watch().unwrap();
    eventually("the map", || client.known_slots() == 16384);
    let mut session = client.session();
    assert!(matches!(session.prefill_all(), Ok(Fill::Filled(0))));
    let keys = keys(300);
    set_to_themselves(&mut session, &keys);
    let of_the_dead = keys_of(&cluster, &cluster.nodes[0], 1);
    set_to_themselves(&mut session, &of_the_dead);
    for primary in cluster.primaries() {
        assert_eq!(primary.run::<i64>(&["WAIT", "1", "0"]), 1);
    }
    cluster.notice_failures();
    cluster.nodes[0].kill();
    // This returns when the replica has been promoted. Other nodes may still name the node that is
    // gone, and the watch follows them.
    assert_own_values(&mut session, &of_the_dead);
    let gone = format!(":{}", tls.port(0));
    eventually(
        "the watch to bring a map without the node that is gone",
        || {
            let is_gone = |key: &String| client.node_of(key).unwrap().to_string().ends_with(&gone);
            !keys.iter().any(is_gone)
        },
    );
    let before = client.stats().moved;
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert_eq!(stats.moved, before, "{stats:?}");
    assert_all_go_to_tls_ports(&tls, &client, &keys);
    watch.stop();
}

/// Redis 7 breaks a TLS connection that is sent more before earlier replies have been read.
#[test]
fn a_batch_larger_than_what_sockets_and_tls_hold_is_answered_whole() {
    let (_cluster, tls) = cluster(true);
    let client = patient(&tls, "127.0.0.1", 0).build();
    let mut session = client.session();
    let filling = "x".repeat(20_000);
    let keys = keys(1000);
    let set_and_get = |key: &String| {
        let set = Command::set(key, format!("{key}#{filling}"));
        [set, Command::get(key)]
    };
    let commands: Vec<Command> = keys.iter().flat_map(set_and_get).collect();
    let results = session.batch(&commands);
    for (key, pair) in keys.iter().zip(results.chunks(2)) {
        let [set, get] = pair else {
            panic!("half a pair")
        };
        assert!(set.is_ok(), "{set:?}");
        let value: String = redis::from_redis_value(get.clone().unwrap()).unwrap();
        assert!(value.starts_with(&format!("{key}#x")));
    }
    let stats = client.stats();
    assert_eq!(stats.connection_failures, 0, "{stats:?}");
}

/// With `tls-cluster no`, Redis before 7.2 names plain ports even over TLS, so only the first node
/// can be used. All other servers name the TLS ports.
#[test]
fn without_tls_cluster_nodes_are_reached_where_the_server_names_tls_ports() {
    let (cluster, tls) = cluster(false);
    let client = builder(&tls, "127.0.0.1", 0, "secret")
        .retry_for(Duration::from_secs(3))
        .build();
    let keys = keys(100);
    let pairs = keys.iter().map(|key| (key, key));
    let results = client.session().set_many(pairs);
    if cluster.nodes[0].has(KNOWS_TLS_PORTS_WITHOUT_TLS_CLUSTER) {
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_all_go_to_tls_ports(&tls, &client, &keys);
        return;
    }
    let errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    assert!(!errors.is_empty());
    for error in errors {
        assert!(!error.may_have_been_executed(), "{error}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_at_once_and_nothing_is_sent() {
    let (_cluster, tls) = cluster(true);
    let stranger = Tls::for_servers(0);
    let client = builder(&tls, "127.0.0.1", 0, "secret");
    let client = with_long_limits(client.tls(trust(&stranger))).build();
    let error = client.session().run(&Command::set("k", "v")).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(!error.may_have_been_executed(), "{error}");
    assert_eq!(client.stats().retries, 0);
}

#[test]
fn a_wrong_password_over_tls_is_refused_at_once() {
    let (_cluster, tls) = cluster(true);
    let client = with_long_limits(builder(&tls, "127.0.0.1", 0, "wrong")).build();
    let error = client.session().run(&Command::set("k", "v")).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert_eq!(client.stats().retries, 0);
}

/// The kernel accepts the connection, and no server does the handshake.
#[test]
fn a_handshake_that_is_never_answered_ends() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://{}", silent.local_addr().unwrap());
    let client = Client::builder([url])
        .unwrap()
        .tls(trust(&Tls::for_servers(0)))
        .retry_for(Duration::from_millis(100))
        .connect_timeout(Duration::from_millis(300))
        .build();
    let error = client.session().run(&Command::get("k")).unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
    assert!(!error.may_have_been_executed(), "{error}");
}

#[test]
fn a_frozen_node_over_tls_is_replaced_by_its_promoted_replica() {
    let (cluster, tls) = cluster(true);
    let client = patient(&tls, "127.0.0.1", 1).build();
    let mut session = client.session();
    session.prefill_all().unwrap();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    for primary in cluster.primaries() {
        assert_eq!(primary.run::<i64>(&["WAIT", "1", "0"]), 1);
    }
    cluster.notice_failures();
    cluster.nodes[0].pause();
    // The handshake with the frozen node ends by the connect timeout, here the default one.
    let impatient = builder(&tls, "127.0.0.1", 1, "secret");
    let impatient = impatient.retry_for(Duration::from_secs(60)).build();
    let mut fresh: Session = impatient.session();
    assert_own_values(&mut fresh, &keys);
    assert!(impatient.stats().connection_failures > 0);
    cluster.nodes[0].resume();
}
