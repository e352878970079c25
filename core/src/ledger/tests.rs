//! The ledger by example, and against a naive model that scans everything.

use proptest::prelude::*;

use super::*;

fn need(replicas: u32, fsync: u32) -> Need {
    Need { replicas, fsync }
}

fn acks(acked: &[u64]) -> Acks {
    let mut acks = Acks::default();
    let fsynced = acked.iter().map(|acked| acked / 2);
    acks.replace(acked.iter().copied(), fsynced);
    acks
}

fn released(ledger: &mut Ledger<()>, acks: &Acks) -> Vec<WaitId> {
    let mut out = Vec::new();
    assert_eq!(ledger.has_releasable(acks), {
        ledger.release(acks, &mut out);
        !out.is_empty()
    });
    out.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_wait_without_an_offset_is_never_released() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, None, ()).unwrap();
    assert_eq!(released(&mut ledger, &acks(&[u64::MAX])), []);
    assert!(ledger.assign(10, &acks(&[])));
    assert_eq!(released(&mut ledger, &acks(&[9])), []);
    assert_eq!(released(&mut ledger, &acks(&[10])), [1]);
    assert!(ledger.is_empty());
}

#[test]
fn waits_leave_in_the_order_of_their_offsets() {
    let mut ledger = Ledger::default();
    for (turn, id) in [(10, 7), (20, 3), (30, 5)] {
        ledger.accept(id, need(1, 0), 0, None, ()).unwrap();
        ledger.assign(turn, &acks(&[]));
    }
    assert_eq!(released(&mut ledger, &acks(&[25])), [7, 3]);
    assert_eq!(released(&mut ledger, &acks(&[30])), [5]);
}

#[test]
fn each_requirement_waits_for_its_own_nth_best_acknowledgement() {
    let mut ledger = Ledger::default();
    for (id, n) in [(1, 1), (2, 2), (3, 3)] {
        ledger.accept(id, need(n, 0), 0, None, ()).unwrap();
    }
    ledger.assign(10, &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[10, 9])), [1]);
    assert_eq!(released(&mut ledger, &acks(&[10, 10])), [2]);
    assert_eq!(released(&mut ledger, &acks(&[10, 10, 10])), [3]);
}

#[test]
fn a_client_that_waits_already_is_refused() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, None, 'a').unwrap();
    assert_eq!(ledger.accept(1, need(1, 0), 0, None, 'b'), Err('b'));
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_client_that_left_and_came_back_within_a_turn_waits_once() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, Some(5), ()).unwrap();
    ledger.cancel(1).unwrap();
    ledger.accept(1, need(2, 0), 0, None, ()).unwrap();
    ledger.assign(10, &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[10])), []);
    assert_eq!(released(&mut ledger, &acks(&[10, 10])), [1]);
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn deadlines_are_told_earliest_first_and_vanish_with_their_wait() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, Some(30), ()).unwrap();
    ledger.accept(2, need(1, 0), 0, Some(20), ()).unwrap();
    ledger.accept(3, need(1, 0), 0, None, ()).unwrap();
    assert_eq!(ledger.next_deadline(), Some(20));
    assert_eq!(ledger.expired(19), None);
    assert_eq!(ledger.expired(20), Some(2));
    ledger.cancel(2);
    assert_eq!(ledger.next_deadline(), Some(30));
    ledger.assign(1, &acks(&[]));
    released(&mut ledger, &acks(&[1]));
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn the_oldest_wait_is_the_first_that_has_not_left() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.oldest(), None);
    for (id, since) in [(7, 10), (3, 20), (5, 30), (1, 30)] {
        ledger
            .accept(id, need(u32::from(since == 20), 0), since, None, ())
            .unwrap();
    }
    ledger.assign(1, &acks(&[]));
    assert_eq!(ledger.oldest(), Some(10));
    ledger.cancel(7).unwrap();
    assert_eq!(ledger.oldest(), Some(20));
    // One that was released leaves, and so does one whose stream was lost.
    assert_eq!(released(&mut ledger, &acks(&[])), [1, 5]);
    assert_eq!(ledger.oldest(), Some(20));
    ledger.lose_stream();
    assert_eq!(ledger.oldest(), Some(20), "it still waits");
    ledger.cancel(3).unwrap();
    assert_eq!(ledger.oldest(), None);
}

