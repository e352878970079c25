//! What a member does where the cluster does not agree with the group.

use super::*;

#[test]
fn a_replica_that_goes_on_following_a_dead_primary_is_led_to_the_holder() {
    let mut trio = Trio::founded();
    trio.dies(0);
    trio.run(3000);
    let holder = trio.holder().expect("one was elected");
    let other = 3 - holder;
    // The cluster has not told the other one.
    trio.nodes[other].role = replica_of(0, true);
    let linked = [false; 3];
    let changed = [place(other)];
    trio.nodes[holder].shard.links_changed(&changed, &linked);
    trio.run(8000);
    let follow = format!("{other}: {:?}", Act::Follow(place(holder)));
    let claim = format!("{holder}: {:?}", Act::Claim);
    assert!(trio.log.contains(&follow), "{:#?}", trio.log);
    assert!(trio.log.contains(&claim), "{:#?}", trio.log);
}

#[test]
fn the_cluster_is_left_alone_while_all_members_follow_the_holder() {
    let mut trio = Trio::founded();
    trio.run(5000);
    trio.dies(0);
    trio.run(10_000);
    assert!(trio.holder().is_some());
    let is_help = |line: &&String| line.contains("Follow") || line.contains("Claim");
    assert_eq!(trio.log.iter().find(is_help), None);
}

#[test]
fn a_member_that_is_not_heard_gets_its_repeated_messages_seldom() {
    let mut trio = Trio::founded();
    let status = Body::Status(trio.nodes[0].shard.status(&trio.view(0)));
    let sent = |trio: &mut Trio, now| trio.nodes[0].shard.may_send(place(1), &status, now);
    let now = trio.now;
    assert!((0..9).all(|step| sent(&mut trio, now + step * 100)));
    let silent = now + FRESH;
    let times = (0..10).filter(|step| sent(&mut trio, silent + step * 100));
    assert_eq!(times.count(), 1);
}

#[test]
fn a_primary_that_was_replaced_does_not_claim_its_place_again() {
    let mut trio = Trio::founded();
    // It was cut off, and hears what the others have done meanwhile.
    trio.nodes[0]
        .shard
        .links_changed(&[place(1), place(2)], &[false; 3]);
    for other in [1, 2] {
        let mut status = trio.nodes[other].shard.status(&trio.view(other));
        status.promise = status.promise.next(place(1)).expect("there is one");
        let view = trio.view(0);
        trio.nodes[0]
            .shard
            .received(place(other), &Body::Status(status), &view);
    }
    let told = |trio: &mut Trio| {
        trio.now += 1500;
        let view = trio.view(0);
        trio.nodes[0].shard.claims(view.now)
    };
    assert!(!told(&mut trio));
    // Without that it would.
    for other in [1, 2] {
        let status = trio.nodes[other].shard.status(&trio.view(other));
        let view = trio.view(0);
        trio.nodes[0]
            .shard
            .received(place(other), &Body::Status(status), &view);
    }
    assert!(told(&mut trio));
}
