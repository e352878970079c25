//! The ledger by example.

mod model;
mod users;

use super::*;

fn need(replicas: u32, fsync: u32) -> Need {
    Need { replicas, fsync }
}

fn acks(acked: &[u64]) -> Acks {
    let mut acks = Acks::default();
    let fsynced = acked.iter().map(|acked| Offset::new(acked / 2));
    acks.replace(acked.iter().copied().map(Offset::new), fsynced);
    acks
}

fn first_expired<T>(ledger: &Ledger<T>, now: u64) -> Option<WaitId> {
    ledger.expired(Micros::new(now)).next()
}

fn released(ledger: &mut Ledger<()>, acks: &Acks) -> Vec<WaitId> {
    let mut out = Released::new();
    assert_eq!(ledger.has_releasable(acks), {
        ledger.release(acks, &mut out);
        !out.is_empty()
    });
    out.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_wait_without_an_offset_is_never_released() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    assert_eq!(released(&mut ledger, &acks(&[u64::MAX])), []);
    assert!(ledger.assign(Offset::new(10), &acks(&[])));
    assert_eq!(released(&mut ledger, &acks(&[9])), []);
    assert_eq!(released(&mut ledger, &acks(&[10])), [1]);
    assert!(ledger.is_empty());
}

#[test]
fn waits_leave_in_the_order_of_their_offsets() {
    let mut ledger = Ledger::default();
    for (turn, id) in [(10, 7), (20, 3), (30, 5)] {
        ledger
            .accept(id, need(1, 0), Micros::new(0), None, ())
            .unwrap();
        ledger.assign(Offset::new(turn), &acks(&[]));
    }
    assert_eq!(released(&mut ledger, &acks(&[25])), [7, 3]);
    assert_eq!(released(&mut ledger, &acks(&[30])), [5]);
}

#[test]
fn each_requirement_waits_for_its_own_nth_best_acknowledgement() {
    let mut ledger = Ledger::default();
    for (id, n) in [(1, 1), (2, 2), (3, 3)] {
        ledger
            .accept(id, need(n, 0), Micros::new(0), None, ())
            .unwrap();
    }
    ledger.assign(Offset::new(10), &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[10, 9])), [1]);
    assert_eq!(released(&mut ledger, &acks(&[10, 10])), [2]);
    assert_eq!(released(&mut ledger, &acks(&[10, 10, 10])), [3]);
}

#[test]
fn a_client_that_waits_already_is_refused() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), None, 'a')
        .unwrap();
    assert_eq!(
        ledger.accept(1, need(1, 0), Micros::new(0), None, 'b'),
        Err('b')
    );
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_client_that_left_and_came_back_within_a_turn_waits_once() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), Some(Micros::new(5)), ())
        .unwrap();
    ledger.cancel(1).unwrap();
    ledger
        .accept(1, need(2, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.assign(Offset::new(10), &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[10])), []);
    assert_eq!(released(&mut ledger, &acks(&[10, 10])), [1]);
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn deadlines_are_in_order_and_leave_with_their_wait() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), Some(Micros::new(30)), ())
        .unwrap();
    ledger
        .accept(2, need(1, 0), Micros::new(0), Some(Micros::new(20)), ())
        .unwrap();
    ledger
        .accept(3, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    assert_eq!(ledger.next_deadline(), Some(Micros::new(20)));
    // Wait 2 has no offset, because its turn has not ended. If the turn never ends:
    assert_eq!(first_expired(&ledger, 20), None);
    assert_eq!(
        first_expired(&ledger, 20 + GRACE_WITHOUT_OFFSET.get()),
        Some(2)
    );
    ledger.assign(Offset::new(1), &acks(&[]));
    assert_eq!(first_expired(&ledger, 19), None);
    assert_eq!(first_expired(&ledger, 20), Some(2));
    ledger.cancel(2);
    assert_eq!(ledger.next_deadline(), Some(Micros::new(30)));
    released(&mut ledger, &acks(&[1]));
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn the_oldest_wait_is_the_first_that_has_not_left() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.oldest(), None);
    for (id, since) in [(7, 10), (3, 20), (5, 30), (1, 30)] {
        ledger
            .accept(
                id,
                need(u32::from(since == 20), 0),
                Micros::new(since),
                None,
                (),
            )
            .unwrap();
    }
    ledger.assign(Offset::new(1), &acks(&[]));
    assert_eq!(ledger.oldest(), Some(Micros::new(10)));
    ledger.cancel(7).unwrap();
    assert_eq!(ledger.oldest(), Some(Micros::new(20)));
    // Released waits leave. A lost wait leaves when it is cancelled.
    assert_eq!(released(&mut ledger, &acks(&[])), [1, 5]);
    assert_eq!(ledger.oldest(), Some(Micros::new(20)));
    ledger.lose(Loss::Stream);
    assert_eq!(ledger.oldest(), Some(Micros::new(20)), "it still waits");
    ledger.cancel(3).unwrap();
    assert_eq!(ledger.oldest(), None);
}

#[test]
fn expired_waits_are_found_up_to_a_limit() {
    let mut ledger = Ledger::default();
    for id in 0..5 {
        ledger
            .accept(
                id,
                need(1, 0),
                Micros::new(0),
                Some(Micros::new(10 - id)),
                (),
            )
            .unwrap();
    }
    ledger.assign(Offset::new(1), &acks(&[]));
    let expired = |now, limit| {
        ledger
            .expired(Micros::new(now))
            .take(limit)
            .collect::<Vec<_>>()
    };
    assert_eq!(expired(10, 2), [4, 3]);
    assert_eq!(expired(8, 9), [4, 3, 2]);
    assert_eq!(expired(5, 9), []);
}

