//! The cache: which shard has a slot, and which node is the primary of the shard. Pure: no
//! connection, no clock.
//!
//! A slot points to a shard. A shard is a primary and its known replicas. One hint teaches a slot,
//! and one `MOVED` patches a slot. A `MOVED` to a replica of the slot's shard moves every slot of
//! that shard: a replica owns no slots, so this one has been promoted.
//!
//! Answers overtake one another. Each question gets a number when it is sent ([`SlotCache::ask`]),
//! and each correction when it arrives. A hint never undoes a correction that arrived after the
//! hint was requested. Of two hints the one that was requested later wins, in whichever order they
//! arrive.
//!
//! A slot that is known is never forgotten: it only gets another owner. If a hint names no owner
//! for it, the owner in the cache stays, for one of two reasons:
//!
//! - The slot really has no owner. Then the former owner is as good a node to ask as any: it
//!   answers `CLUSTERDOWN`, and `MOVED` as soon as there is an owner.
//! - The node that gave the hint has left the cluster, is new in it, or has lost contact with it.
//!   Then the owner in the cache is right.

mod asked;
mod shards;

use durable_core::slot::SLOTS;

pub use self::asked::Asked;
use self::shards::{Shard, Shards};
use crate::decide::hint::Hint;
use crate::decide::node::Node;

/// What a correction did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The cache had it already.
    Known,
    /// The slot alone was changed.
    Patched,
    /// The node was a replica of the slot's shard: the whole shard, with so many slots, has moved
    /// to it.
    FailedOver(usize),
    /// Nothing was changed: the cache has its answer from a later question to another node. The
    /// command itself follows its redirection all the same.
    Outdated,
}

