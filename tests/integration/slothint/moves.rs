//! The slot map while slots and replicas move: at every moment it agrees with CLUSTER SLOTS.

use testkit::differences::MIGRATES_SLOTS;

use crate::support::slots::{
    a_key_of_each_slot, afresh, agreed, agreed_until, begin_move, hand_over, hint, lists, map,
    one_token, read, read_map, redirections_agree, running, token, wait_for_blocked, Talk,
};
use crate::support::{say, send};

#[test]
fn a_migrating_slot_belongs_to_its_source_until_it_has_moved() {
    let cluster = afresh(2, 0).start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    let (source, target) = (cluster.id_of(first), cluster.id_of(second));
    let key = &a_key_of_each_slot()[100];
    let (mut here, mut there) = (first.raw(), second.raw());
    let before = agreed(&mut here);
    begin_move(&cluster, 100, first, second);
    assert!(say(&mut here, &format!("GET {key}")).starts_with("-ASK 100 "));
    for conn in [&mut here, &mut there] {
        assert_eq!(agreed(conn), before);
        let hint = hint(conn, &[key]);
        assert_eq!(
            (hint.nodes[0].address.id.as_str(), hint.keys[0]),
            (source, (100, 0))
        );
    }
    // For several keys in a migrating slot the server would answer TRYAGAIN.
    let many = hint(&mut here, &[format!("{{{key}}}a"), format!("{{{key}}}b")]);
    assert_eq!(many.keys, [(100, 0), (100, 0)]);
    hand_over(&cluster, &[100], first, second);
    agreed_until("both nodes to have the new owner", &cluster, one_token);
    for conn in [&mut here, &mut there] {
        assert_eq!(hint(conn, &[key]).nodes[0].address.id, target);
        assert_ne!(token(conn), before.token);
    }
    redirections_agree(&mut here, source);
}

#[test]
fn a_node_that_is_forgotten_or_joins_is_followed() {
    let cluster = afresh(2, 1).start();
    let [first, _, replica, other] = &cluster.nodes[..] else {
        panic!("the cluster does not have four nodes");
    };
    let id = cluster.id_of(replica);
    cluster.notice_failures();
    replica.kill();
    agreed_until("the map without the replica", &cluster, |maps| {
        maps.iter().all(|map| !lists(map, id))
    });
    for node in running(&cluster) {
        node.run::<()>(&["CLUSTER", "FORGET", id]);
        agreed(&mut node.raw());
    }
    // The other replica moves to the first primary.
    let moved = cluster.id_of(other);
    other.run::<()>(&["CLUSTER", "REPLICATE", cluster.id_of(first)]);
    agreed_until(
        "the map with the replica below its new primary",
        &cluster,
        |maps| {
            maps.iter().all(|map| {
                let new = map
                    .slots
                    .nodes
                    .iter()
                    .find(|node| node.address.id == cluster.id_of(first));
                new.is_some_and(|node| node.replicas.iter().any(|replica| replica.id == moved))
            }) && one_token(maps)
        },
    );
}

/// CLUSTER MIGRATESLOTS moves whole slots. The server refuses it if a loaded module has not
/// declared that it can handle such moves.
#[test]
fn valkey_moves_slots_by_itself_and_the_map_follows() {
    let cluster = afresh(2, 0).start();
    let [first, second] = &cluster.nodes[..] else {
        panic!("the cluster does not have two nodes");
    };
    if !first.has(MIGRATES_SLOTS) {
        return;
    }
    let keys = &a_key_of_each_slot()[..50];
    for key in keys {
        first.run::<()>(&["SET", key, "v"]);
    }
    let mut watcher = second.raw();
    let before = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {before} 0"));
    wait_for_blocked(second, 1);
    let mut conn = first.raw();
    let target = cluster.id_of(second);
    let line = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 49 NODE {target}");
    assert_eq!(say(&mut conn, &line), "+OK\r\n");
    agreed_until("the map with the moved slots", &cluster, |maps| {
        maps.iter()
            .all(|map| map.slots.ranges.first().is_some_and(|range| range.1 == 49))
            && one_token(maps)
    });
    let now = map(&mut conn);
    let woken = read_map(&read(&watcher.take()));
    assert_ne!(woken.token, before);
    assert_eq!(map(&mut watcher), now);
    for (key, slot) in keys.iter().zip(0..) {
        let hint = hint(&mut conn, &[key]);
        assert_eq!(
            (hint.nodes[0].address.id.as_str(), hint.keys[0].0),
            (target, slot)
        );
        assert_eq!(second.run::<String>(&["GET", key]), "v");
    }
    redirections_agree(&mut conn, cluster.id_of(first));
}