#[test]
fn each_lost_wait_is_returned_once_with_its_loss() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.assign(Offset::new(10), &acks(&[]));
    ledger.lose(Loss::Cluster);
    ledger
        .accept(2, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.lose(Loss::Stream);
    assert_eq!(released(&mut ledger, &acks(&[99])), []);
    assert_eq!(ledger.next_lost(), Some((2, Loss::Stream)));
    assert_eq!(ledger.next_lost(), Some((1, Loss::Cluster)));
    assert_eq!(ledger.next_lost(), None);
}

#[test]
fn a_wait_whose_deadline_is_forgotten_still_waits() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), Some(Micros::new(30)), ())
        .unwrap();
    ledger.assign(Offset::new(10), &acks(&[]));
    ledger.forget_deadline(1);
    assert_eq!(first_expired(&ledger, u64::MAX), None);
    assert_eq!(released(&mut ledger, &acks(&[10])), [1]);
}

#[test]
fn a_wait_for_fsyncs_is_found_by_the_offsets_that_a_replica_may_have_fsynced() {
    let mut ledger = Ledger::default();
    for (id, n, offset) in [
        (1, need(2, 1), 10),
        (2, need(2, 1), 20),
        (3, need(1, 0), 30),
    ] {
        ledger.accept(id, n, Micros::new(0), None, ()).unwrap();
        ledger.assign(Offset::new(offset), &acks(&[]));
    }
    let two = acks(&[1, 1]);
    let within = |reported, acked| {
        ledger.wants_fsync_within(Offset::new(reported), Offset::new(acked), &two)
    };
    assert!(within(9, 10) && within(0, 10) && within(10, 20) && within(19, 99));
    assert!(!within(0, 9) && !within(10, 19) && !within(20, 99) && !within(9, 9));
    assert!(!within(u64::MAX, u64::MAX));
    // A single replica cannot meet `REPLICAS 2`.
    assert!(!ledger.wants_fsync_within(Offset::new(0), Offset::new(99), &acks(&[1])));
}

#[test]
fn no_acknowledgement_of_another_stream_releases_a_wait() {
    let mut ledger = Ledger::default();
    ledger
        .accept(1, need(1, 0), Micros::new(0), Some(Micros::new(5)), ())
        .unwrap();
    ledger.assign(Offset::new(10), &acks(&[]));
    ledger
        .accept(2, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.lose(Loss::Stream);
    assert!(ledger.has_lost() && !ledger.has_fresh());
    ledger.assign(Offset::new(20), &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[99])), []);
    // A wait that is accepted afterwards belongs to the next stream.
    ledger
        .accept(3, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.assign(Offset::new(20), &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[99])), [3]);
    assert_eq!(first_expired(&ledger, 5), Some(1), "deadlines go on");
    ledger.cancel(1).unwrap();
    assert_eq!(ledger.next_lost(), Some((2, Loss::Stream)));
    assert_eq!(ledger.next_lost(), None);
    assert!(!ledger.has_lost());
    assert!(ledger.cancel(2).is_some() && ledger.is_empty());
}

#[test]
fn a_client_that_waits_again_after_its_wait_was_lost_has_lost_nothing() {
    let accept = |ledger: &mut Ledger<()>| {
        ledger
            .accept(1, need(1, 0), Micros::new(0), None, ())
            .unwrap();
    };
    // The lost wait had an offset, or its turn had not ended.
    for has_offset in [true, false] {
        // The new wait has none yet, or has got its own.
        for turn_ends in [true, false] {
            let mut ledger = Ledger::default();
            // Another wait is present, so the ledger is never empty.
            ledger
                .accept(2, need(9, 0), Micros::new(0), None, ())
                .unwrap();
            ledger.assign(Offset::new(1), &acks(&[]));
            accept(&mut ledger);
            if has_offset {
                ledger.assign(Offset::new(10), &acks(&[]));
            }
            ledger.lose(Loss::Stream);
            ledger.cancel(1).unwrap();
            accept(&mut ledger);
            if turn_ends {
                ledger.assign(Offset::new(20), &acks(&[]));
            }
            let lost: Vec<_> = std::iter::from_fn(|| ledger.next_lost()).collect();
            assert_eq!(lost, [(2, Loss::Stream)], "{has_offset} {turn_ends}");
            assert_eq!(ledger.get(1).unwrap().loss, None);
            ledger.assign(Offset::new(20), &acks(&[]));
            assert_eq!(released(&mut ledger, &acks(&[20])), [1]);
        }
    }
}

#[test]
fn waits_that_come_and_time_out_for_ever_leave_nothing_behind() {
    let mut ledger = Ledger::default();
    for id in 0..200_000u64 {
        ledger
            .accept(
                id,
                need(2, 1),
                Micros::new(id),
                Some(Micros::new(id + 10)),
                (),
            )
            .unwrap();
        ledger.assign(Offset::new(id), &acks(&[]));
        while let Some(expired) = first_expired(&ledger, id) {
            ledger.cancel(expired).unwrap();
        }
        assert!(ledger.len() <= 11);
    }
    while let Some(id) = first_expired(&ledger, u64::MAX) {
        ledger.cancel(id);
    }
    assert!(
        ledger.is_empty() && ledger.queues.in_use().next().is_none() && ledger.deadlines.is_empty()
    );
    assert!(ledger.accepted.is_empty());
    assert!(ledger.waits.capacity() <= 2 * KEPT_CAPACITY);
    assert!(ledger.fresh.capacity() <= 2 * KEPT_CAPACITY);
}
