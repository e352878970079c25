//! Which links count, by example.

use super::*;
use crate::acks::Need;

mod admission;
mod example;
mod fsyncs;
mod model;
mod unseen;

/// A link of the listing: host, port, online, acknowledged offset.
type Row<'a> = (&'a str, u16, bool, u64);

fn link<'a>(&(host, port, online, acked): &Row<'a>) -> Link<'a> {
    Link {
        host: host.as_bytes(),
        port,
        online,
        acked: Offset::new(acked),
    }
}

fn list(replicas: &mut Replicas, offset: u64, rows: &[Row<'_>]) -> u32 {
    list_at(replicas, offset, 0, rows)
}

fn list_at(replicas: &mut Replicas, offset: u64, now: u64, rows: &[Row<'_>]) -> u32 {
    list_granted(replicas, offset, now, rows, Some(0))
}

/// `granted`: the number of synchronizations since the server started.
fn list_granted(
    replicas: &mut Replicas,
    offset: u64,
    now: u64,
    rows: &[Row<'_>],
    granted: Option<u64>,
) -> u32 {
    replicas.list(
        listing(offset, rows, granted),
        Micros::new(now),
        &FsyncReports::default(),
    );
    replicas.acks().replicas()
}

fn listing<'a>(offset: u64, rows: &[Row<'a>], granted: Option<u64>) -> Listing<'a> {
    Listing {
        offset: Offset::new(offset),
        links: rows.iter().map(link).collect(),
        connected: rows.len(),
        granted,
    }
}

/// Takes what ROLE shows of these rows: the online ones. `None` if a listing is needed.
fn update(replicas: &mut Replicas, offset: u64, rows: &[Row<'_>]) -> Option<u32> {
    let online: Vec<_> = rows.iter().filter(|row| row.2).map(link).collect();
    let fits = replicas.update(
        Offset::new(offset),
        Micros::new(0),
        online.iter().copied(),
        &FsyncReports::default(),
    );
    fits.then(|| replicas.acks().replicas())
}

fn reasons(replicas: &Replicas) -> Vec<Option<Reason>> {
    let fsyncs = FsyncReports::default();
    replicas.statuses(&fsyncs).map(|link| link.reason).collect()
}

#[test]
fn the_first_look_has_to_be_a_listing() {
    let mut replicas = Replicas::default();
    assert!(replicas.needs_listing());
    assert_eq!(list(&mut replicas, 10, &[("a", 1, true, 5)]), 1);
    assert!(!replicas.needs_listing());
    assert_eq!(update(&mut replicas, 10, &[("a", 1, true, 6)]), Some(1));
    assert_eq!(replicas.acks().acknowledged(Offset::new(6)), 1);
}

#[test]
fn an_older_link_counts_once_it_acknowledges_what_came_after_the_newest_link() {
    let mut replicas = Replicas::default();
    assert_eq!(list(&mut replicas, 100, &[("a", 1, true, 100)]), 1);
    replicas.psync_seen();
    assert!(replicas.needs_listing());
    let mut rows = [("a", 1, true, 100), ("a", 1, false, 0)];
    assert_eq!(list(&mut replicas, 120, &rows), 0);
    assert_eq!(
        reasons(&replicas),
        [Some(Reason::SameAddress), Some(Reason::Loading)]
    );
    // An acknowledgement of the baseline itself proves nothing.
    rows[0].3 = 120;
    assert_eq!(list(&mut replicas, 140, &rows), 0);
    replicas.replica_event();
    rows[1] = ("a", 1, true, 0);
    assert_eq!(list(&mut replicas, 140, &rows), 0);
    assert_eq!(replicas.open_baseline(), Some(Offset::new(140)));
    rows[1].3 = 140;
    assert_eq!(update(&mut replicas, 177, &rows), Some(1));
    rows[0].3 = 177;
    assert_eq!(update(&mut replicas, 177, &rows), Some(2));
    assert_eq!(
        replicas.open_baseline(),
        Some(Offset::new(140)),
        "the newest link has not passed it"
    );
    rows[1].3 = 177;
    assert_eq!(update(&mut replicas, 177, &rows), Some(2));
    assert_eq!(replicas.open_baseline(), None);
}

#[test]
fn a_dead_link_beside_a_new_one_of_its_replica_never_counts() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 100, &[("a", 1, true, 100)]);
    replicas.replica_event();
    let mut rows = [("a", 1, true, 100), ("a", 1, true, 0)];
    assert_eq!(list(&mut replicas, 100, &rows), 0);
    for offset in [137, 174, 500] {
        rows[1].3 = offset;
        assert_eq!(update(&mut replicas, offset, &rows), Some(1));
    }
    // The server drops one link. The one that is left might be the old one: it needs a proof.
    replicas.replica_event();
    assert_eq!(list(&mut replicas, 500, &rows[1..]), 0);
    assert_eq!(replicas.open_baseline(), Some(Offset::new(500)));
    rows[1].3 = 537;
    assert_eq!(update(&mut replicas, 537, &rows[1..]), Some(1));
    // Once it is alone and proved, it counts as any other link.
    replicas.replica_event();
    assert_eq!(list(&mut replicas, 600, &rows[1..]), 1);
    rows[1].3 = 1;
    assert_eq!(update(&mut replicas, 600, &rows[1..]), Some(1));
}

