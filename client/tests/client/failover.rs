//! A shard gets another primary: by a crash, by CLUSTER FAILOVER, and back.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::{eventually, Cluster, Role};

use crate::support::{
    assert_own_values, client_of, keys, keys_of, promote, set_to_themselves, Traffic,
};

#[test]
fn after_a_failover_one_moved_corrects_the_whole_shard() {
    let cluster = Cluster::start(3, 1);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let keys = keys_of(&cluster, primary, 100);
    let client = client_of(&cluster.nodes[1]);
    let mut session = client.session();
    session.prefill_all().unwrap();
    set_to_themselves(&mut session, &keys);
    promote(&cluster, replica);
    for key in &keys {
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.failovers, stats.patches),
        (1, 1, 0),
        "{stats:?}"
    );
    // The same on the way back.
    promote(&cluster, primary);
    for key in &keys {
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.failovers, stats.patches),
        (2, 2, 0),
        "{stats:?}"
    );
}

#[test]
fn after_a_crash_the_shard_is_found_without_more_than_one_moved() {
    let cluster = Cluster::start(3, 1);
    let primary = &cluster.nodes[0];
    let keys = keys_of(&cluster, primary, 100);
    let client = client_of(&cluster.nodes[1]);
    let mut session = client.session();
    session.prefill_all().unwrap();
    set_to_themselves(&mut session, &keys);
    cluster.notice_failures();
    primary.kill();
    // Reads wait until the replica has taken over.
    for key in &keys {
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    let port = format!(":{}", cluster.nodes[3].port());
    for key in &keys {
        assert!(client.node_of(key).unwrap().to_string().ends_with(&port));
    }
    let before = client.stats().moved;
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().moved, before);
}

#[test]
fn traffic_goes_through_a_crash_and_no_value_is_wrong() {
    let cluster = Cluster::start(3, 1);
    let keys = keys(300);
    let client = client_of(&cluster.nodes[1]);
    set_to_themselves(&mut client.session(), &keys);
    for primary in cluster.primaries() {
        primary.run::<i64>(&["WAIT", "1", "0"]);
    }
    let traffic = Traffic::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = keys
            .chunks(150)
            .map(|part| traffic.start(scope, client.clone(), part))
            .collect();
        eventually("traffic", || traffic.rounds() > 4);
        cluster.notice_failures();
        cluster.nodes[0].kill();
        eventually("the replica to take over", || {
            cluster.nodes[3].role() == Role::Primary
        });
        let before = traffic.rounds();
        eventually("traffic after the crash", || traffic.rounds() > before + 4);
        cluster.nodes[0].restart();
        let before = traffic.rounds();
        eventually("traffic after the return", || traffic.rounds() > before + 4);
        traffic.stop();
        for thread in threads {
            thread.join().expect("correct values");
        }
    });
    let mut session = client.session();
    let before = client.stats();
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().moved, before.moved, "everything is settled");
}

#[test]
fn a_shard_without_a_primary_is_given_up_in_time_and_nothing_was_executed() {
    let cluster = Cluster::start(3, 0);
    let owner = &cluster.nodes[0];
    let keys = keys_of(&cluster, owner, 3);
    let address = format!("redis://{}", cluster.nodes[1].addr());
    let client = Client::builder([address])
        .unwrap()
        .retry_for(Duration::from_millis(100))
        .build();
    let mut session = client.session();
    session.prefill_all().unwrap();
    cluster.notice_failures();
    owner.kill();
    let sets: Vec<Command> = keys.iter().map(|key| Command::set(key, "v")).collect();
    for result in session.batch(&sets) {
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::GaveUp { sent: false, .. }),
            "{error}"
        );
        assert!(
            error.to_string().ends_with("nothing was executed"),
            "{error}"
        );
    }
    // The same holds after the other nodes have noticed the crash.
    eventually(
        "the cluster to be down",
        || matches!(cluster.nodes[1].run::<String>(&["CLUSTER", "INFO"]), info if info.contains("cluster_state:fail")),
    );
    let error = session.run(&sets[0]).unwrap_err();
    assert!(!error.may_have_been_executed(), "{error}");
}

#[test]
fn a_default_node_that_is_gone_is_replaced_by_another_known_one() {
    let cluster = Cluster::builder(3, 1)
        .node(|_, builder| builder.config("cluster-require-full-coverage", "no"))
        .start();
    let addresses =
        [&cluster.nodes[3], &cluster.nodes[1]].map(|node| format!("redis://{}", node.addr()));
    let client = Client::open(addresses).unwrap();
    cluster.nodes[3].kill();
    let mut session = client.session();
    let keys = keys(50);
    for key in &keys {
        session.run(&Command::set(key, key)).unwrap();
    }
    assert_own_values(&mut session, &keys);
    assert_eq!(
        client.stats().connection_failures,
        1,
        "it is left alone from then on"
    );
}
