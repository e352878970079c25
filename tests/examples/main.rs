//! The examples of clients, `examples/<client>/`, on real servers, and the pages that show them.
//!
//! One table of clients and one set of behaviours: what a page says of its client is the same
//! everywhere. It is a target of its own, because it needs the packages of these clients, and runs
//! on the server installed here and not on the whole matrix. `make test-host` installs the packages.

#![forbid(unsafe_code)]

use testkit::{eventually, eventually_some, Cluster, Replicated, Server};

use clients::{Client, CLIENTS};

mod clients;

/// A module of tests for each client.
macro_rules! tests {
    ($($module:ident: $name:literal)*) => { $(mod $module {
        use super::Client;

        #[test]
        fn a_durable_write_is_on_the_replica() {
            super::a_durable_write_is_on_the_replica(Client::named($name));
        }

        #[test]
        fn a_write_without_replicas_is_reported_as_not_executed() {
            super::a_write_without_replicas_is_reported_as_not_executed(Client::named($name));
        }

        #[test]
        fn a_write_with_a_frozen_replica_is_confirmed_later_or_reported_as_unconfirmed() {
            super::a_write_with_a_frozen_replica(Client::named($name));
        }

        #[test]
        fn a_retry_after_unacked_and_a_broken_connection_is_executed_once() {
            super::a_retry_is_executed_once(Client::named($name));
        }

        #[test]
        fn a_fence_waits_for_the_writes_before_it() {
            super::a_fence_waits_for_the_writes_before_it(Client::named($name));
        }

        #[test]
        fn the_page_shows_the_code_of_the_example() {
            let none: Vec<String> = Vec::new();
            assert_eq!(Client::named($name).blocks_that_differ(), none);
        }
    })* };
}

tests! {
    node_redis: "node-redis"
    go_redis: "go-redis"
    php_redis: "php-redis"
    ruby_redis: "ruby-redis"
    hiredis: "hiredis"
    redis_cli: "redis-cli"
}

/// A primary with a replica. The examples wait for 30 seconds, so the server gives up earlier.
fn pair() -> Replicated {
    let builder = Replicated::builder().replicas(1);
    builder
        .primary(|builder| builder.module_args(&["timeout-ms", "20000"]))
        .start()
}

/// The id of the client that waits in this command.
#[track_caller]
fn waiting(primary: &Server, command: &str) -> String {
    eventually_some(&format!("a client to wait in {command}"), || {
        let list: String = primary.run(&["CLIENT", "LIST"]);
        let field = |line: &str, name: &str| {
            let mut words = line.split(' ');
            words.find_map(|word| word.strip_prefix(name).map(str::to_owned))
        };
        list.lines().find_map(|line| {
            let waits = field(line, "flags=")?.contains('b');
            let named = field(line, "cmd=")? == command;
            (waits && named).then(|| field(line, "id="))?
        })
    })
}

/// Ends the wait of a client as its TIMEOUT would: it gets UNACKED.
fn give_up(primary: &Server, command: &str) {
    let id = waiting(primary, command);
    let unblocked: i64 = primary.run(&["CLIENT", "UNBLOCK", &id, "TIMEOUT"]);
    assert_eq!(unblocked, 1);
}

fn value(server: &Server, key: &str) -> Option<String> {
    server.run(&["GET", key])
}

fn a_durable_write_is_on_the_replica(client: &Client) {
    let group = pair();
    let text = client.run("write", &group.primary);
    assert_eq!(text, "order:1 is durable");
    assert_eq!(
        value(&group.replicas[0], "order:1").as_deref(),
        Some("paid")
    );
    let calls: String = group.primary.run(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_durable.set:calls=1,"), "{calls}");
}

fn a_write_without_replicas_is_reported_as_not_executed(client: &Client) {
    let group = pair();
    group
        .primary
        .run::<()>(&["CONFIG", "SET", "durable.replicas", "2"]);
    let text = client.run("write", &group.primary);
    let expected = "not executed: NOREPLICAS 1 of 2 required replicas are connected; \
                    nothing was executed";
    assert_eq!(text, expected);
    assert_eq!(value(&group.primary, "order:1"), None);
}

fn a_write_with_a_frozen_replica(client: &Client) {
    let group = pair();
    let (primary, replica) = (&group.primary, &group.replicas[0]);

    replica.pause();
    let run = client.start("write", primary);
    give_up(primary, "durable.set");
    give_up(primary, "durable.wait");
    let text = run.text();
    let expected = "executed, not confirmed: UNACKED 0 of 1 replicas acknowledged";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(value(primary, "order:1").as_deref(), Some("paid"));

    let run = client.start("write", primary);
    give_up(primary, "durable.set");
    waiting(primary, "durable.wait");
    replica.resume();
    assert_eq!(run.text(), "order:1 is durable, confirmed by 1 replicas");
    assert_eq!(value(replica, "order:1").as_deref(), Some("paid"));
}

fn a_retry_is_executed_once(client: &Client) {
    let group = pair();
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let repeated = || primary.info_number("durable", "durable_once_repeated_total");
    replica.pause();
    let run = client.start("retry", primary);
    give_up(primary, "durable.once");
    eventually("a second try to find the record of the first", || {
        repeated() == 1
    });
    let id = waiting(primary, "durable.once");
    primary.run::<()>(&["CLIENT", "KILL", "ID", &id]);
    eventually("a third try, on a new connection", || repeated() == 2);
    replica.resume();
    assert_eq!(run.text(), "orders: 1");
    assert_eq!(value(primary, "orders").as_deref(), Some("1"));
    assert_eq!(value(replica, "orders").as_deref(), Some("1"));
    assert_eq!(primary.info_number("durable", "durable_once_total"), 1);
}

fn a_fence_waits_for_the_writes_before_it(client: &Client) {
    let group = pair();
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let written = |server: &Server| {
        let keys: Vec<String> = server.run(&["KEYS", "key:*"]);
        keys.len()
    };

    let text = client.run("fence", primary);
    assert!(text.starts_with("100 writes, acknowledged"), "{text}");
    assert_eq!(written(replica), 100);

    primary.run::<()>(&["FLUSHALL"]);
    replica.pause();
    let run = client.start("fence", primary);
    give_up(primary, "durable.wait");
    let text = run.text();
    let expected = "executed, not confirmed: UNACKED 0 of 1 replicas acknowledged";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(written(primary), 100);
}

/// The seed is a replica, so that no key is written where the question was asked.
#[test]
fn after_a_slot_hint_no_command_is_redirected() {
    let cluster = Cluster::start(3, 1);
    for client in &CLIENTS {
        for node in &cluster.nodes {
            node.run::<()>(&["CONFIG", "RESETSTAT"]);
        }
        let text = client.run("prefill", &cluster.nodes[3]);
        assert_eq!(text, "100 keys on 3 nodes", "{}", client.name);
        for node in &cluster.nodes {
            let errors = node.info("errorstats");
            let redirected = |error: &str| errors.contains_key(&format!("errorstat_{error}"));
            assert!(
                !redirected("MOVED") && !redirected("ASK"),
                "{}: {errors:?}",
                client.name
            );
        }
        let keys = |node: &&Server| node.run::<usize>(&["DBSIZE"]);
        let written: usize = cluster.primaries().iter().map(keys).sum();
        assert_eq!(written, 100, "{}", client.name);
        for node in cluster.primaries() {
            node.run::<()>(&["FLUSHALL"]);
        }
    }
}
