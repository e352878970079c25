//! Nodes that refuse some of the requests for hints: the others are asked, and the other requests
//! are made.

use redis_durable_client::{Client, Command, Fill};
use testkit::{eventually, Cluster};

use crate::support::{
    assert_own_values, calls, goes_to, hang_up, keys, set_to_themselves, with_user,
};

#[test]
fn a_user_without_permission_for_hints_is_served_by_moved_alone() {
    let cluster = Cluster::start(3, 0);
    let rules = ["-slothint", "-slothint.map"];
    let address = with_user(&cluster, &rules, &cluster.nodes[0]);
    let client = Client::open([address]).unwrap();
    let mut session = client.session();
    let keys = keys(200);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    assert_eq!(session.prefill(["another key"]).unwrap(), Fill::Unavailable);
    assert!(!client.uses_hints());
    for _ in 0..3 {
        let fill = session.prefill(["another key"]).unwrap();
        assert_eq!(fill, Fill::Unavailable);
        assert_eq!(session.prefill_all().unwrap(), Fill::Unavailable);
    }
    let stats = client.stats();
    assert_eq!((stats.hint_requests, stats.map_requests), (3, 3));
    client.use_hints_again();
    assert!(client.uses_hints());
}

#[test]
fn a_user_without_permission_for_the_watch_has_hints_and_the_map() {
    let cluster = Cluster::start(2, 0);
    let address = with_user(&cluster, &["-slothint.watch"], &cluster.nodes[0]);
    let client = Client::open([address]).unwrap();
    let mut session = client.session();
    session.prefill_all().unwrap();
    let watch = client.watch().unwrap();
    eventually("the watch to end", || !watch.is_running());
    assert!(client.uses_hints());
    assert_eq!(session.prefill_all().unwrap(), Fill::Filled(0));
    let watching = |node| calls(node, "slothint.watch");
    assert_eq!(cluster.nodes.iter().map(watching).sum::<u64>(), 0);
}

#[test]
fn a_user_without_permission_for_the_map_has_hints_for_keys() {
    let cluster = Cluster::start(2, 0);
    let address = with_user(&cluster, &["-slothint.map"], &cluster.nodes[0]);
    let client = Client::open([address]).unwrap();
    let mut session = client.session();
    let keys = keys(60);
    set_to_themselves(&mut session, &keys[..30]);
    // After a connection broke, the client requests the map.
    let key = keys[..30]
        .iter()
        .find(|key| goes_to(&client, key, &cluster.nodes[1]));
    let key = key.expect("a key at the other node");
    for result in session.batch(&[hang_up(key), Command::get(key)]) {
        result.unwrap();
    }
    assert_own_values(&mut session, &keys[..30]);
    assert!(client.stats().map_requests > 0);
    assert!(client.uses_hints());
    set_to_themselves(&mut session, &keys[30..]);
    let stats = client.stats();
    assert_eq!((stats.moved, stats.hint_requests), (0, 2), "{stats:?}");
    // A watch needs the map as well, so it ends.
    let watch = client.watch().unwrap();
    eventually("the watch to end", || !watch.is_running());
    assert!(client.uses_hints());
}

#[test]
fn a_node_without_the_module_is_passed_over() {
    let cluster = Cluster::builder(3, 1)
        .node(|number, builder| builder.module(number != 3))
        .start();
    let addresses = [3, 1].map(|number: usize| format!("redis://{}", cluster.nodes[number].addr()));
    let client = Client::open(addresses).unwrap();
    let watch = client.watch().unwrap();
    eventually("the watch to bring the map", || {
        client.known_slots() == 16384
    });
    let mut session = client.session();
    assert!(matches!(session.prefill_all(), Ok(Fill::Filled(0))));
    session.run(&Command::set("k", "v")).unwrap();
    assert_eq!(client.stats().moved, 0);
    assert!(client.uses_hints() && watch.is_running());
}
