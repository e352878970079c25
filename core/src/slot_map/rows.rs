//! The rows of SLOTHINT.SLOTS: slots and their owners, as `CLUSTER SLOTS` lists them.
//!
//! Example: node a owns the slots 0 to 9 and node b the slots 10 to 19. Keys of the slots 3, 12, 4,
//! 3 and 9 give the rows 3-4 of a, 9-9 of a and 12-12 of b.

use super::{bits, Address, OwnedRange, SlotMap};
use crate::slot::{self, SLOTS};
use crate::topology::PreferredEndpoint;

/// What `CLUSTER SLOTS` adds after the id of a node: what it knows of the node besides the host.
/// The token does not depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    ip: Option<Box<[u8]>>,
    hostname: Option<Box<[u8]>>,
}

impl Metadata {
    /// The server leaves out what it prefers as the host, and a missing host name.
    pub(super) fn of(preferred: PreferredEndpoint, ip: &[u8], hostname: &[u8]) -> Self {
        let shows_name = preferred != PreferredEndpoint::HostName && !hostname.is_empty();
        Self {
            ip: (preferred != PreferredEndpoint::Ip).then(|| ip.into()),
            hostname: shows_name.then(|| hostname.into()),
        }
    }

    /// Names and values, in the server's order.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static [u8], &[u8])> {
        let pair = |name: &'static [u8], value| Some((name, Option::as_deref(value)?));
        let pairs = [pair(b"ip", &self.ip), pair(b"hostname", &self.hostname)];
        pairs.into_iter().flatten()
    }
}

impl Address {
    /// The host as `CLUSTER SLOTS` writes it. `None` is nil: the server prefers to tell no host. It
    /// is empty if the server does not know the address of the node.
    pub fn listed_host(&self) -> Option<&[u8]> {
        let prefers_addresses = self.metadata.ip.is_none();
        self.host
            .as_deref()
            .or_else(|| prefers_addresses.then_some(&[]))
    }
}

impl SlotMap {
    /// The slots of `keys` that have an owner, in slot order, each once. Adjacent slots of one
    /// owner are one range. Takes one step for each key, one for each of their slots, and one for
    /// every 64 slots of the cluster.
    pub fn ranges_of<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Vec<OwnedRange> {
        let mut slots = SlotSet::default();
        keys.for_each(|key| slots.insert(slot::of_key(key)));
        let mut ranges: Vec<OwnedRange> = Vec::new();
        for slot in slots.iter() {
            let Some(owner) = self.owner_of(slot) else {
                continue;
            };
            match ranges.last_mut() {
                Some(range) if range.owner == owner && range.last.checked_add(1) == Some(slot) => {
                    range.last = slot;
                }
                _ => ranges.push(OwnedRange {
                    first: slot,
                    last: slot,
                    owner,
                }),
            }
        }
        ranges
    }
}

/// A set of slots. It has the same size for any number of keys.
struct SlotSet([u64; WORDS]);

const WORDS: usize = SLOTS as usize / 64;

impl Default for SlotSet {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl SlotSet {
    fn insert(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word |= 1 << (slot % 64);
        }
    }

    /// The slots, in ascending order.
    fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let words = self.0.iter().zip((0..SLOTS).step_by(64));
        words.flat_map(|(&word, first)| bits(word).map(move |bit| first | bit))
    }
}

#[cfg(test)]
mod tests;
