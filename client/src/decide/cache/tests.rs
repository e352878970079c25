//! The rules of the cache one by one, then against a naive model that keeps no shards at all.

mod model;

use super::*;
use crate::decide::hint::HintNode;

fn node(number: u16) -> Node {
    Node::tcp("node", number)
}

/// A whole map of shards, each the primary, its replicas, and the slots `first..=last`.
fn map(shards: &[(u16, &[u16], u16, u16)]) -> Hint {
    let nodes = shards.iter().map(|&(primary, replicas, ..)| HintNode {
        primary: node(primary),
        replicas: replicas.iter().copied().map(node).collect(),
    });
    let range =
        |(index, &(.., first, last)): (usize, &(u16, &[u16], u16, u16))| (first, last, Some(index));
    Hint {
        token: 1,
        nodes: nodes.collect(),
        ranges: shards.iter().enumerate().map(range).collect(),
        is_whole: true,
    }
}

/// The same, of these slots only.
fn hint(shards: &[(u16, &[u16], u16, u16)]) -> Hint {
    Hint {
        is_whole: false,
        ..map(shards)
    }
}

const HALVES: [(u16, &[u16], u16, u16); 2] = [(1, &[11, 12], 0, 8191), (2, &[21], 8192, 16383)];

fn halves() -> SlotCache {
    let mut cache = SlotCache::new();
    let asked = cache.ask();
    assert_eq!(cache.learn(&map(&HALVES), &node(1), asked), 16384);
    cache
}

fn moved(cache: &mut SlotCache, slot: u16, to: u16) -> Correction {
    let from = cache.primary_of(slot).cloned();
    let asked = cache.ask();
    cache.moved(slot, &node(to), from.as_ref(), asked)
}

#[track_caller]
fn assert_owners(cache: &SlotCache, owners: &[(u16, u16)]) {
    for &(slot, owner) in owners {
        assert_eq!(cache.primary_of(slot), Some(&node(owner)), "slot {slot}");
    }
}

#[test]
fn nothing_is_known_at_first() {
    let cache = SlotCache::new();
    assert_eq!((cache.known(), cache.nodes()), (0, vec![]));
    assert_eq!(cache.primary_of(0), None);
    assert_eq!(cache.primary_of(u16::MAX), None);
}

#[test]
fn a_hint_teaches_its_slots_and_no_others() {
    let mut cache = SlotCache::new();
    let asked = cache.ask();
    assert_eq!(cache.learn(&hint(&[(1, &[11], 5, 5)]), &node(1), asked), 1);
    assert_owners(&cache, &[(5, 1)]);
    assert_eq!(cache.replicas_of(5), [node(11)]);
    assert_eq!((cache.known(), cache.primary_of(6)), (1, None));
}

#[test]
fn a_whole_map_teaches_every_slot_and_shards_without_slots_are_forgotten() {
    let mut cache = halves();
    assert_owners(&cache, &[(0, 1), (8191, 1), (8192, 2), (16383, 2)]);
    let asked = cache.ask();
    let all = map(&[(1, &[], 0, 16383)]);
    assert_eq!(cache.learn(&all, &node(1), asked), 8192);
    assert_owners(&cache, &[(0, 1), (16383, 1)]);
    assert_eq!(cache.nodes(), [node(1)]);
}

#[test]
fn a_slot_that_a_map_or_a_hint_names_no_owner_for_stays_where_it_was() {
    let mut cache = halves();
    let asked = cache.ask();
    let half = map(&[(3, &[], 8192, 16383)]);
    assert_eq!(cache.learn(&half, &node(9), asked), 8192);
    assert_owners(&cache, &[(0, 1), (8191, 1), (8192, 3)]);
    assert_eq!(cache.replicas_of(0), [node(11), node(12)]);
    let asked = cache.ask();
    assert_eq!(cache.learn(&map(&[]), &node(9), asked), 0);
    let mut unowned = hint(&[(1, &[11, 12], 0, 0)]);
    unowned.ranges = vec![(0, 0, None)];
    let asked = cache.ask();
    assert_eq!(cache.learn(&unowned, &node(9), asked), 0);
    assert_eq!(cache.known(), 16384);
    assert_owners(&cache, &[(0, 1), (16383, 3)]);
}

#[test]
fn moved_to_another_node_patches_the_slot_alone() {
    let mut cache = halves();
    assert_eq!(moved(&mut cache, 5, 2), Correction::Patched);
    assert_eq!(moved(&mut cache, 6, 3), Correction::Patched);
    assert_owners(&cache, &[(4, 1), (5, 2), (6, 3), (7, 1), (9000, 2)]);
    assert_eq!(
        cache.replicas_of(5),
        [node(21)],
        "it is in the shard of its owner"
    );
}

