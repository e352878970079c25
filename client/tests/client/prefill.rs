//! Hints before the first command.

use redis_durable_client::Fill;
use testkit::Cluster;

use crate::support::{assert_own_values, calls, client_of, keys, set_to_themselves};

#[test]
fn after_one_prefill_ten_thousand_keys_cause_no_redirection() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[1]);
    let mut session = client.session();
    let keys = keys(10_000);
    let fill = session.prefill(&keys).unwrap();
    assert!(
        matches!(fill, Fill::Filled(slots) if slots > 5_000),
        "{fill:?}"
    );
    assert_eq!(client.stats().round_trips, 1);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    for key in &keys[..300] {
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.asked, stats.misses),
        (0, 0, 0),
        "{stats:?}"
    );
    assert_eq!((stats.hits, stats.commands), (20_300, 20_300));
    assert_eq!((stats.hint_requests, stats.map_requests), (1, 0));
    // The hint, pipelines of a thousand commands for each node to write and to read, and the single
    // commands.
    let at = |node: &testkit::Server| {
        let own = |key: &&String| client.node_of(key).unwrap().to_string() == node.addr();
        keys.iter().filter(own).count() as u64
    };
    let windows: u64 = cluster
        .nodes
        .iter()
        .map(|node| at(node).div_ceil(1000))
        .sum();
    assert_eq!(stats.round_trips, 1 + windows + windows + 300);
    assert_eq!((stats.connections, stats.retries), (3, 0));
    assert_eq!(session.prefill(&keys).unwrap(), Fill::Known);
}

#[test]
fn a_batch_of_unknown_keys_begins_with_one_hint() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.hint_requests, stats.round_trips),
        (0, 1, 4)
    );
}

#[test]
fn the_first_single_command_fetches_the_map_and_none_of_a_hundred_is_redirected() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[0]);
    let mut session = client.session();
    let keys = keys(100);
    for key in &keys {
        set_to_themselves(&mut session, std::slice::from_ref(key));
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    let stats = client.stats();
    assert_eq!((stats.moved, stats.misses), (0, 0), "{stats:?}");
    assert_eq!((stats.map_requests, stats.hint_requests), (1, 0));
    assert_eq!(client.known_slots(), 16384);
}

#[test]
fn sessions_that_miss_together_fetch_the_map_once() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[0]);
    let keys = keys(32);
    let together = std::sync::Barrier::new(keys.len());
    std::thread::scope(|scope| {
        for key in &keys {
            let (client, together) = (client.clone(), &together);
            scope.spawn(move || {
                together.wait();
                set_to_themselves(&mut client.session(), std::slice::from_ref(key));
            });
        }
    });
    let stats = client.stats();
    assert_eq!((stats.moved, stats.map_requests), (0, 1), "{stats:?}");
    let asked: u64 = cluster
        .nodes
        .iter()
        .map(|node| calls(node, "slothint.map"))
        .sum();
    assert_eq!(asked, 1);
}

#[test]
fn the_whole_map_is_sent_once_and_confirmed_with_nil() {
    let cluster = Cluster::start(3, 1);
    let client = client_of(&cluster.nodes[4]);
    let mut session = client.session();
    assert_eq!(session.prefill_all().unwrap(), Fill::Filled(16384));
    assert_eq!(client.known_slots(), 16384);
    assert_eq!(session.prefill_all().unwrap(), Fill::Filled(0));
    let keys = keys(1000);
    set_to_themselves(&mut session, &keys);
    assert_eq!(client.stats().moved, 0);
    let port = format!(":{}", cluster.owner_of_key(&keys[0]).port());
    let node = client.node_of(&keys[0]).unwrap().to_string();
    assert!(node.ends_with(&port), "{} at {node}", keys[0]);
}

#[test]
fn sessions_share_what_they_learn() {
    let cluster = Cluster::start(3, 0);
    let client = client_of(&cluster.nodes[0]);
    client.session().prefill_all().unwrap();
    let keys = keys(200);
    std::thread::scope(|scope| {
        for part in keys.chunks(50) {
            let client = client.clone();
            scope.spawn(move || {
                let mut session = client.session();
                set_to_themselves(&mut session, part);
                assert_own_values(&mut session, part);
            });
        }
    });
    let stats = client.stats();
    assert_eq!((stats.moved, stats.misses, stats.hits), (0, 0, 400));
}