#[test]
fn the_link_that_remains_of_a_synchronization_over_two_links_needs_no_proof() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 100, &[]);
    list(
        &mut replicas,
        100,
        &[("a", 1, false, 0), ("a", 1, false, 0)],
    );
    // The link that carried the snapshot goes, and the other one is online.
    replicas.replica_event();
    assert_eq!(list(&mut replicas, 100, &[("a", 1, true, 0)]), 0);
    assert_eq!(update(&mut replicas, 100, &[("a", 1, true, 100)]), Some(1));
    // Or the other one comes online before the link with the snapshot goes.
    let mut replicas = Replicas::default();
    list(&mut replicas, 100, &[]);
    list(
        &mut replicas,
        100,
        &[("a", 1, false, 0), ("a", 1, false, 0)],
    );
    replicas.replica_event();
    list(&mut replicas, 100, &[("a", 1, true, 0), ("a", 1, false, 0)]);
    assert_eq!(list(&mut replicas, 100, &[("a", 1, true, 100)]), 1);
}

#[test]
fn a_link_does_not_inherit_the_proof_of_another_link_in_its_place() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("a", 1, true, 10)];
    list(&mut replicas, 10, &rows);
    rows = [("a", 1, true, 20), ("a", 1, true, 20)];
    assert_eq!(update(&mut replicas, 20, &rows), Some(2));
    // The first link goes and another one comes: as many as before, with the same offsets.
    replicas.replica_event();
    assert_eq!(list(&mut replicas, 20, &rows), 1);
    // Without an event, an offset that falls shows the change.
    rows = [("a", 1, true, 30), ("a", 1, true, 30)];
    assert_eq!(update(&mut replicas, 30, &rows), Some(2));
    rows[0].3 = 29;
    assert_eq!(update(&mut replicas, 30, &rows), None);
    assert!(replicas.needs_listing());
    assert_eq!(list(&mut replicas, 30, &rows), 1);
}

#[test]
fn a_psync_that_anybody_can_send_voids_no_proof() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("a", 1, true, 10)];
    list(&mut replicas, 10, &rows);
    rows = [("a", 1, true, 20), ("a", 1, true, 20)];
    update(&mut replicas, 20, &rows);
    for offset in [20, 30, 40] {
        replicas.psync_seen();
        assert_eq!(list(&mut replicas, offset, &rows), 2);
    }
    // A PSYNC voids no proof either while the newest link is synchronizing.
    let mut rows = [rows[0], rows[1], ("a", 1, false, 0)];
    assert_eq!(list(&mut replicas, 40, &rows), 0);
    (rows[0].3, rows[1].3) = (50, 50);
    for offset in [50, 60, 70] {
        replicas.psync_seen();
        assert_eq!(list(&mut replicas, offset, &rows), 2);
    }
}

