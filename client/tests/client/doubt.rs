//! Commands that are sent again after an attempt that may have been executed. If a later attempt is
//! refused, that does not mean that nothing was executed.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::{eventually, Cluster, Server};

use crate::support::{keys_of, with_user};

/// Waits for a replica without a limit.
fn durable_set(key: &str) -> Command {
    let options = ["REPLICAS", "1", "TIMEOUT", "0"];
    let set = Command::new("DURABLE.SET").key(key).arg("v").arg(&options);
    set.repeatable()
}

/// The result of a `DURABLE.SET` that has been executed and waits for its replica while `meanwhile`
/// happens.
fn executed_and_then(retry_for: Duration, meanwhile: impl FnOnce(&Cluster)) -> Error {
    let cluster = Cluster::start(3, 1);
    let (primary, replica) = (&cluster.nodes[0], &cluster.nodes[3]);
    let key = keys_of(&cluster, primary, 1).remove(0);
    let client = Client::builder([with_user(&cluster, &[], primary)])
        .unwrap()
        .retry_for(retry_for)
        .build();
    let mut session = client.session();
    session.run(&Command::get(&key)).unwrap();
    replica.pause();
    let set = durable_set(&key);
    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.run(&set));
        eventually("the command to wait", || {
            primary.info_number("clients", "blocked_clients") == 1
        });
        meanwhile(&cluster);
        waiting.join().expect("a result").unwrap_err()
    });
    let value: Option<String> = primary.run(&["GET", &key]);
    assert_eq!(value.as_deref(), Some("v"), "it was executed");
    error
}

fn cut_off(primary: &Server) {
    primary.run::<i64>(&["CLIENT", "KILL", "USER", "app"]);
}

#[track_caller]
fn assert_in_doubt(error: &Error) {
    assert!(matches!(error, Error::GaveUp { sent: true, .. }), "{error}");
    assert!(error.may_have_been_executed());
    let text = error.to_string();
    assert!(text.contains("may have been executed"), "{text}");
}

#[test]
fn a_command_that_is_unblocked_while_it_waits_may_have_been_executed() {
    let error = executed_and_then(Duration::ZERO, |cluster| {
        let primary = &cluster.nodes[0];
        let clients: String = primary.run(&["CLIENT", "LIST"]);
        let waiting = clients
            .lines()
            .find(|line| line.contains("cmd=durable.set"));
        let id = waiting.and_then(|line| line.strip_prefix("id="));
        let id = id.and_then(|rest| rest.split(' ').next()).expect("an id");
        primary.run::<i64>(&["CLIENT", "UNBLOCK", id, "ERROR"]);
    });
    assert_in_doubt(&error);
}

#[test]
fn a_command_that_is_refused_the_second_time_may_have_been_executed_the_first_time() {
    let error = executed_and_then(Duration::from_secs(10), |cluster| {
        cluster.nodes[3].kill();
        let primary = &cluster.nodes[0];
        eventually("the replica to be gone", || {
            primary.info_number("replication", "connected_slaves") == 0
        });
        cut_off(primary);
    });
    assert_in_doubt(&error);
    assert!(error.to_string().contains("NOREPLICAS"), "{error}");
}

#[test]
fn a_command_that_cannot_be_sent_the_second_time_may_have_been_executed_the_first_time() {
    let error = executed_and_then(Duration::from_secs(10), |cluster| {
        for node in &cluster.nodes[..3] {
            node.run::<()>(&["ACL", "SETUSER", "app", "resetpass"]);
        }
        cut_off(&cluster.nodes[0]);
    });
    assert_in_doubt(&error);
}

#[test]
fn a_command_that_is_refused_the_first_time_is_known_not_to_have_been_executed() {
    let cluster = Cluster::start(1, 0);
    let client = Client::open([format!("redis://{}", cluster.nodes[0].addr())]).unwrap();
    let error = client.session().run(&durable_set("k")).unwrap_err();
    assert_eq!(error.code(), Some("NOREPLICAS"), "{error}");
    assert!(!error.may_have_been_executed());
}
