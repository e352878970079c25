//! Batches: the order of the results, an error for each command, and writes that are sent once.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::{eventually, Cluster};

use crate::support::{client_of, hang_up, keys, keys_of, set_to_themselves};

#[test]
fn results_come_in_the_order_of_the_commands_also_after_redirections() {
    let cluster = Cluster::start(3, 0);
    let address = format!("redis://{}", cluster.nodes[2].addr());
    let client = Client::builder([address])
        .unwrap()
        .hint_batches(false)
        .build();
    let mut session = client.session();
    let keys = keys(2000);
    set_to_themselves(&mut session, &keys);
    let echo: Vec<Command> = keys
        .iter()
        .map(|key| {
            Command::new("INCRBY")
                .key(format!("n:{key}"))
                .arg(key.len())
        })
        .collect();
    for (key, result) in keys.iter().zip(session.batch(&echo)) {
        let number: usize = redis::from_redis_value(result.unwrap()).unwrap();
        assert_eq!(number, key.len(), "executed once, and not for another key");
    }
    assert!(
        client.stats().moved > 1000,
        "two thirds were not at the default node"
    );
}

#[test]
fn commands_of_one_key_are_executed_in_order() {
    let cluster = Cluster::start(3, 0);
    let address = format!("redis://{}", cluster.nodes[0].addr());
    let client = Client::builder([address])
        .unwrap()
        .hint_batches(false)
        .build();
    let appends: Vec<Command> = (0..200)
        .flat_map(|letter| keys(5).into_iter().map(move |key| (key, letter)))
        .map(|(key, letter)| Command::new("APPEND").key(key).arg(format!("{letter},")))
        .collect();
    let mut session = client.session();
    assert!(session.batch(&appends).iter().all(Result::is_ok));
    let expected: String = (0..200).map(|letter| format!("{letter},")).collect();
    for key in keys(5) {
        let value: String = session.query(&Command::get(&key)).unwrap();
        assert_eq!(value, expected, "{key}");
    }
}

#[test]
fn an_error_is_that_of_one_command_and_no_other() {
    let cluster = Cluster::start(3, 0);
    let mut session = client_of(&cluster.nodes[0]).session();
    let commands = [
        Command::set("a", "1"),
        Command::new("LPUSH").key("a").arg("x"),
        Command::new("MGET").key("a").key("b"),
        Command::new("MULTI"),
        Command::new("NOSUCH").key("c"),
        Command::get("a"),
    ];
    let results = session.batch(&commands);
    let code = |at: usize| match &results[at] {
        Err(error) => error.code().unwrap_or("no code").to_string(),
        Ok(_) => "ok".to_string(),
    };
    let codes: Vec<String> = (0..6).map(code).collect();
    assert_eq!(
        codes,
        ["ok", "WRONGTYPE", "CROSSSLOT", "no code", "ERR", "ok"]
    );
    assert!(matches!(results[3], Err(Error::Refused(_))));
    for result in &results[1..4] {
        let error = result.as_ref().unwrap_err();
        assert!(!error.may_have_been_executed(), "{error}");
    }
}

#[test]
fn a_redirection_is_remembered_also_where_the_command_then_fails() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let key = crate::support::keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    cluster.nodes[1].run::<()>(&["SET", &key, "no list"]);
    let push = Command::new("LPUSH").key(&key).arg("x");
    let error = client.session().run(&push).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let node = client.node_of(&key).map(|node| node.to_string());
    assert_eq!(node, Some(cluster.nodes[1].addr()));
}

#[test]
fn a_pipeline_larger_than_one_round_arrives_whole() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let many = 25_000;
    let commands = vec![Command::new("INCR").key("one key"); many];
    let results = session.batch(&commands);
    for (number, result) in (1..).zip(results) {
        let counted: usize = redis::from_redis_value(result.unwrap()).unwrap();
        assert_eq!(counted, number);
    }
    let large = "x".repeat(6 << 20);
    let sets: Vec<Command> = (0..8)
        .map(|n| Command::set(format!("{{t}}{n}"), &large))
        .collect();
    assert!(session.batch(&sets).iter().all(Result::is_ok));
    let values = session.get_many((0..8).map(|n| format!("{{t}}{n}")));
    assert!(values
        .iter()
        .all(|value| value.as_ref().unwrap().as_ref().unwrap().len() == large.len()));
    assert_eq!(client.stats().commands, many as u64 + 16);
}

