//! The order of the commands of one slot, while the cluster is in trouble.

use redis_durable_client::{Client, Command};
use testkit::{eventually, Cluster};

use crate::support::{client_of, end, half_moved, keys_of, migrate};

/// Commands that append 0 to each of these keys, then 1 to each, and so on; and the resulting
/// value.
fn appends(keys: &[String], count: usize) -> (Vec<Command>, String) {
    let append = |key: &String, number| Command::new("APPEND").key(key).arg(format!("{number},"));
    let numbers = 0..count;
    let of_all = |number| keys.iter().map(move |key| append(key, number));
    let expected = numbers.clone().map(|number| format!("{number},"));
    let expected = expected.collect();
    (numbers.flat_map(of_all).collect(), expected)
}

#[track_caller]
fn assert_values(client: &Client, keys: &[String], expected: &str) {
    for (key, value) in keys.iter().zip(client.session().get_many(keys)) {
        let value = String::from_utf8(value.unwrap().unwrap()).unwrap();
        assert_eq!(value, expected, "{key}");
    }
}

#[test]
fn a_crash_does_not_change_it() {
    let cluster = Cluster::start(3, 1);
    let keys = keys_of(&cluster, &cluster.nodes[0], 3);
    let client = client_of(&cluster.nodes[1]);
    client.session().prefill_all().unwrap();
    cluster.notice_failures();
    cluster.nodes[0].kill();
    // So long that the batch reaches a node in several pieces while the node takes over.
    let (commands, expected) = appends(&keys, 1500);
    for result in client.session().batch(&commands) {
        result.unwrap();
    }
    assert_values(&client, &keys, &expected);
}

#[test]
fn a_cluster_that_is_down_for_a_while_does_not_change_it() {
    let cluster = Cluster::start(3, 0);
    let keys = keys_of(&cluster, &cluster.nodes[0], 3);
    let client = client_of(&cluster.nodes[0]);
    client.session().prefill_all().unwrap();
    cluster.notice_failures();
    cluster.nodes[2].kill();
    eventually("the cluster to be down", || {
        let info = cluster.nodes[0].run::<String>(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:fail")
    });
    let (commands, expected) = appends(&keys, 1000);
    std::thread::scope(|scope| {
        let batch = scope.spawn(|| client.session().batch(&commands));
        eventually("commands to be turned away", || {
            client.stats().cluster_down > 0
        });
        cluster.nodes[2].restart();
        for result in batch.join().expect("results") {
            result.unwrap();
        }
    });
    assert_values(&client, &keys, &expected);
}

#[test]
fn commands_after_one_of_several_keys_wait_for_it_while_the_slot_is_moved() {
    let cluster = Cluster::start(2, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let client = client_of(from);
    let (slot, keys) = half_moved(&cluster, &client, from, to);
    // The first key has moved: commands that name only this key are redirected by ASK, and those
    // that name both keys are turned away.
    let set_both = Command::new("MSET").key(&keys[0]).arg("0,");
    let mut commands = vec![set_both.key(&keys[1]).arg("0,")];
    let append = |number| {
        Command::new("APPEND")
            .key(&keys[0])
            .arg(format!("{number},"))
    };
    commands.extend((1..1500).map(append));
    std::thread::scope(|scope| {
        let batch = scope.spawn(|| client.session().batch(&commands));
        eventually("the server to say TRYAGAIN", || {
            client.stats().try_again > 0
        });
        end(&cluster, slot, from, to);
        for result in batch.join().expect("results") {
            result.unwrap();
        }
    });
    let expected: String = (0..1500).map(|number| format!("{number},")).collect();
    assert_values(&client, &keys[..1], &expected);
}

#[test]
fn commands_for_a_key_that_was_moved_and_for_one_that_was_not_each_keep_theirs() {
    let cluster = Cluster::start(2, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let tag = keys_of(&cluster, from, 1).remove(0);
    let keys = [format!("{{{tag}}}a"), format!("{{{tag}}}b")];
    for key in &keys {
        from.run::<()>(&["SET", key, ""]);
    }
    let slot = cluster.slot_of(&tag);
    cluster.begin_to_move(slot, from, to);
    migrate(&keys[..1], from, to);
    let client = client_of(from);
    let (commands, expected) = appends(&keys, 1500);
    for result in client.session().batch(&commands) {
        result.unwrap();
    }
    assert_values(&client, &keys, &expected);
    assert!(client.stats().asked >= 1500);
}
