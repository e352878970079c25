//! The cache itself: which shard has a slot, and which of the shard's nodes is its primary. Pure: no
//! connection, no clock.
//!
//! A slot points to a shard, and a shard is a primary with the replicas that are known of it. So one
//! hint teaches a slot, one `MOVED` patches a slot, and one `MOVED` to a replica of the slot's shard
//! moves every slot of that shard: a replica owns nothing, so it has been promoted.
//!
//! Answers overtake one another. Each question gets a number when it is sent ([`SlotCache::ask`]), and
//! each correction when it arrives. A hint never undoes a correction that arrived after the hint was
//! asked for, and of two hints the one asked for later wins, in whichever order they arrive.

use std::collections::HashMap;

use durable_core::slot::SLOTS;

use crate::hint::Hint;
use crate::node::Node;

/// When a question was sent, counted in questions and corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(u64);

/// What a correction did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The cache said the same already.
    Known,
    /// The slot alone was changed.
    Patched,
    /// The node is a replica of the slot's shard: the whole shard, so many slots, has moved to it.
    FailedOver(usize),
    /// Left alone: the cache has its answer from a later question, asked of somebody else. The command
    /// itself follows its redirection all the same.
    Outdated,
}

/// Slots, shards, and how recent each piece of knowledge is.
#[derive(Clone, Debug)]
pub struct SlotCache {
    clock: u64,
    slots: Vec<Entry>,
    /// Only shards that have slots; `None` is a place to be used again.
    shards: Vec<Option<Shard>>,
    /// Where the shard of a primary is, so that no two shards have the same.
    by_primary: HashMap<Node, usize>,
    /// The token of the whole map that the cache is exactly equal to, and whose map it is.
    token: Option<(Node, i64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    shard: Option<usize>,
    /// When the knowledge arrived, or for a hint, when it was asked for.
    changed: u64,
    /// When it was asked for.
    asked: u64,
}

#[derive(Clone, Debug)]
struct Shard {
    primary: Node,
    replicas: Vec<Node>,
    /// The primary that the last failover replaced.
    former: Option<Node>,
    /// Failovers since a hint last told the replicas.
    failovers: u32,
    slots: usize,
    /// When the last failover became known.
    failed_over: u64,
    /// When the replicas were asked for, or changed by a failover.
    told: u64,
}

impl Default for SlotCache {
    fn default() -> Self {
        Self::new()
    }
}

impl SlotCache {
    /// Knows nothing.
    pub fn new() -> Self {
        Self {
            clock: 0,
            slots: vec![Entry::default(); usize::from(SLOTS)],
            shards: Vec::new(),
            by_primary: HashMap::new(),
            token: None,
        }
    }

    /// To be called before each question is sent, a command or a request for hints; its number goes
    /// with the answer.
    pub fn ask(&mut self) -> Asked {
        Asked(self.tick())
    }

    /// The primary of the slot's shard.
    pub fn primary_of(&self, slot: u16) -> Option<&Node> {
        self.shard_of(slot).map(|shard| &shard.primary)
    }

    /// The replicas known of the slot's shard; none for an unknown slot.
    pub fn replicas_of(&self, slot: u16) -> &[Node] {
        self.shard_of(slot).map_or(&[], |shard| &shard.replicas)
    }

