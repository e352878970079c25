//! Commands that name no key and are routed by one: they go to the primary of the slot or to no
//! node, because no server would redirect them.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::{Cluster, Role, Server};

use crate::support::{calls, client_of, goes_to, keys, keys_of, set_to_themselves};

fn flush(key: &str) -> Command {
    Command::new("FLUSHALL").routed_by(key)
}

fn size(server: &Server) -> i64 {
    server.run(&["DBSIZE"])
}

/// A client that soon gives up a node, and tries nothing twice.
fn impatient(server: &Server) -> Client {
    Client::builder([format!("redis://{}", server.addr())])
        .unwrap()
        .response_timeout(Some(Duration::from_millis(200)))
        .retry_for(Duration::ZERO)
        .build()
}

#[test]
fn a_shard_whose_primary_is_dead_is_not_flushed_at_another_one() {
    let cluster = Cluster::builder(3, 0)
        .node(|_, builder| builder.config("cluster-require-full-coverage", "no"))
        .start();
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let client = impatient(&cluster.nodes[1]);
    let mut session = client.session();
    session.prefill_all().unwrap();
    set_to_themselves(&mut session, &keys(300));
    let others = [&cluster.nodes[1], &cluster.nodes[2]];
    let before = others.map(size);
    cluster.nodes[0].kill();
    // The first flush meets a broken connection, the second a refused one. The third meets a node
    // that is known to be down.
    session.run(&flush(&key)).unwrap_err();
    for _ in 0..2 {
        let error = client.session().run(&flush(&key)).unwrap_err();
        assert!(matches!(error, Error::GaveUp { .. }), "{error}");
    }
    assert_eq!(others.map(size), before);
    assert!(before.iter().all(|size| *size > 0));
}

#[test]
fn a_shard_whose_primary_was_replaced_is_flushed_at_the_new_one_only() {
    let cluster = Cluster::start(3, 1);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let client = client_of(&cluster.nodes[1]);
    let mut session = client.session();
    session.prefill_all().unwrap();
    set_to_themselves(&mut session, &keys(300));
    cluster.nodes[0].run::<i64>(&["WAIT", "1", "0"]);
    let others = [&cluster.nodes[1], &cluster.nodes[2]];
    let before = others.map(size);
    assert!(size(&cluster.nodes[3]) > 0);
    cluster.notice_failures();
    cluster.nodes[0].kill();
    client.session().run(&flush(&key)).unwrap();
    assert_eq!(cluster.nodes[3].role(), Role::Primary);
    assert_eq!(size(&cluster.nodes[3]), 0);
    assert_eq!(others.map(size), before);
}

#[test]
fn a_primary_that_was_silent_is_asked_again_and_no_replica_or_other_primary_in_its_place() {
    let cluster = Cluster::start(3, 1);
    let primary = &cluster.nodes[0];
    let key = keys_of(&cluster, primary, 1).remove(0);
    let client = impatient(&cluster.nodes[1]);
    let mut session = client.session();
    session.prefill_all().unwrap();
    primary.pause();
    client.session().run(&Command::get(&key)).unwrap_err();
    primary.resume();
    assert!(goes_to(&client, &key, primary));
    let port = Command::new("CONFIG")
        .arg("GET")
        .arg("port")
        .routed_by(&key);
    let port: Vec<String> = session.query(&port).unwrap();
    assert_eq!(port[1], primary.port().to_string());
}

#[test]
fn a_slot_that_is_not_known_is_asked_for_or_the_command_is_refused() {
    let cluster = Cluster::start(2, 0);
    let key = keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    let client = client_of(&cluster.nodes[0]);
    client.session().run(&flush(&key)).unwrap();
    let flushes = [0, 1].map(|node: usize| calls(&cluster.nodes[node], "flushall"));
    assert_eq!(flushes, [0, 1]);

    let lone = Server::builder().start();
    let error = client_of(&lone).session().run(&flush(&key)).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(calls(&lone, "flushall"), 0);
}
