//! Slots that are moved from one primary to another, key by key, while they are used.

use redis_durable_client::Command;
use testkit::{eventually, Cluster};

use crate::support::{
    assert_own, assert_own_values, client_of, end, half_moved, keys_in, keys_of, migrate,
    set_to_themselves, Traffic,
};

#[test]
fn ask_is_followed_and_not_remembered() {
    let cluster = Cluster::start(2, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let tag = keys_of(&cluster, from, 1).remove(0);
    let keys: Vec<String> = (0..10).map(|number| format!("{{{tag}}}{number}")).collect();
    let client = client_of(from);
    let mut session = client.session();
    set_to_themselves(&mut session, &keys);
    let slot = cluster.slot_of(&tag);
    cluster.begin_to_move(slot, from, to);
    migrate(&keys[..5], from, to);
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().asked, 5);
    for key in &keys {
        assert_own_values(&mut session, std::slice::from_ref(key));
    }
    assert_eq!(client.stats().asked, 10);
    let at = client.node_of(&tag).unwrap().to_string();
    assert!(at.ends_with(&format!(":{}", from.port())), "{at}");
    end(&cluster, slot, from, to);
    assert_own_values(&mut session, &keys[..1]);
    let stats = client.stats();
    assert_eq!(
        (stats.moved, stats.patches, stats.failovers),
        (1, 1, 0),
        "{stats:?}"
    );
    assert_own_values(&mut session, &keys);
    assert_eq!(client.stats().moved, 1);
}

#[test]
fn tryagain_is_waited_out() {
    let cluster = Cluster::start(2, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let client = client_of(from);
    let (slot, keys) = half_moved(&cluster, &client, from, to);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let both = Command::new("MGET").key(&keys[0]).key(&keys[1]);
            client.session().query::<Vec<Vec<u8>>>(&both)
        });
        eventually("the server to say TRYAGAIN", || {
            client.stats().try_again > 0
        });
        end(&cluster, slot, from, to);
        let values = reader.join().expect("a reader").unwrap();
        for (key, value) in keys.iter().zip(&values) {
            assert_own(key, Some(value));
        }
    });
}

#[test]
fn traffic_goes_through_a_reshard_and_no_value_is_wrong() {
    let cluster = Cluster::start(3, 0);
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let keys = keys_of(&cluster, from, 60);
    let client = client_of(&cluster.nodes[2]);
    set_to_themselves(&mut client.session(), &keys);
    let traffic = Traffic::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = keys
            .chunks(30)
            .map(|part| traffic.start(scope, client.clone(), part))
            .collect();
        for key in &keys[..40] {
            let slot = cluster.slot_of(key);
            cluster.begin_to_move(slot, from, to);
            migrate(&keys_in(slot, from), from, to);
            // While the slot belongs to one node and its keys are at the other.
            let before = client.stats().asked;
            eventually("an ASK", || {
                traffic.rounds() < u64::MAX && client.stats().asked > before
            });
            end(&cluster, slot, from, to);
        }
        let before = traffic.rounds();
        eventually("traffic after the reshard", || {
            traffic.rounds() > before + 4
        });
        traffic.stop();
        for thread in threads {
            thread.join().expect("correct values");
        }
    });
    let stats = client.stats();
    assert!(
        stats.moved > 0 && stats.patches >= 40 && stats.failovers == 0,
        "{stats:?}"
    );
    assert_eq!(stats.outcome_unknown, 0);
    assert_own_values(&mut client.session(), &keys);
}