#[test]
fn moved_to_a_replica_of_the_shard_moves_the_whole_shard() {
    let mut cache = halves();
    moved(&mut cache, 7, 3);
    assert_eq!(moved(&mut cache, 5, 11), Correction::FailedOver(8191));
    assert_owners(&cache, &[(0, 11), (5, 11), (7, 3), (8191, 11), (8192, 2)]);
    assert_eq!(cache.replicas_of(0), [node(12), node(1)]);
}

#[test]
fn moved_to_a_replica_of_another_shard_patches_the_slot_alone() {
    let mut cache = halves();
    assert_eq!(moved(&mut cache, 5, 21), Correction::Patched);
    assert_owners(&cache, &[(4, 1), (5, 21), (8192, 2)]);
}

#[test]
fn an_unknown_slot_of_a_promoted_replica_moves_the_shard_of_that_replica() {
    let mut cache = SlotCache::new();
    let asked = cache.ask();
    cache.learn(&hint(&[(1, &[11], 0, 9)]), &node(1), asked);
    assert_eq!(moved(&mut cache, 10, 11), Correction::FailedOver(11));
    assert_owners(&cache, &[(0, 11), (9, 11), (10, 11)]);
}

#[test]
fn a_second_failover_back_moves_the_whole_shard_again() {
    let mut cache = halves();
    moved(&mut cache, 5, 11);
    assert_eq!(moved(&mut cache, 6, 1), Correction::FailedOver(8192));
    assert_owners(&cache, &[(0, 1), (5, 1), (6, 1)]);
}

#[test]
fn slots_given_to_a_former_replica_do_not_move_the_shard_back_and_forth() {
    let mut cache = halves();
    // Slots 5 and 6 have really gone to node 11, which has become a primary of its own.
    let truth = |slot| if slot == 5 || slot == 6 { 11 } else { 1 };
    let mut corrections = 0;
    for slot in (0..20).cycle().take(200) {
        if cache.primary_of(slot) != Some(&node(truth(slot))) {
            moved(&mut cache, slot, truth(slot));
            corrections += 1;
        }
    }
    assert!(corrections <= 4, "{corrections} corrections");
}

#[test]
fn slots_patched_before_join_the_shard_that_fails_over() {
    let mut cache = halves();
    let asked = cache.ask();
    cache.learn(&hint(&[(11, &[], 3, 3)]), &node(2), asked);
    moved(&mut cache, 5, 11);
    assert_owners(&cache, &[(3, 11), (5, 11), (6, 11)]);
    assert_eq!(cache.replicas_of(3), cache.replicas_of(6));
}

#[test]
fn a_map_asked_for_before_a_correction_does_not_undo_it() {
    let mut cache = halves();
    let asked = cache.ask();
    moved(&mut cache, 5, 2);
    assert_eq!(cache.learn(&map(&HALVES), &node(1), asked), 0);
    assert_owners(&cache, &[(4, 1), (5, 2)]);
    let asked = cache.ask();
    assert_eq!(cache.learn(&map(&HALVES), &node(1), asked), 1);
    assert_owners(&cache, &[(5, 1)]);
}

#[test]
fn a_map_asked_for_before_a_correction_that_confirmed_does_not_undo_it() {
    let mut cache = halves();
    let asked = cache.ask();
    assert_eq!(moved(&mut cache, 5, 1), Correction::Known);
    cache.learn(&map(&[(2, &[], 0, 16383)]), &node(2), asked);
    assert_owners(&cache, &[(4, 2), (5, 1)]);
}

#[test]
fn a_map_asked_for_before_a_failover_does_not_undo_it_for_any_slot() {
    let mut cache = SlotCache::new();
    let early = cache.ask();
    cache.learn(&hint(&[(1, &[11], 0, 9)]), &node(1), early);
    let asked = cache.ask();
    moved(&mut cache, 5, 11);
    cache.learn(
        &map(&[(1, &[11], 0, 8191), (2, &[], 8192, 16383)]),
        &node(1),
        asked,
    );
    // For slots that were not known, the late map names the former primary and means its shard.
    assert_owners(&cache, &[(0, 11), (9, 11), (10, 11), (8191, 11), (8192, 2)]);
    assert_eq!(cache.replicas_of(10), [node(1)]);
}

#[test]
fn of_two_maps_the_one_asked_for_later_wins_in_whichever_order_they_arrive() {
    let mut cache = SlotCache::new();
    let (first, second) = (cache.ask(), cache.ask());
    cache.learn(&map(&HALVES), &node(1), second);
    let old = map(&[(3, &[], 0, 16382)]);
    assert_eq!(cache.learn(&old, &node(1), first), 0);
    assert_owners(&cache, &[(0, 1), (16383, 2)]);
    assert_eq!(cache.replicas_of(0), [node(11), node(12)]);
}