#[test]
fn a_write_without_a_reply_is_not_sent_again_and_its_outcome_is_unknown() {
    let cluster = Cluster::start(2, 0);
    let addresses: Vec<String> = cluster
        .nodes
        .iter()
        .map(|node| format!("redis://{}", node.addr()))
        .collect();
    let client = Client::builder(addresses)
        .unwrap()
        .response_timeout(Some(Duration::from_millis(300)))
        .build();
    let mut session = client.session();
    session.prefill_all().unwrap();
    let key = keys(1).remove(0);
    let owner = cluster.owner_of_key(&key);
    session.run(&Command::set(&key, 1)).unwrap();
    owner.pause();
    let incr = [
        Command::new("INCR").key(&key),
        Command::new("INCR").key(&key),
    ];
    for result in session.batch(&incr) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
        assert!(error.may_have_been_executed());
    }
    owner.resume();
    // Both were under way; neither is executed more than once.
    eventually("what was sent to be executed", || {
        owner.run::<i64>(&["GET", &key]) == 3
    });
    session.run(&Command::new("INCR").key(&key)).unwrap();
    assert_eq!(owner.run::<i64>(&["GET", &key]), 4);
    assert_eq!(client.stats().outcome_unknown, 2);
}

#[test]
fn a_read_without_a_reply_is_sent_again() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let keys = keys(20);
    set_to_themselves(&mut session, &keys);
    let hang_ups = cluster.nodes.iter().map(|node| {
        let key = keys_of(&cluster, node, 1).remove(0);
        hang_up(&key)
    });
    let commands: Vec<Command> = hang_ups.chain(keys.iter().map(Command::get)).collect();
    let results = session.batch(&commands);
    for (key, result) in keys.iter().zip(&results[2..]) {
        let value = result
            .as_ref()
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(*value, redis::Value::BulkString(key.clone().into_bytes()));
    }
    let stats = client.stats();
    assert!(
        stats.retries >= 20 && stats.outcome_unknown == 0,
        "{stats:?}"
    );
}

#[test]
fn a_write_does_not_go_over_a_connection_that_the_server_has_closed() {
    let cluster = Cluster::start(2, 0);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let keys = keys(20);
    set_to_themselves(&mut session, &keys);
    for node in &cluster.nodes {
        node.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    set_to_themselves(&mut session, &keys);
    let stats = client.stats();
    assert_eq!(
        (stats.connections, stats.outcome_unknown, stats.retries),
        (4, 0, 0),
        "{stats:?}"
    );
}

#[test]
fn a_connection_that_was_idle_is_tried_before_a_write_is_lost_on_it() {
    let cluster = Cluster::start(2, 0);
    let address = format!("redis://{}", cluster.nodes[0].addr());
    let client = Client::builder([address])
        .unwrap()
        .check_idle(Duration::ZERO)
        .build();
    let mut session = client.session();
    session.run(&Command::set("k", 1)).unwrap();
    for node in &cluster.nodes {
        node.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    session.run(&Command::set("k", 2)).unwrap();
    assert_eq!(client.stats().outcome_unknown, 0);
}

#[test]
fn a_durable_write_is_routed_like_any_other() {
    let cluster = Cluster::start(2, 1);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    for key in keys(20) {
        let set = Command::new("DURABLE.SET")
            .key(&key)
            .arg("v")
            .arg(&["TIMEOUT", "0"]);
        assert_eq!(session.query::<String>(&set).unwrap(), "OK");
        let fence = Command::new("DURABLE.WAIT")
            .routed_by(&key)
            .arg(&["TIMEOUT", "0"]);
        assert_eq!(session.query::<i64>(&fence).unwrap(), 1);
    }
    let refused = Command::new("DURABLE.SET")
        .key("k")
        .arg("v")
        .arg(&["REPLICAS", "5"]);
    let error = session.run(&refused).unwrap_err();
    assert_eq!(error.code(), Some("NOREPLICAS"));
    assert!(!error.may_have_been_executed());
}