#[test]
fn a_granted_synchronization_without_a_new_link_voids_the_proofs() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("a", 1, false, 0)];
    list(&mut replicas, 10, &rows);
    rows[0].3 = 20;
    assert_eq!(update(&mut replicas, 20, &rows), Some(1));
    // As many links in the same states, but one of them may have replaced another.
    replicas.psync_seen();
    assert_eq!(list_granted(&mut replicas, 20, 0, &rows, Some(1)), 0);
}

#[test]
fn a_change_at_one_address_does_not_affect_an_address_with_a_single_link() {
    let mut replicas = Replicas::default();
    let rows = [("a", 1, true, 10), ("b", 1, true, 10), ("b", 1, true, 10)];
    assert_eq!(list(&mut replicas, 10, &rows), 2);
    replicas.replica_event();
    assert_eq!(list(&mut replicas, 10, &rows[..2]), 1);
    assert_eq!(replicas.acks().acknowledged(Offset::new(10)), 1);
}

#[test]
fn links_that_are_loading_have_no_grace() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 10, &[("a", 1, true, 10)]);
    replicas.replica_event();
    let loading = [("a", 1, true, 0), ("a", 1, false, 0)];
    list(&mut replicas, 10, &loading);
    assert_eq!(replicas.counting_for_admission(Micros::new(0)), 0);
}

#[test]
fn two_ports_of_one_host_are_two_replicas() {
    let mut replicas = Replicas::default();
    let rows = [("a", 1, true, 10), ("a", 2, true, 10)];
    assert_eq!(list(&mut replicas, 10, &rows), 2);
    assert_eq!(replicas.open_baseline(), None);
}

#[test]
fn each_link_that_does_not_count_has_a_reason() {
    let mut replicas = Replicas::default();
    replicas.set_allow(ReplicaAllow::parse(b"a:* b:1 c:*").unwrap());
    let rows = [
        ("a", 1, true, 0),
        ("a", 2, false, 0),
        ("a", 0, true, 10),
        ("b", 10007, true, 10),
        ("c", 3, true, 11),
        ("b", 1, true, 10),
    ];
    assert_eq!(list(&mut replicas, 10, &rows), 1);
    let expected = [
        Some(Reason::Loading),
        Some(Reason::Loading),
        Some(Reason::NoListeningPort),
        Some(Reason::NotAllowed),
        Some(Reason::AheadOfPrimary),
        None,
    ];
    assert_eq!(reasons(&replicas), expected);
    assert_eq!(update(&mut replicas, 11, &rows), Some(2));
    assert_eq!(
        (replicas.link_count(), replicas.max_lag(Offset::new(11))),
        (6, 1)
    );
    replicas.set_allow(ReplicaAllow::default());
    assert!(replicas.needs_listing());
    assert_eq!(list(&mut replicas, 11, &rows), 3);
}

#[test]
fn a_replica_that_is_gone_is_forgotten() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 10, &[("a", 1, true, 5), ("b", 2, true, 6)]);
    assert_eq!(update(&mut replicas, 10, &[("b", 2, true, 6)]), None);
    assert_eq!(list(&mut replicas, 10, &[("b", 2, true, 6)]), 1);
    assert_eq!(update(&mut replicas, 10, &[("b", 2, true, 7)]), Some(1));
    replicas.clear();
    assert_eq!((replicas.link_count(), replicas.acks().replicas()), (0, 0));
    assert!(replicas.needs_listing());
}

#[test]
fn after_a_handshake_looks_are_listings_until_four_turns_ended_outside_of_a_pause() {
    let mut replicas = Replicas::default();
    let rows = [("a", 1, true, 10)];
    list(&mut replicas, 10, &rows);
    replicas.psync_seen();
    for paused in [true, true, true, true, true, false, false, true, false] {
        // The number of looks in a turn makes no difference.
        for _ in 0..3 {
            assert!(replicas.needs_listing() && replicas.awaits_psync());
            list(&mut replicas, 10, &rows);
        }
        replicas.turn_ended(paused);
    }
    assert!(replicas.needs_listing());
    replicas.turn_ended(false);
    assert!(!replicas.needs_listing());
}

