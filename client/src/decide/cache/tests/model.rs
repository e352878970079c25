//! The cache against a naive model: a map from slot to owner, where the shard of a slot is all
//! slots with the same owner, and everything is found by looking at every slot.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::node;
use crate::decide::hint::HintNode;

/// Few slots and few nodes, so that things collide.
const FEW_SLOTS: u16 = 6;
const FEW_NODES: u16 = 6;

#[derive(Clone, Debug)]
struct Known {
    owner: u16,
    changed: u64,
    asked: u64,
}

#[derive(Clone, Debug, Default)]
struct Group {
    replicas: Vec<u16>,
    former: Option<u16>,
    failovers: u32,
    told: u64,
    failed_over: u64,
}

#[derive(Default)]
struct Model {
    clock: u64,
    slots: BTreeMap<u16, Known>,
    groups: BTreeMap<u16, Group>,
}

impl Model {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn forget_empty_groups(&mut self) {
        let slots = &self.slots;
        self.groups
            .retain(|owner, _| slots.values().any(|known| known.owner == *owner));
    }

    fn moved(&mut self, slot: u16, to: u16, from: u16, asked: u64) {
        let now = self.tick();
        let known = self.slots.get(&slot).cloned();
        if let Some(known) = &known {
            if known.owner != to && known.asked > asked && known.owner != from {
                return;
            }
        }
        let settled = Known {
            owner: to,
            changed: now,
            asked,
        };
        let led_by_replica = |owner: &u16| self.groups[owner].replicas.contains(&to);
        let old = match &known {
            Some(known) if known.owner == to => {
                self.slots.insert(slot, settled);
                return;
            }
            Some(known) => Some(known.owner).filter(led_by_replica),
            None if self.groups.contains_key(&to) => None,
            None => {
                // Only hints that contradict one another give several. The test skips such steps.
                self.groups.keys().copied().find(led_by_replica)
            }
        };
        let Some(old) = old else {
            self.slots.insert(slot, settled);
            self.groups.entry(to).or_insert_with(|| Group {
                told: now,
                ..Group::default()
            });
            self.forget_empty_groups();
            return;
        };
        self.slots.insert(slot, settled.clone());
        for known in self.slots.values_mut() {
            if known.owner == old || known.owner == to {
                *known = Known {
                    owner: to,
                    changed: now,
                    asked: known.asked.max(asked),
                };
            }
        }
        let mut group = self.groups.remove(&old).unwrap();
        group.replicas.retain(|&replica| replica != to);
        group.failovers += 1;
        if group.failovers == 1 {
            group.replicas.push(old);
        }
        group.former = Some(old);
        (group.told, group.failed_over) = (now, now);
        self.groups.insert(to, group);
    }

    fn learn(&mut self, shards: &[(u16, Vec<u16>)], slots: &[(u16, Option<usize>)], asked: u64) {
        let mut homes = Vec::new();
        for (primary, replicas) in shards {
            let replaced = self
                .groups
                .iter()
                .find(|(_, group)| group.former == Some(*primary) && group.failed_over > asked);
            let home = match replaced {
                Some((&home, _)) if !self.groups.contains_key(primary) => home,
                _ => *primary,
            };
            let group = self.groups.entry(home).or_default();
            if group.told < asked {
                group.replicas = replicas.clone();
                group.replicas.retain(|&replica| replica != home);
                (group.told, group.failovers) = (asked, 0);
            }
            homes.push(home);
        }
        for &(slot, index) in slots {
            // A slot without an owner in the hint stays as it was.
            let Some(index) = index else { continue };
            if self
                .slots
                .get(&slot)
                .is_some_and(|known| known.changed >= asked)
            {
                continue;
            }
            let known = Known {
                owner: homes[index],
                changed: asked,
                asked,
            };
            self.slots.insert(slot, known);
        }
        self.forget_empty_groups();
    }

    fn picture(&self) -> Picture {
        let replicas = |owner: u16| self.groups[&owner].replicas.clone();
        let slots = self.slots.iter();
        slots
            .map(|(&slot, known)| (slot, (known.owner, replicas(known.owner))))
            .collect()
    }
}

/// The owner of each slot that has one, and the owner's replicas.
type Picture = BTreeMap<u16, (u16, Vec<u16>)>;

