//! The answer to SLOTHINT: for some keys, their slots and the nodes that own these.

use super::{Owner, SlotMap, NO_OWNER};
use crate::slot;

/// What the map says about some keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Hint<'m> {
    /// The token of the map.
    pub token: i64,
    /// The owners of these keys' slots, each once, by id.
    pub nodes: Vec<&'m Owner>,
    /// One for each key, in the order of the keys.
    pub keys: Vec<KeyHint>,
}

/// Where one key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHint {
    /// The key's slot.
    pub slot: u16,
    /// Index into [`Hint::nodes`]; none where the slot has no owner.
    pub node: Option<u16>,
}

impl SlotMap {
    /// Takes a step for each key, one for each of their owners, and one for every 64 nodes of the map.
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
        chosen.number();
        for hint in &mut hints {
            hint.node = hint.node.and_then(|node| chosen.rank(node));
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

/// A set of node indexes that tells each member's place among the members.
struct NodeSet {
    /// 64 nodes each, with the number of members in the words before.
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

    /// Has to come after the last `insert` and before `rank`.
    fn number(&mut self) {
        let mut members = 0_u16;
        for (word, before) in &mut self.words {
            *before = members;
            members = members.saturating_add(ones(*word));
        }
    }

    fn rank(&self, node: u16) -> Option<u16> {
        let (word, before) = self.words.get(usize::from(node / 64))?;
        let smaller = word & !(u64::MAX << (node % 64));
        before
            .checked_add(ones(smaller))
            .filter(|&rank| rank != NO_OWNER)
    }

    /// The members in ascending order.
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .zip((0..).step_by(64))
            .flat_map(|(&(word, _), first)| {
                let mut left = word;
                std::iter::from_fn(move || {
                    let lowest = (left != 0).then(|| left.trailing_zeros() as usize)?;
                    left &= left.wrapping_sub(1);
                    Some(first | lowest)
                })
            })
    }
}

fn ones(word: u64) -> u16 {
    // At most 64.
    u16::try_from(word.count_ones()).unwrap_or(0)
}