/// What is heard of a replica at `a:1`. `None` if a look has to show it, or else what the replicas
/// that count have acknowledged.
fn heard(replicas: &mut Replicas, acked: u64, now: u64) -> Option<Option<Offset>> {
    let (acked, now) = (Offset::new(acked), Micros::new(now));
    let taken = replicas.hear((b"a", 1), acked, now, &FsyncReports::default());
    let one = Need {
        replicas: 1,
        fsync: 0,
    };
    taken.then(|| replicas.acks().met_up_to(one))
}

#[test]
fn an_acknowledgement_of_a_lone_link_is_taken_up_to_the_known_end_of_the_stream() {
    let mut replicas = Replicas::default();
    assert_eq!(
        list(
            &mut replicas,
            100,
            &[("a", 1, true, 50), ("b", 2, true, 10)]
        ),
        2
    );
    assert_eq!(heard(&mut replicas, 50, 1), Some(Some(Offset::new(50))));
    assert_eq!(heard(&mut replicas, 100, 2), Some(Some(Offset::new(100))));
    assert_eq!(heard(&mut replicas, 101, 3), None, "more than was written");
    assert_eq!(heard(&mut replicas, 99, 3), None, "less than before");
    let fsyncs = FsyncReports::default();
    let first = replicas.statuses(&fsyncs).next().expect("a link");
    assert_eq!(
        (first.acked, first.acked_changed_at),
        (Offset::new(100), Micros::new(2))
    );
}

#[test]
fn only_a_link_that_is_online_and_was_always_alone_is_heard() {
    for rows in [
        &[("a", 1, true, 50), ("a", 1, true, 50)][..],
        &[("a", 1, false, 0)],
        &[("a", 2, true, 50)],
        &[],
    ] {
        let mut replicas = Replicas::default();
        list(&mut replicas, 100, rows);
        assert_eq!(heard(&mut replicas, 60, 0), None, "{rows:?}");
    }
    // Another link had the same address. The one that is left may be the old one.
    let mut replicas = Replicas::default();
    list(
        &mut replicas,
        100,
        &[("a", 1, true, 50), ("a", 1, true, 50)],
    );
    list(&mut replicas, 100, &[("a", 1, true, 50)]);
    assert_eq!(heard(&mut replicas, 60, 0), None);
}

#[test]
fn a_link_that_may_not_count_is_heard_and_does_not_count() {
    let mut replicas = Replicas::default();
    let allow = ReplicaAllow::parse(b"b:*").expect("a pattern");
    replicas.set_allow(allow);
    assert_eq!(list(&mut replicas, 100, &[("a", 1, true, 50)]), 0);
    assert_eq!(heard(&mut replicas, 60, 0), Some(None));
}

#[test]
fn an_offset_that_was_claimed_before_it_was_written_proves_nothing_later() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("a", 1, true, 10)];
    assert_eq!(list(&mut replicas, 10, &rows), 1);
    rows[0].3 = 1000;
    for offset in [100, 1000, 2000] {
        assert_eq!(update(&mut replicas, offset, &rows), Some(1));
    }
    rows[0].3 = 1001;
    assert_eq!(update(&mut replicas, 2000, &rows), Some(2));
}

#[test]
fn the_time_of_the_last_change_is_kept_while_the_acknowledged_offset_stays() {
    let mut replicas = Replicas::default();
    let moved = |replicas: &mut Replicas, now, rows: &[Row<'_>]| {
        list_at(replicas, 10, now, rows);
        let fsyncs = FsyncReports::default();
        let moved: Vec<_> = replicas
            .statuses(&fsyncs)
            .map(|link| link.acked_changed_at.get())
            .collect();
        moved
    };
    assert_eq!(moved(&mut replicas, 1, &[("a", 1, true, 5)]), [1]);
    assert_eq!(moved(&mut replicas, 2, &[("a", 1, true, 5)]), [1]);
    assert_eq!(moved(&mut replicas, 3, &[("a", 1, true, 6)]), [3]);
    let two = [("a", 1, true, 6), ("a", 1, false, 0)];
    assert_eq!(moved(&mut replicas, 4, &two), [3, 4]);
}