#[derive(Clone, Debug)]
enum Step {
    /// A question is sent.
    Ask,
    /// MOVED arrives, as the answer to the question `ago` questions before the latest one.
    Moved {
        slot: u16,
        to: u16,
        from: u16,
        ago: usize,
    },
    /// A hint arrives, as such an answer.
    Learn {
        shards: Vec<(u16, Vec<u16>)>,
        slots: Vec<(u16, Option<usize>)>,
        whole: bool,
        ago: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..FEW_SLOTS;
    let any_node = || 0..FEW_NODES;
    let moved =
        (slot, any_node(), any_node(), 0_usize..4).prop_map(|(slot, to, from, ago)| Step::Moved {
            slot,
            to,
            from,
            ago,
        });
    // Each node once: a node is a replica of one shard only.
    let shards = Just((0..FEW_NODES).collect::<Vec<u16>>()).prop_shuffle();
    let owners = prop::collection::vec(prop::option::weighted(0.9, 0_usize..2), 1..6);
    let whole = prop::bool::weighted(0.3);
    let learn =
        (shards, owners, whole, 0_usize..4).prop_map(|(nodes, owners, whole, ago)| Step::Learn {
            shards: vec![
                (nodes[0], nodes[1..3].to_vec()),
                (nodes[3], nodes[4..5].to_vec()),
            ],
            slots: (0..).zip(owners).collect(),
            whole,
            ago,
        });
    prop_oneof![2 => Just(Step::Ask), 4 => moved, 1 => learn]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_says_what_the_naive_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let (mut cache, mut model) = (SlotCache::new(), Model::default());
        let mut questions = vec![(cache.ask(), model.tick())];
        let mut told: Vec<Picture> = Vec::new();
        for step in steps {
            let question = |ago: usize| questions[questions.len().saturating_sub(1 + ago)];
            match step {
                Step::Ask => questions.push((cache.ask(), model.tick())),
                Step::Moved { slot, to, from, ago } => {
                    let (asked, same) = question(ago);
                    // If hints made one node a replica of two shards, either may be the right one.
                    let shards = model.groups.values().filter(|group| group.replicas.contains(&to));
                    if !model.slots.contains_key(&slot) && shards.count() > 1 {
                        continue;
                    }
                    cache.moved(slot, &node(to), Some(&node(from)), asked);
                    model.moved(slot, to, from, same);
                }
                Step::Learn { shards, slots, whole, ago } => {
                    let (asked, same) = question(ago);
                    let formers = |primary: &u16| {
                        model.groups.values().filter(|group| group.former == Some(*primary)).count()
                    };
                    if shards.iter().any(|(primary, _)| formers(primary) > 1) {
                        continue;
                    }
                    let hint = Hint {
                        token: told.len() as i64,
                        nodes: shards
                            .iter()
                            .map(|(primary, replicas)| HintNode {
                                primary: node(*primary),
                                replicas: replicas.iter().copied().map(node).collect(),
                            })
                            .collect(),
                        ranges: slots.iter().map(|&(slot, owner)| (slot, slot, owner)).collect(),
                        is_whole: whole,
                    };
                    let owned = slots.iter().filter_map(|&(slot, index)| Some((slot, shards[index?].clone())));
                    told.push(owned.collect());
                    cache.learn(&hint, &node(0), asked);
                    model.learn(&shards, &slots, same);
                }
            }
            for slot in 0..FEW_SLOTS {
                let known = model.slots.get(&slot);
                let owner = known.map(|known| node(known.owner));
                prop_assert_eq!(cache.primary_of(slot), owner.as_ref(), "owner of slot {}", slot);
                let replicas: Vec<Node> = known
                    .map(|known| model.groups[&known.owner].replicas.clone())
                    .unwrap_or_default()
                    .into_iter()
                    .map(node)
                    .collect();
                prop_assert_eq!(cache.replicas_of(slot), &replicas[..], "replicas of slot {}", slot);
            }
            prop_assert_eq!(cache.known(), model.slots.len());
            // With nil to this token, a server means the map that it gave with the token.
            if let Some(token) = cache.token_at(&node(0)) {
                prop_assert_eq!(&told[token as usize], &model.picture());
            }
        }
    }
}
