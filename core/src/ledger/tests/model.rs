//! The ledger against a naive model that scans everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// One step of the ledger.
#[derive(Clone, Debug)]
enum LedgerStep {
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
    Attribute {
        id: u64,
        user: u8,
    },
    Cancel {
        id: u64,
    },
    Expire {
        after: u64,
    },
    Lose {
        loss: Loss,
        turned_away: usize,
    },
}

/// A requirement that no number of replicas meets.
const LOST: Need = Need {
    replicas: u32::MAX,
    fsync: 0,
};

fn acked() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..120u64, 0..4)
}

fn steps() -> impl Strategy<Value = Vec<LedgerStep>> {
    let step = prop_oneof![
        4 => (0..30u64, 0..4u32, 0..3u32, proptest::option::of(0..60u64)).prop_map(
            |(id, replicas, fsync, deadline)| LedgerStep::Accept { id, need: need(replicas, fsync), deadline }
        ),
        3 => (0..5u64, acked()).prop_map(|(bytes, acked)| LedgerStep::EndTurn { bytes, acked }),
        3 => acked().prop_map(|acked| LedgerStep::Acknowledge { acked }),
        2 => (0..30u64, 0..3u8).prop_map(|(id, user)| LedgerStep::Attribute { id, user }),
        1 => (0..30u64).prop_map(|id| LedgerStep::Cancel { id }),
        1 => (0..20u64).prop_map(|after| LedgerStep::Expire { after }),
        1 => (prop_oneof![Just(Loss::Stream), Just(Loss::Cluster)], 0..30usize)
            .prop_map(|(loss, turned_away)| LedgerStep::Lose { loss, turned_away }),
    ];
    prop::collection::vec(step, 0..120)
}

/// The rule in its simplest form: every step looks at every wait.
#[derive(Default)]
struct Model {
    /// By id: the requirement, the offset, the deadline, and when the wait was accepted.
    waits: BTreeMap<u64, (Need, Option<u64>, Option<u64>, u64)>,
    /// The attributed waits. Entries of ended waits are ignored.
    users: BTreeMap<u64, u8>,
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
    fn the_ledger_equals_a_scan_of_all_waits(steps in steps()) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        let (mut offset, mut now) = (1u64, 0u64);
        for step in steps {
            match step {
                LedgerStep::Accept { id, need, deadline } => {
                    let deadline = deadline.map(|d| now + d);
                    let accepted = ledger.accept(id, need, Micros::new(now), deadline.map(Micros::new), id).is_ok();
                    prop_assert_eq!(accepted, !model.waits.contains_key(&id));
                    model.waits.entry(id).or_insert((need, None, deadline, now));
                }
                LedgerStep::EndTurn { bytes, acked } => {
                    offset += bytes;
                    let fresh = model.waits.values_mut().filter(|w| w.1.is_none());
                    let unmet = fresh.map(|w| { w.1 = Some(offset); w.0 })
                        .filter(|&need| !enough(&acked, need, offset)).count() > 0;
                    prop_assert_eq!(ledger.assign(Offset::new(offset), &acks(&acked)), unmet);
                }
                LedgerStep::Acknowledge { acked } => {
                    let mut out = Released::new();
                    ledger.release(&acks(&acked), &mut out);
                    for (id, wait) in &out {
                        prop_assert_eq!(*id, wait.payload);
                    }
                    let out: BTreeSet<u64> = out.into_iter().map(|(id, _)| id).collect();
                    prop_assert_eq!(out, model.release(&acked));
                }
                LedgerStep::Attribute { id, user } => {
                    ledger.attribute(id, &[user]);
                    if model.waits.contains_key(&id) {
                        model.users.entry(id).or_insert(user);
                    }
                }
                LedgerStep::Cancel { id } => {
                    prop_assert_eq!(ledger.cancel(id).is_some(), model.waits.remove(&id).is_some());
                }
                LedgerStep::Expire { after } => {
                    now += after;
                    while let Some(id) = first_expired(&ledger, now) {
                        let wait = ledger.cancel(id).unwrap();
                        prop_assert!(wait.deadline.is_some_and(|d| d <= Micros::new(now)));
                        prop_assert_eq!(model.waits.remove(&id).and_then(|w| w.2).map(Micros::new), wait.deadline);
                    }
                    // A wait without an offset does not expire yet.
                    let due = |w: &(Need, Option<u64>, Option<u64>, u64)| w.1.is_some() && w.2.is_some_and(|d| d <= now);
                    prop_assert!(!model.waits.values().any(due));
                }
                LedgerStep::Lose { loss, turned_away } => {
                    ledger.lose(loss);
                    for wait in model.waits.values_mut() {
                        (wait.0, wait.1) = (LOST, Some(u64::MAX));
                    }
                    for _ in 0..turned_away {
                        let Some((id, _)) = ledger.next_lost() else {
                            prop_assert!(model.waits.is_empty());
                            break;
                        };
                        prop_assert!(ledger.cancel(id).is_some() && model.waits.remove(&id).is_some());
                    }
                }
            }
            prop_assert_eq!(ledger.len(), model.waits.len());
            model.users.retain(|id, _| model.waits.contains_key(id));
            for user in 0..3u8 {
                let count = model.users.values().filter(|&&own| own == user).count();
                prop_assert_eq!(ledger.waits_of(&[user]), count);
            }
            prop_assert_eq!(ledger.unattributed().len(), model.waits.len() - model.users.len());
            prop_assert_eq!(ledger.next_deadline(), model.waits.values().filter_map(|w| w.2).min().map(Micros::new));
            prop_assert_eq!(ledger.oldest(), model.waits.values().map(|w| w.3).min().map(Micros::new));
            prop_assert_eq!(ledger.accepted.len(), model.waits.len());
            prop_assert_eq!(ledger.deadlines.len(), model.waits.values().filter(|w| w.2.is_some()).count());
            let queued: usize = ledger.queues.in_use().map(|(_, queue)| queue.len()).sum();
            prop_assert_eq!(queued, model.waits.values().filter(|w| w.1.is_some() && w.0 != LOST).count());
            prop_assert!(ledger.queues.in_use().all(|(_, queue)| !queue.is_empty()));
        }
    }
}