#[test]
fn moved_is_believed_unless_later_news_name_a_third_node() {
    let mut cache = halves();
    let asked = cache.ask();
    // Meanwhile another command learnt that the slot is at 3.
    moved(&mut cache, 5, 3);
    let late = cache.moved(5, &node(2), Some(&node(1)), asked);
    assert_eq!(late, Correction::Outdated);
    assert_owners(&cache, &[(5, 3)]);
    // But if the owner in the cache says that it is not the owner, it is believed.
    assert_eq!(
        cache.moved(5, &node(2), Some(&node(3)), asked),
        Correction::Patched
    );
    assert_owners(&cache, &[(5, 2)]);
}

#[test]
fn each_redirection_of_one_pipeline_counts() {
    let mut cache = halves();
    let asked = cache.ask();
    cache.moved(5, &node(3), Some(&node(1)), asked);
    cache.moved(5, &node(2), Some(&node(1)), asked);
    assert_owners(&cache, &[(5, 2)]);
}

#[test]
fn the_token_stands_for_a_cache_that_is_the_map_and_nothing_else() {
    let mut cache = halves();
    assert_eq!(cache.token_at(&node(1)), Some(1));
    assert_eq!(
        cache.token_at(&node(2)),
        None,
        "nil hosts mean another node there"
    );
    moved(&mut cache, 5, 2);
    assert_eq!(cache.token_at(&node(1)), None);
    let asked = cache.ask();
    moved(&mut cache, 5, 1);
    cache.learn(&map(&HALVES), &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), None, "a slot was not taken over");
    let asked = cache.ask();
    cache.learn(&hint(&HALVES), &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), None, "a hint is not a map");
}

#[test]
fn a_map_that_is_not_taken_over_whole_leaves_no_token_and_neither_does_an_older_one() {
    let mut cache = halves();
    let command = cache.ask();
    let asked = cache.ask();
    // A correction after the map was requested, which confirms the cache.
    cache.moved(0, &node(1), Some(&node(3)), command);
    let moved = Hint {
        token: 2,
        ..map(&[(1, &[11, 12], 0, 4095), (2, &[21], 4096, 16383)])
    };
    assert_eq!(cache.learn(&moved, &node(1), asked), 4096);
    // Nil to the token 1 would leave slot 5000 where it is now.
    assert_eq!(cache.token_at(&node(1)), None);
}

#[test]
fn a_hint_that_changes_something_ends_the_token_and_one_that_confirms_does_not() {
    let mut cache = halves();
    let asked = cache.ask();
    cache.learn(&hint(&[(1, &[11, 12], 7, 7)]), &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), Some(1));
    let asked = cache.ask();
    cache.learn(&hint(&[(1, &[11], 7, 7)]), &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), None, "a replica less");
    let mut cache = halves();
    let asked = cache.ask();
    cache.learn(&hint(&[(2, &[21], 7, 7)]), &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), None, "another owner");
}

#[test]
fn a_map_without_an_owner_for_a_slot_has_a_token_only_where_none_is_known() {
    let mut cache = SlotCache::new();
    let gap = map(&[(1, &[], 1, 16383)]);
    let asked = cache.ask();
    cache.learn(&gap, &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), Some(1));
    let mut cache = halves();
    let asked = cache.ask();
    cache.learn(&gap, &node(1), asked);
    assert_eq!(cache.token_at(&node(1)), None);
}

#[test]
fn every_change_of_the_nodes_shows_in_the_generation() {
    let mut cache = SlotCache::new();
    let mut before = (cache.generation(), cache.nodes());
    let mut changes = 0;
    let mut look = |cache: &SlotCache| {
        let now = (cache.generation(), cache.nodes());
        if now.1 != before.1 {
            assert_ne!(now.0, before.0);
            changes += 1;
        }
        before = now;
    };
    for hint in [map(&HALVES), map(&[(1, &[11], 0, 16383)]), map(&HALVES)] {
        let asked = cache.ask();
        cache.learn(&hint, &node(1), asked);
        look(&cache);
    }
    for to in [11, 1, 5, 6] {
        moved(&mut cache, 3, to);
        look(&cache);
    }
    assert_eq!(changes, 7);
}

#[test]
fn a_slot_beyond_the_last_is_ignored() {
    let mut cache = halves();
    assert_eq!(moved(&mut cache, 16384, 2), Correction::Outdated);
}
