//! The answer to SLOTHINT: for some keys, their slots and the nodes that own them.
//!
//! Example: nodes a, b and c own slots, in this order in the map (indices 0, 1, 2). The keys belong
//! to c, a and c. The hint has the nodes [a, c], and the keys have the indices 1, 0 and 1.

use super::{bits, Owner, SlotMap, NO_OWNER};
use crate::slot;

/// The slots and owners of some keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Hint<'m> {
    /// The token of the map.
    pub token: i64,
    /// The owners of the keys' slots, each once, sorted by id.
    pub nodes: Vec<&'m Owner>,
    /// One for each key, in the order of the keys.
    pub keys: Vec<KeyHint>,
}

/// The slot and the owner of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHint {
    /// The key's slot.
    pub slot: u16,
    /// Index into [`Hint::nodes`]. `None` if the slot has no owner.
    pub node: Option<u16>,
}

impl SlotMap {
    /// The hint for `keys`. Takes one step for each key, one for each of their owners, and one for
    /// every 64 nodes of the map.
    pub fn hint<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Hint<'_> {
        let mut chosen = NodeSet::new(self.owners.len());
        let mut hints: Vec<KeyHint> = keys
            .map(|key| {
                let slot = slot::of_key(key);
                let node = self.owner_of(slot);
                node.into_iter().for_each(|node| chosen.insert(node));
                KeyHint { slot, node }
            })
            .collect();
        // If all nodes are chosen, as by most commands with many keys, each keeps its index.
        if usize::from(chosen.count_members()) < self.owners.len() {
            for hint in &mut hints {
                hint.node = hint.node.and_then(|node| chosen.rank(node));
            }
        }
        let nodes = chosen
            .iter()
            .filter_map(|node| self.owners.get(node))
            .collect();
        Hint {
            token: self.token,
            nodes,
            keys: hints,
        }
    }
}

/// A set of node indices, as a bitmap that also gives the rank of each member.
struct NodeSet {
    /// One bit for each of 64 nodes, and the number of members in all words before this one.
    words: Vec<(u64, u16)>,
}

impl NodeSet {
    fn new(nodes: usize) -> Self {
        Self {
            words: vec![(0, 0); nodes.div_ceil(64)],
        }
    }

    fn insert(&mut self, node: u16) {
        if let Some((word, _)) = self.words.get_mut(usize::from(node / 64)) {
            *word |= 1 << (node % 64);
        }
    }

    /// The number of members. Also prepares [`rank`](Self::rank). To be called after the last
    /// insertion.
    fn count_members(&mut self) -> u16 {
        let mut members = 0_u16;
        for (word, before) in &mut self.words {
            *before = members;
            members = members.saturating_add(ones(*word));
        }
        members
    }

    /// The number of members below this one: 0 and 1 for the members 0 and 2 of {0, 2}.
    fn rank(&self, node: u16) -> Option<u16> {
        let (word, before) = self.words.get(usize::from(node / 64))?;
        let smaller = word & !(u64::MAX << (node % 64));
        before
            .checked_add(ones(smaller))
            .filter(|&rank| rank != NO_OWNER)
    }

    /// The members, in ascending order.
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .zip((0..).step_by(64))
            .flat_map(|(&(word, _), first)| bits(word).map(move |bit| first | usize::from(bit)))
    }
}

fn ones(word: u64) -> u16 {
    // At most 64.
    u16::try_from(word.count_ones()).unwrap_or(0)
}
