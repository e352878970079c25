//! Disks that hang, messages that are lost, replicas that lag.

use super::*;

#[test]
fn a_proposal_that_waits_for_a_slow_disk_does_not_speak_for_an_old_position() {
    let mut trio = Trio::founded();
    // A (1) is away: after a second P proposes {B}. Its disk hangs.
    trio.nodes[1].is_up = false;
    trio.hangs[0] = true;
    trio.nodes[0]
        .shard
        .links_changed(&[place(1)], &[false, false, true]);
    trio.run(1500);
    let kept = trio.nodes[0].shard.member().kept();
    assert_ne!(kept, trio.nodes[0].shard.member().persisted_state());
    // Meanwhile: a write ends at 200. B acknowledges it, and it is released.
    trio.nodes[0].position.offset = 200;
    assert_eq!(
        trio.nodes[0].shard.member().releasable([(place(2), 200)]),
        Some(200)
    );
    // B restarts with the RDB of offset 120, continues by PSYNC, and is not level yet.
    trio.restarts(2, false);
    trio.nodes[2].position.offset = 120;
    trio.nodes[0]
        .shard
        .links_changed(&[place(2)], &[false, false, true]);
    assert!(!trio.nodes[2].shard.member().is_voter());
    // The disk of P has it now.
    trio.hangs[0] = false;
    let acts = trio.nodes[0].shard.persisted(kept);
    trio.carry_out(0, acts);
    // P dies, A is back (at 100).
    trio.dies(0);
    trio.nodes[1].is_up = true;
    trio.nodes[1].role = replica_of(0, true);
    trio.run(10_000);
    assert_eq!(
        trio.holder(),
        None,
        "a released write is lost: {:#?}",
        trio.log
    );
}

#[test]
fn two_voters_elect_one_though_only_one_has_the_latest_configuration() {
    let mut trio = Trio::founded();
    trio.nodes[0]
        .shard
        .links_changed(&[place(2)], &[false, true, false]);
    trio.run(1500); // {A}
                    // B links again and confirms; P's stream goes on before the confirmation arrives.
    trio.nodes[0]
        .shard
        .links_changed(&[place(2)], &[false, true, true]);
    let view = trio.view(0);
    let acts = trio.nodes[0].shard.tick(&view);
    trio.nodes[0].position.offset = 200;
    trio.nodes[1].position.offset = 200;
    trio.carry_out(0, acts);
    trio.nodes[2].position.offset = 199;
    trio.dies(0);
    trio.run(120_000);
    assert!(
        trio.holder().is_some(),
        "two voters with data, nobody is elected"
    );
}

#[test]
fn a_configuration_that_only_a_restarted_primary_has_stops_nobody() {
    let mut trio = Trio::founded();
    trio.nodes[0]
        .shard
        .links_changed(&[place(2)], &[false, true, false]);
    trio.is_muted = true;
    trio.run(1500); // {A}, on P's disk only
    trio.is_muted = false;
    trio.restarts(0, true);
    for replica in [1, 2] {
        trio.nodes[replica].role = Role::Replica {
            of: Some(place(0)),
            is_linked: false,
            has_failed: false,
        };
    }
    trio.run(120_000);
    let with_p = trio.holder();
    trio.dies(0);
    trio.run(10_000);
    assert!(with_p.is_some(), "{:#?}", trio.log);
}

#[test]
fn a_replica_that_always_lags_confirms() {
    let mut trio = Trio::founded();
    trio.lag = Some((2, 1500));
    trio.nodes[0]
        .shard
        .links_changed(&[place(2)], &[false, true, true]);
    trio.run(60_000);
    assert!(trio.nodes[0].shard.member().has_granted(place(2)));
}

/// P holds a new term, in which both replicas have confirmed. The disk of B hangs from then on.
#[test]
fn a_disk_that_hangs_does_not_keep_a_term_from_its_first_configuration() {
    let mut trio = Trio::founded();
    let view = trio.view(2);
    let acts = trio.nodes[2].shard.stand(&view);
    trio.carry_out(2, acts.into_iter().take(1).collect());
    let earlier = trio.nodes[0].shard.member().term();
    while trio.nodes[0].shard.member().term() <= earlier {
        trio.run(100);
        assert!(trio.now < 60_000, "{:#?}", trio.log);
    }
    trio.hangs[2] = true;
    trio.run(1000);
    assert_eq!(trio.nodes[0].shard.counting().count(), 0, "B is awaited");
    trio.run(2000);
    let counting = trio.nodes[0].shard.counting();
    assert!(
        counting.contains(place(1)) && counting.count() == 1,
        "{:#?}",
        trio.log
    );
    // It is let in again.
    trio.hangs[2] = false;
    trio.run(12_000);
    assert_eq!(trio.nodes[0].shard.counting().count(), 2, "{:#?}", trio.log);
}
