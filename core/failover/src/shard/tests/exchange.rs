//! Lists of members that are told, and exchanges that cannot go on.

use super::*;
use crate::{Body, Change, Exchange, Membership, Version};

fn node(byte: u8) -> NodeId {
    NodeId([byte; 20])
}

/// A list that was made in term 1, with another node in one place.
fn list(trio: &Trio, place: u8, new: u8, number: u32) -> Definition {
    let version = Version {
        term: Member::founding_ballot(MemberId(0)),
        number,
    };
    let own = trio.nodes[0].shard.definition();
    own.with(MemberId(place), node(new), version)
        .expect("a group")
}

fn change(definition: Definition, joining: Option<u8>, counter: u64) -> Change {
    Change {
        definition,
        joining: joining.map(MemberId),
        confirmed_in: Ballot {
            counter,
            author: Some(MemberId(0)),
        },
    }
}

#[test]
fn a_member_takes_a_list_and_the_old_node_waits_until_the_new_one_has_joined() {
    let mut trio = Trio::founded();
    let told = change(list(&trio, 2, 9, 1), Some(2), 1);
    let acts = trio.nodes[1].shard.told(node(0), &told);
    assert!(acts.iter().any(|act| matches!(act, Act::Persist(_))));
    assert_eq!(trio.nodes[1].shard.joining(), Some(node(9)));
    let old = &mut trio.nodes[2].shard;
    assert_eq!(old.told(node(0), &told), []);
    let finished = Change {
        joining: None,
        ..told
    };
    assert_eq!(old.told(node(0), &finished), [Act::Leave(finished.clone())]);
}

#[test]
fn a_list_that_does_not_count_is_answered_with_the_own_one() {
    let mut trio = Trio::founded();
    let told = change(list(&trio, 2, 9, 1), Some(2), 0);
    let later = Ballot {
        counter: 7,
        author: Some(MemberId(1)),
    };
    // It was confirmed in a later term by the old list.
    let kept = Kept {
        configuration: Configuration {
            term: later,
            number: 1,
            replicas: [MemberId(2)].into_iter().collect(),
        },
        ..Kept::promised(later)
    };
    let definition = trio.nodes[2].shard.definition().clone();
    trio.nodes[2].shard = Shard::new(definition, place(2), kept, Start(1)).expect("a member");
    let old = &mut trio.nodes[2].shard;
    assert_eq!(old.told(node(0), &told), [Act::Tell(node(0))]);
    let stranger = change(list(&trio, 2, 9, 1), Some(2), 9);
    let old = &mut trio.nodes[2].shard;
    assert_eq!(old.told(node(8), &stranger), [], "from nobody of the group");
}

#[test]
fn a_node_that_is_to_join_again_leaves_first() {
    let mut trio = Trio::founded();
    // Its own place, in a list by which it was exchanged and comes back.
    let told = change(list(&trio, 2, 2, 2), Some(2), 1);
    let acts = trio.nodes[2].shard.told(node(0), &told);
    assert_eq!(acts, [Act::Leave(told)]);
    // Another place.
    let members = vec![node(0), node(2), node(7)];
    let told = change(
        Definition {
            members,
            ..list(&trio, 1, 8, 3)
        },
        None,
        1,
    );
    let acts = trio.nodes[2].shard.told(node(0), &told);
    assert_eq!(acts, [Act::Leave(told)]);
}

#[test]
fn an_exchange_is_given_up_when_too_few_others_are_confirmed() {
    let mut trio = Trio::founded();
    let begins = trio.nodes[0].shard.exchange(node(2), node(9));
    let Ok(Exchange::MayBegin(seat, list)) = begins else {
        panic!("{begins:?}");
    };
    trio.hangs[1] = true;
    trio.nodes[0].shard.begin_exchange(seat, list);
    assert!(trio.nodes[0].shard.is_exchanging());
    trio.nodes[1].is_up = false;
    trio.nodes[0]
        .shard
        .links_changed(&[place(1)], &[false, false, true]);
    trio.run(300);
    assert!(!trio.nodes[0].shard.is_exchanging(), "{:#?}", trio.log);
    trio.run(3000);
    let counting = trio.nodes[0].shard.counting();
    assert!(counting.contains(place(2)), "{:#?}", trio.log);
    assert_eq!(trio.nodes[0].shard.member().membership(), Membership::FIRST);
}

#[test]
fn an_exchange_goes_on_until_the_new_node_is_asked_to_join() {
    let mut trio = Trio::founded();
    let begins = trio.nodes[0].shard.exchange(node(2), node(9));
    let Ok(Exchange::MayBegin(seat, list)) = begins else {
        panic!("{begins:?}");
    };
    trio.nodes[0].shard.begin_exchange(seat, list);
    let mut asked = false;
    for _ in 0..50 {
        trio.now += 100;
        for index in 0..2 {
            let view = trio.view(index);
            let acts = trio.nodes[index].shard.tick(&view);
            asked |= acts
                .iter()
                .any(|act| matches!(act, Act::Send(to, Body::Join(..)) if *to == place(2)));
            trio.carry_out(index, acts);
        }
        // The bus delivers lists by the node's id.
        let told = trio.nodes[0].shard.list();
        if told.definition.version != trio.nodes[1].shard.definition().version {
            let acts = trio.nodes[1].shard.told(node(0), &told);
            trio.carry_out(1, acts);
        }
    }
    assert!(asked, "{:#?}", trio.log);
    let in_force = trio.nodes[0].shard.member().in_force();
    assert!(in_force.is_some_and(|replicas| !replicas.contains(place(2))));
}