/// Slots, shards, and how recent each piece of knowledge is.
#[derive(Clone, Debug)]
pub struct SlotCache {
    clock: u64,
    slots: Vec<Entry>,
    shards: Shards,
    /// The token of the whole map that the cache is equal to, and the node that gave the map.
    token: Option<(Node, i64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    shard: Option<usize>,
    /// When the correction arrived, or when the hint was requested.
    changed: u64,
    /// When the question was sent.
    asked: u64,
}

impl Default for SlotCache {
    fn default() -> Self {
        Self::new()
    }
}

impl SlotCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            clock: 0,
            slots: vec![Entry::default(); usize::from(SLOTS)],
            shards: Shards::default(),
            token: None,
        }
    }

    /// The number of a question. Call this before a command or a request for hints is sent, and
    /// pass the number with the answer.
    pub fn ask(&mut self) -> Asked {
        Asked(self.tick())
    }

    /// The primary of the slot's shard.
    pub fn primary_of(&self, slot: u16) -> Option<&Node> {
        self.shard_of(slot).map(|shard| &shard.primary)
    }

    /// The known replicas of the slot's shard; none for an unknown slot.
    pub fn replicas_of(&self, slot: u16) -> &[Node] {
        self.shard_of(slot).map_or(&[], |shard| &shard.replicas)
    }

    /// Every known node once, the primaries first.
    pub fn nodes(&self) -> Vec<Node> {
        self.shards.nodes()
    }

    /// A number that changes whenever [`SlotCache::nodes`] may have changed.
    pub(crate) fn generation(&self) -> u64 {
        self.shards.generation()
    }

    /// How many slots are known.
    pub fn known(&self) -> usize {
        self.shards.all().map(|shard| shard.slots).sum()
    }

    /// The token to send with `SLOTHINT.MAP` to `node`: nil then means that the map has not
    /// changed. `None` if another node gave the last map, or if corrections or gaps make the cache
    /// differ from the map.
    pub fn token_at(&self, node: &Node) -> Option<i64> {
        let (told_by, token) = self.token.as_ref()?;
        (told_by == node).then_some(*token)
    }

    /// Learns that `to` owns the slot, from a command that was sent at `asked`: `from` answered
    /// `MOVED`, or, without `from`, `to` has executed a command of a slot that was not known to be
    /// its own.
    pub fn moved(&mut self, slot: u16, to: &Node, from: Option<&Node>, asked: Asked) -> Correction {
        let now = self.tick();
        let Some(&entry) = self.slots.get(usize::from(slot)) else {
            return Correction::Outdated;
        };
        let shard = entry.shard.and_then(|at| self.shards.at(at));
        if let Some(shard) = shard {
            if shard.primary == *to {
                self.stamp(slot, now, asked);
                return Correction::Known;
            }
            // If the owner in the cache says that it is not the owner, it is believed. Any other
            // answer counts only if the cache has no answer to a later question.
            if entry.asked > asked.0 && Some(&shard.primary) != from {
                return Correction::Outdated;
            }
        }
        // The shard that fails over to the node: for a known slot its own shard, for an unknown
        // slot any shard of which the node is a known replica.
        let home = match entry.shard {
            Some(at) => Some(at).filter(|_| shard.is_some_and(|own| own.replicas.contains(to))),
            None if self.shards.of_primary(to).is_some() => None,
            None => self.shards.of_replica(to),
        };
        self.token = None;
        match home {
            Some(at) => {
                self.assign(slot, at);
                self.stamp(slot, now, asked);
                let moved = self.fail_over(at, to, now, asked);
                Correction::FailedOver(moved)
            }
            None => {
                let at = self.shards.led_by(to, now);
                self.assign(slot, at);
                self.stamp(slot, now, asked);
                self.shards.drop_empty();
                Correction::Patched
            }
        }
    }

    /// Learns from an answer to `SLOTHINT` or `SLOTHINT.MAP` that was requested of `told_by` at
    /// `asked`. Returns how many slots have another primary than before, or have one now. A slot
    /// for which the hint names no owner stays as it was.
    pub fn learn(&mut self, hint: &Hint, told_by: &Node, asked: Asked) -> usize {
        let before = self.generation();
        // Whether the cache says the same as the hint about the slots of the hint.
        let mut equal = true;
        let mut homes = Vec::with_capacity(hint.nodes.len());
        let replaced = self.shards.replaced_since(asked);
        for told in &hint.nodes {
            let at = self.shards.meant_by_hint(&told.primary, &replaced);
            self.shards.tell_replicas(at, &told.replicas, asked);
            equal &= self.shards.at(at).is_some_and(|shard| {
                shard.primary == told.primary && shard.replicas == told.replicas
            });
            homes.push(at);
        }
        let mut changed = 0;
        for (slot, index) in hint.slots() {
            let Some(at) = index.and_then(|index| homes.get(index).copied()) else {
                equal &= self.primary_of(slot).is_none();
                continue;
            };
            let entry = self.slots.get(usize::from(slot));
            if entry.is_none_or(|entry| entry.changed >= asked.0) {
                equal = false;
                continue;
            }
            if self.primary_of(slot) != self.shards.at(at).map(|told| &told.primary) {
                changed += 1;
            }
            self.assign(slot, at);
            self.stamp(slot, asked.0, asked);
        }
        self.shards.drop_empty();
        if hint.is_whole {
            self.token = equal.then(|| (told_by.clone(), hint.token));
        } else if changed > 0 || self.generation() != before {
            self.token = None;
        }
        changed
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    fn shard_of(&self, slot: u16) -> Option<&Shard> {
        self.shards.at(self.slots.get(usize::from(slot))?.shard?)
    }

    fn stamp(&mut self, slot: u16, now: u64, asked: Asked) {
        if let Some(entry) = self.slots.get_mut(usize::from(slot)) {
            (entry.changed, entry.asked) = (now, asked.0);
        }
    }

    /// Gives the slot to another shard. The former one may be empty then, so
    /// [`Shards::drop_empty`] has to follow.
    fn assign(&mut self, slot: u16, to: usize) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        let before = entry.shard.replace(to);
        if let Some(shard) = self.shards.at_mut(to) {
            shard.slots = shard.slots.saturating_add(1);
        }
        if let Some(shard) = before.and_then(|at| self.shards.at_mut(at)) {
            shard.slots = shard.slots.saturating_sub(1);
        }
    }

    /// Makes the replica `to` the primary of its shard. Returns how many slots that moves.
    fn fail_over(&mut self, at: usize, to: &Node, now: u64, asked: Asked) -> usize {
        // Slots that were patched to this node earlier, one by one, join the shard.
        let other = self.shards.of_primary(to);
        for slot in 0..SLOTS {
            let Some(&entry) = self.slots.get(usize::from(slot)) else {
                continue;
            };
            if entry.shard.is_some() && (entry.shard == Some(at) || entry.shard == other) {
                self.assign(slot, at);
                self.stamp(slot, now, Asked(entry.asked.max(asked.0)));
            }
        }
        self.shards.drop_empty();
        self.shards.fail_over(at, to, now)
    }
}

#[cfg(test)]
mod tests;
