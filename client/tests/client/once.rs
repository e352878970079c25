//! Commands that are executed once, however often they are sent.

use std::time::Duration;

use redis_durable_client::{Client, Command};
use testkit::{eventually, Cluster};

use crate::support::{keys_of, wait_for_replica, with_user};

/// `INCR` with these requirement options.
fn incr(key: &str, options: [&str; 4]) -> Command {
    let options = Command::new("DURABLE.CALL").arg(&options);
    options.arg("INCR").key(key)
}

/// Sends an `INCR` and cuts its connection when it has been executed. Returns the reply to the
/// client and the value of the counter.
fn cut_after_execution(declare: impl FnOnce(Command) -> Command) -> (i64, i64) {
    let cluster = Cluster::start(3, 1);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let key = keys_of(&cluster, primary, 1).remove(0);
    let client = Client::open([with_user(&cluster, &[], primary)]).unwrap();
    let mut session = client.session();
    session.run(&Command::get(&key)).unwrap();
    wait_for_replica(primary);
    replica.pause();
    let incr = declare(incr(&key, ["REPLICAS", "1", "TIMEOUT", "0"]));
    let reply = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.query::<i64>(&incr));
        eventually("the command to wait", || {
            primary.info_number("clients", "blocked_clients") == 1
        });
        assert_eq!(primary.run::<i64>(&["GET", &key]), 1, "it was executed");
        primary.run::<i64>(&["CLIENT", "KILL", "USER", "app"]);
        replica.resume();
        waiting.join().expect("a result").unwrap()
    });
    assert!(client.stats().retries > 0, "it was sent again");
    (reply, primary.run(&["GET", &key]))
}

#[test]
fn a_command_whose_connection_is_cut_is_counted_once() {
    let once = cut_after_execution(|incr| incr.once("order-7"));
    assert_eq!(once, (1, 1));
}

#[test]
fn the_same_command_is_counted_twice_if_it_is_only_declared_repeatable() {
    let twice = cut_after_execution(Command::repeatable);
    assert_eq!(twice, (2, 2));
}

#[test]
fn a_command_that_too_few_replicas_acknowledge_waits_again_and_may_be_run_again() {
    let cluster = Cluster::start(3, 1);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let key = keys_of(&cluster, primary, 1).remove(0);
    let address = with_user(&cluster, &[], primary);
    let hasty = Client::builder([address.as_str()]).unwrap();
    let hasty = hasty.retry_for(Duration::ZERO).build();
    let patient = Client::open([address]).unwrap();
    wait_for_replica(primary);
    replica.pause();
    let incr = incr(&key, ["REPLICAS", "1", "TIMEOUT", "50"]).once_with_new_id();
    let error = hasty.session().run(&incr).unwrap_err();
    assert_eq!(error.code(), Some("UNACKED"), "{error}");
    let reply = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.session().query::<i64>(&incr));
        eventually("two attempts", || patient.stats().unacked >= 2);
        replica.resume();
        waiting.join().expect("a result").unwrap()
    });
    assert_eq!(reply, 1);
    assert_eq!(primary.run::<i64>(&["GET", &key]), 1);
}
