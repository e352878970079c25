//! Fences: `DURABLE.WAIT` covers what its own server has executed, and nothing else.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error, Session};
use testkit::{eventually, Cluster, Server};

use crate::support::{calls, client_of, fail_over, goes_to, keys_of, promote};

fn fence(key: &str, options: &[&str]) -> Command {
    Command::new("DURABLE.WAIT").routed_by(key).arg(options)
}

#[track_caller]
fn assert_unknown(client: &Client, result: Result<redis::Value, Error>) {
    let error = result.expect_err("no answer that could be meant for another server's writes");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert!(error.may_have_been_executed());
    assert!(client.stats().outcome_unknown >= 1);
}

/// Three shards with two replicas each, a key of the first, and a client that knows all slots.
fn cluster() -> (Cluster, String, Client, Session) {
    let cluster = Cluster::start(3, 2);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let address = format!("redis://{}", cluster.nodes[1].addr());
    let client = Client::builder([address])
        .unwrap()
        .response_timeout(Some(Duration::from_secs(30)))
        .build();
    let mut session = client.session();
    session.prefill_all().unwrap();
    (cluster, key, client, session)
}

/// Runs a fence on another thread and calls `meanwhile` when the server waits for the replicas.
fn while_it_waits(
    client: &Client,
    primary: &Server,
    fence: &Command,
    meanwhile: impl FnOnce(),
) -> Result<redis::Value, Error> {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.session().run(fence));
        eventually("the fence to wait", || {
            primary.info_number("clients", "blocked_clients") == 1
        });
        meanwhile();
        waiting.join().expect("a result")
    })
}

#[test]
fn a_fence_whose_primary_dies_is_not_answered_by_the_next_one() {
    let (cluster, key, client, mut session) = cluster();
    let (primary, replicas) = (&cluster.nodes[0], [&cluster.nodes[3], &cluster.nodes[6]]);
    cluster.notice_failures();
    replicas.iter().for_each(|replica| replica.pause());
    // Larger than what sockets hold, so that no replica gets it.
    let large = "x".repeat(32 << 20);
    session.run(&Command::set(&key, &large)).unwrap();
    let fence = fence(&key, &["REPLICAS", "1", "TIMEOUT", "0"]).repeatable();
    let result = while_it_waits(&client, primary, &fence, || {
        primary.kill();
        replicas.iter().for_each(|replica| replica.resume());
    });
    assert_unknown(&client, result);
    let value: Option<Vec<u8>> = client.session().query(&Command::get(&key)).unwrap();
    assert_eq!(value, None, "the write is lost, as the fence did not deny");
}

#[test]
fn a_fence_whose_primary_is_demoted_is_not_answered_by_the_next_one() {
    let (cluster, key, client, mut session) = cluster();
    let primary = &cluster.nodes[0];
    cluster.nodes[6].pause();
    session.run(&Command::set(&key, "v")).unwrap();
    let fence = fence(&key, &["REPLICAS", "2", "TIMEOUT", "0"]);
    let result = while_it_waits(&client, primary, &fence, || fail_over(&cluster.nodes[3]));
    cluster.nodes[6].resume();
    assert_unknown(&client, result);
    assert_eq!(client.stats().retries, 0);
}

#[test]
fn a_fence_after_a_failover_does_not_cover_writes_before_it() {
    let (cluster, key, client, mut session) = cluster();
    session.run(&Command::set(&key, "v")).unwrap();
    promote(&cluster, &cluster.nodes[3]);
    // The map of a server may be out of date for a moment.
    eventually("the new map", || {
        session.prefill_all().unwrap();
        goes_to(&client, &key, &cluster.nodes[3])
    });
    let one = fence(&key, &["REPLICAS", "1", "TIMEOUT", "0"]);
    assert_unknown(&client, session.run(&one));
    // The next fence covers a write to the new primary. So does one of another session, which has
    // no writes of its own.
    session.run(&Command::set(&key, "w")).unwrap();
    assert!(session.query::<i64>(&one).unwrap() >= 1);
    assert!(client.session().query::<i64>(&one).unwrap() >= 1);
}

#[test]
fn a_fence_on_another_connection_than_the_write_before_it_is_not_sent() {
    let cluster = Cluster::start(2, 1);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let client = Client::builder([format!("redis://{}", cluster.nodes[0].addr())])
        .unwrap()
        .check_idle(Duration::ZERO)
        .build();
    let mut session = client.session();
    session.run(&Command::set(&key, "v")).unwrap();
    cluster.nodes[0].run::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    let fence = fence(&key, &["TIMEOUT", "0"]);
    assert_unknown(&client, session.run(&fence));
    assert_eq!(calls(&cluster.nodes[0], "durable.wait"), 0);
    let both = [Command::set(&key, "w"), fence];
    assert!(session.batch(&both).iter().all(Result::is_ok));
}

#[test]
fn a_fence_behind_a_write_that_is_redirected_goes_to_the_same_node() {
    let cluster = Cluster::start(2, 1);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let key = keys_of(&cluster, from, 1).remove(0);
    let client = client_of(from);
    let mut session = client.session();
    session.prefill_all().unwrap();
    let slot = cluster.slot_of(&key).to_string();
    for node in [to, from] {
        node.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", cluster.id_of(to)]);
    }
    // The right node's replica acknowledges nothing, the wrong node's replica everything.
    cluster.nodes[3].pause();
    let both = [
        Command::set(&key, "v"),
        fence(&key, &["REPLICAS", "1", "TIMEOUT", "200"]),
    ];
    let mut results = session.batch(&both);
    let fence = results.pop().unwrap();
    cluster.nodes[3].resume();
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(fence.unwrap_err().code(), Some("UNACKED"));
    assert_eq!(client.stats().moved, 1);
}

#[test]
fn a_fence_for_a_slot_that_is_not_known_asks_for_it_or_is_refused() {
    let cluster = Cluster::start(2, 1);
    let key = keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    let fence = fence(&key, &["TIMEOUT", "0"]);
    let client = client_of(&cluster.nodes[0]);
    assert_eq!(client.session().query::<i64>(&fence).unwrap(), 1);
    assert_eq!(calls(&cluster.nodes[0], "durable.wait"), 0);
    assert_eq!(calls(&cluster.nodes[1], "durable.wait"), 1);

    let lone = Server::builder().start();
    let mut session = client_of(&lone).session();
    let error = session.run(&fence).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(calls(&lone, "durable.wait"), 0);
}

#[test]
fn the_servers_own_fences_are_refused_since_they_count_for_one_connection() {
    let server = Server::builder().start();
    let mut session = client_of(&server).session();
    for name in ["WAIT", "WAITAOF"] {
        let error = session.run(&Command::new(name).arg(1).arg(0)).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
        assert!(error.to_string().contains("DURABLE.WAIT"), "{error}");
    }
}