#[test]
fn a_wait_whose_deadline_is_forgotten_still_waits() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, Some(30), ()).unwrap();
    ledger.assign(10, &acks(&[]));
    ledger.forget_deadline(1);
    assert_eq!(ledger.expired(u64::MAX), None);
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
        ledger.accept(id, n, 0, None, ()).unwrap();
        ledger.assign(offset, &acks(&[]));
    }
    let two = acks(&[1, 1]);
    let within = |told, acked| ledger.wants_fsync_within(told, acked, &two);
    assert!(within(9, 10) && within(0, 10) && within(10, 20) && within(19, 99));
    assert!(!within(0, 9) && !within(10, 19) && !within(20, 99) && !within(9, 9));
    assert!(!within(u64::MAX, u64::MAX));
    // One replica alone cannot meet it, whatever it has fsynced.
    assert!(!ledger.wants_fsync_within(0, 99, &acks(&[1])));
}

#[test]
fn no_acknowledgement_of_another_stream_releases_a_wait() {
    let mut ledger = Ledger::default();
    ledger.accept(1, need(1, 0), 0, Some(5), ()).unwrap();
    ledger.assign(10, &acks(&[]));
    ledger.accept(2, need(1, 0), 0, None, ()).unwrap();
    ledger.lose_stream();
    assert!(ledger.has_lost() && !ledger.has_fresh());
    ledger.assign(20, &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[99])), []);
    // One that came after is of the next stream.
    ledger.accept(3, need(1, 0), 0, None, ()).unwrap();
    ledger.assign(20, &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[99])), [3]);
    assert_eq!(ledger.expired(5), Some(1), "deadlines go on");
    ledger.cancel(1).unwrap();
    assert_eq!(ledger.next_lost(), Some(2));
    assert_eq!(ledger.next_lost(), None);
    assert!(!ledger.has_lost());
    assert!(ledger.cancel(2).is_some() && ledger.is_empty());
}

#[test]
fn waits_that_come_and_time_out_for_ever_leave_nothing_behind() {
    let mut ledger = Ledger::default();
    for id in 0..200_000u64 {
        ledger
            .accept(id, need(2, 1), id, Some(id + 10), ())
            .unwrap();
        ledger.assign(id, &acks(&[]));
        while let Some(expired) = ledger.expired(id) {
            ledger.cancel(expired).unwrap();
        }
        assert!(ledger.len() <= 11);
    }
    while let Some(id) = ledger.expired(u64::MAX) {
        ledger.cancel(id);
    }
    assert!(ledger.is_empty() && ledger.queues.is_empty() && ledger.deadlines.is_empty());
    assert!(ledger.accepted.is_empty());
    assert!(ledger.waits.capacity() <= 2 * KEPT_CAPACITY);
    assert!(ledger.fresh.capacity() <= 2 * KEPT_CAPACITY);
}

/// One step that a server could make the ledger take.
#[derive(Clone, Debug)]
enum Step {
    Accept {
        id: u64,
        need: Need,
        deadline: Option<u64>,
    },
    EndTurn {
        bytes: u64,
        acked: Vec<u64>,
    },
    Acknowledge {
        acked: Vec<u64>,
    },
    Cancel {
        id: u64,
    },
    Expire {
        after: u64,
    },
    LoseStream {
        turned_away: usize,
    },
}

/// What no number of replicas meets.
const LOST: Need = Need {
    replicas: u32::MAX,
    fsync: 0,
};

fn acked() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..120u64, 0..4)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..30u64, 0..4u32, 0..3u32, proptest::option::of(0..60u64)).prop_map(
            |(id, replicas, fsync, deadline)| Step::Accept { id, need: need(replicas, fsync), deadline }
        ),
        3 => (0..5u64, acked()).prop_map(|(bytes, acked)| Step::EndTurn { bytes, acked }),
        3 => acked().prop_map(|acked| Step::Acknowledge { acked }),
        1 => (0..30u64).prop_map(|id| Step::Cancel { id }),
        1 => (0..20u64).prop_map(|after| Step::Expire { after }),
        1 => (0..30usize).prop_map(|turned_away| Step::LoseStream { turned_away }),
    ];
    prop::collection::vec(step, 0..120)
}