    /// Every node that is known, each once: the primaries first.
    pub fn nodes(&self) -> Vec<Node> {
        let shards = || self.shards.iter().flatten();
        let mut nodes: Vec<Node> = Vec::new();
        let replicas = shards().flat_map(|shard| &shard.replicas);
        for node in shards().map(|shard| &shard.primary).chain(replicas) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    /// How many slots are known.
    pub fn known(&self) -> usize {
        self.shards.iter().flatten().map(|shard| shard.slots).sum()
    }

    /// The token that `SLOTHINT.MAP` may be given on a connection to `node`: nil then means that there
    /// is nothing to learn. None where corrections or gaps make the cache another map.
    pub fn token_at(&self, node: &Node) -> Option<i64> {
        let (told_by, token) = self.token.as_ref()?;
        (told_by == node).then_some(*token)
    }

    /// `from` answered `MOVED` to a command sent at `asked`; or, with no `from`, `to` has executed one
    /// that was not expected to be its own.
    pub fn moved(&mut self, slot: u16, to: &Node, from: Option<&Node>, asked: Asked) -> Correction {
        let now = self.tick();
        let Some(&entry) = self.slots.get(usize::from(slot)) else {
            return Correction::Outdated;
        };
        let shard = entry.shard.and_then(|at| self.shard(at));
        if let Some(shard) = shard {
            if shard.primary == *to {
                self.stamp(slot, now, asked);
                return Correction::Known;
            }
            // Whoever disowns a slot is believed about itself, but not against later news of others.
            if entry.asked > asked.0 && Some(&shard.primary) != from {
                return Correction::Outdated;
            }
        }
        // The shard of an unknown slot is the one that the node is known to be a replica of.
        let home = match entry.shard {
            Some(at) => Some(at).filter(|_| shard.is_some_and(|own| own.replicas.contains(to))),
            None if self.by_primary.contains_key(to) => None,
            None => self.shards.iter().position(|other| {
                other
                    .as_ref()
                    .is_some_and(|other| other.replicas.contains(to))
            }),
        };
        self.token = None;
        match home {
            Some(at) => {
                self.assign(slot, Some(at));
                self.stamp(slot, now, asked);
                let moved = self.fail_over(at, to, now, asked);
                Correction::FailedOver(moved)
            }
            None => {
                let at = self.shard_led_by(to, now);
                self.assign(slot, Some(at));
                self.stamp(slot, now, asked);
                self.drop_empty();
                Correction::Patched
            }
        }
    }

    /// Takes in an answer to `SLOTHINT` or `SLOTHINT.MAP` that `told_by` was asked for at `asked`. Returns
    /// how many slots have another primary than before, gaps that were filled included.
    pub fn learn(&mut self, hint: &Hint, told_by: &Node, asked: Asked) -> usize {
        let homes: Vec<Option<usize>> = hint
            .nodes
            .iter()
            .map(|told| {
                let at = self.home_for_hint(&told.primary, asked)?;
                let shard = self.shard_mut(at)?;
                if shard.told < asked.0 {
                    shard.replicas.clone_from(&told.replicas);
                    shard.replicas.retain(|replica| *replica != shard.primary);
                    shard.told = asked.0;
                    shard.failovers = 0;
                }
                Some(at)
            })
            .collect();
        let (mut changed, mut exact) = (0, hint.is_whole);
        for (slot, index) in hint.slots() {
            let at = index.and_then(|index| homes.get(index).copied().flatten());
            let entry = self.slots.get(usize::from(slot));
            if entry.is_none_or(|entry| entry.changed >= asked.0) {
                exact = false;
                continue;
            }
            if self.primary_of(slot) != at.and_then(|at| self.shard(at)).map(|told| &told.primary) {
                changed += 1;
            }
            self.assign(slot, at);
            self.stamp(slot, asked.0, asked);
        }
        self.drop_empty();
        if exact {
            self.token = Some((told_by.clone(), hint.token));
        }
        changed
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    fn shard(&self, at: usize) -> Option<&Shard> {
        self.shards.get(at)?.as_ref()
    }

    fn shard_mut(&mut self, at: usize) -> Option<&mut Shard> {
        self.shards.get_mut(at)?.as_mut()
    }

    fn shard_of(&self, slot: u16) -> Option<&Shard> {
        self.shard(self.slots.get(usize::from(slot))?.shard?)
    }

    fn stamp(&mut self, slot: u16, now: u64, asked: Asked) {
        if let Some(entry) = self.slots.get_mut(usize::from(slot)) {
            (entry.changed, entry.asked) = (now, asked.0);
        }
    }

    /// The shard whose primary is `node`, a new one without slots if there is none.
    fn shard_led_by(&mut self, node: &Node, told: u64) -> usize {
        if let Some(&at) = self.by_primary.get(node) {
            return at;
        }
        let shard = Some(Shard {
            primary: node.clone(),
            replicas: Vec::new(),
            former: None,
            failovers: 0,
            slots: 0,
            failed_over: 0,
            told,
        });
        let free = self.shards.iter().position(Option::is_none);
        let at = free.unwrap_or(self.shards.len());
        match self.shards.get_mut(at) {
            Some(place) => *place = shard,
            None => self.shards.push(shard),
        }
        self.by_primary.insert(node.clone(), at);
        at
    }

    /// The shard that a hint means by `primary`. A hint that was asked for before a failover may still name
    /// the primary that was replaced: it means the shard, whose new primary is known better here.
    fn home_for_hint(&mut self, primary: &Node, asked: Asked) -> Option<usize> {
        if !self.by_primary.contains_key(primary) {
            let replaced = self.shards.iter().position(|shard| {
                shard.as_ref().is_some_and(|shard| {
                    shard.former.as_ref() == Some(primary) && shard.failed_over > asked.0
                })
            });
            if replaced.is_some() {
                return replaced;
            }
        }
        Some(self.shard_led_by(primary, 0))
    }

    /// The shard that the slot leaves may be empty then: [`Self::drop_empty`] is still to be called.
    fn assign(&mut self, slot: u16, to: Option<usize>) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        let before = std::mem::replace(&mut entry.shard, to);
        if let Some(shard) = to.and_then(|at| self.shard_mut(at)) {
            shard.slots = shard.slots.saturating_add(1);
        }
        if let Some(shard) = before.and_then(|at| self.shard_mut(at)) {
            shard.slots = shard.slots.saturating_sub(1);
        }
    }

    fn drop_empty(&mut self) {
        for place in &mut self.shards {
            if let Some(shard) = place.take_if(|shard| shard.slots == 0) {
                self.by_primary.remove(&shard.primary);
            }
        }
    }

    /// Makes the replica `to` the primary of its shard. Returns how many slots that moves.
    fn fail_over(&mut self, at: usize, to: &Node, now: u64, asked: Asked) -> usize {
        // Slots that were patched to this node one by one before join the shard.
        let other = self.by_primary.get(to).copied();
        for slot in 0..SLOTS {
            let Some(&entry) = self.slots.get(usize::from(slot)) else {
                continue;
            };
            if entry.shard.is_some() && (entry.shard == Some(at) || entry.shard == other) {
                self.assign(slot, Some(at));
                self.stamp(slot, now, Asked(entry.asked.max(asked.0)));
            }
        }
        self.drop_empty();
        let Some(shard) = self.shard_mut(at) else {
            return 0;
        };
        let former = std::mem::replace(&mut shard.primary, to.clone());
        shard.replicas.retain(|replica| replica != to);
        shard.failovers = shard.failovers.saturating_add(1);
        // It comes back as a replica, most likely, and may be promoted again. But once only without being
        // told so by a hint: where slots were given away to a node that had been a replica, the shard
        // would otherwise be moved back and forth for ever. From then on each slot is patched by itself.
        if shard.failovers == 1 {
            shard.replicas.push(former.clone());
        }
        shard.former = Some(former.clone());
        (shard.failed_over, shard.told) = (now, now);
        let moved = shard.slots;
        self.by_primary.remove(&former);
        self.by_primary.insert(to.clone(), at);
        moved
    }
}

#[cfg(test)]
mod tests;