/// The rule said plainly: every wait is looked at, every time.
#[derive(Default)]
struct Model {
    waits: BTreeMap<u64, (Need, Option<u64>, Option<u64>, u64)>,
}

fn enough(acked: &[u64], need: Need, offset: u64) -> bool {
    acked.iter().filter(|&&a| a >= offset).count() >= need.replicas as usize
        && acked.iter().filter(|&&a| a / 2 >= offset).count() >= need.fsync as usize
}

impl Model {
    fn release(&mut self, acked: &[u64]) -> BTreeSet<u64> {
        let done: BTreeSet<u64> = self
            .waits
            .iter()
            .filter(|(_, (need, offset, ..))| offset.is_some_and(|o| enough(acked, *need, o)))
            .map(|(&id, _)| id)
            .collect();
        self.waits.retain(|id, _| !done.contains(id));
        done
    }
}

proptest! {
    #[test]
    fn the_ledger_does_what_a_scan_of_everything_would_do(steps in steps()) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        let (mut offset, mut now) = (1u64, 0u64);
        for step in steps {
            match step {
                Step::Accept { id, need, deadline } => {
                    let deadline = deadline.map(|d| now + d);
                    let accepted = ledger.accept(id, need, now, deadline, id).is_ok();
                    prop_assert_eq!(accepted, !model.waits.contains_key(&id));
                    model.waits.entry(id).or_insert((need, None, deadline, now));
                }
                Step::EndTurn { bytes, acked } => {
                    offset += bytes;
                    let fresh = model.waits.values_mut().filter(|w| w.1.is_none());
                    let unmet = fresh.map(|w| { w.1 = Some(offset); w.0 })
                        .filter(|&need| !enough(&acked, need, offset)).count() > 0;
                    prop_assert_eq!(ledger.assign(offset, &acks(&acked)), unmet);
                }
                Step::Acknowledge { acked } => {
                    let mut out = Vec::new();
                    ledger.release(&acks(&acked), &mut out);
                    for (id, wait) in &out {
                        prop_assert_eq!(*id, wait.payload);
                    }
                    let out: BTreeSet<u64> = out.into_iter().map(|(id, _)| id).collect();
                    prop_assert_eq!(out, model.release(&acked));
                }
                Step::Cancel { id } => {
                    prop_assert_eq!(ledger.cancel(id).is_some(), model.waits.remove(&id).is_some());
                }
                Step::Expire { after } => {
                    now += after;
                    while let Some(id) = ledger.expired(now) {
                        let wait = ledger.cancel(id).unwrap();
                        prop_assert!(wait.deadline.is_some_and(|d| d <= now));
                        prop_assert_eq!(model.waits.remove(&id).and_then(|w| w.2), wait.deadline);
                    }
                    prop_assert!(!model.waits.values().any(|w| w.2.is_some_and(|d| d <= now)));
                }
                Step::LoseStream { turned_away } => {
                    ledger.lose_stream();
                    for wait in model.waits.values_mut() {
                        (wait.0, wait.1) = (LOST, Some(u64::MAX));
                    }
                    for _ in 0..turned_away {
                        let Some(id) = ledger.next_lost() else {
                            prop_assert!(model.waits.is_empty());
                            break;
                        };
                        prop_assert!(ledger.cancel(id).is_some() && model.waits.remove(&id).is_some());
                    }
                }
            }
            prop_assert_eq!(ledger.len(), model.waits.len());
            prop_assert_eq!(ledger.next_deadline(), model.waits.values().filter_map(|w| w.2).min());
            prop_assert_eq!(ledger.oldest(), model.waits.values().map(|w| w.3).min());
            prop_assert_eq!(ledger.accepted.len(), model.waits.len());
            prop_assert_eq!(ledger.deadlines.len(), model.waits.values().filter(|w| w.2.is_some()).count());
            let queued: usize = ledger.queues.values().map(BTreeSet::len).sum();
            prop_assert_eq!(queued, model.waits.values().filter(|w| w.1.is_some() && w.0 != LOST).count());
            prop_assert!(ledger.queues.values().all(|q| !q.is_empty()));
        }
    }
}
