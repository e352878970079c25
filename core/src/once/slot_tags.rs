//! One short string for each slot: `{tag}` in a key's name puts the key into that slot.
//!
//! The tags are part of the names of keys, so they never change. The tag of a slot is the first
//! string that hashes to it: strings of one digit or letter come first, then those of two, then of
//! three. Example: slot 1 has `Qi`, and slot 0, to which no shorter string hashes, has `06S`.

use crate::slot::{self, SLOTS};

/// The characters of tags, in their order.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The longest tag, in characters.
const LONGEST: usize = 3;

/// The tags of all slots: 64 KB. They are computed once, in a few milliseconds.
#[derive(Debug)]
pub struct SlotTags {
    /// By slot: the characters, then zeroes.
    tags: Vec<[u8; LONGEST]>,
}

impl SlotTags {
    /// Computes the tags.
    pub fn new() -> Self {
        let mut tags = vec![[0; LONGEST]; usize::from(SLOTS)];
        for length in 1..=LONGEST {
            let mut places = [0_usize; LONGEST];
            loop {
                let mut tag = [0; LONGEST];
                let characters = tag.iter_mut().zip(places).take(length);
                characters.for_each(|(character, place)| {
                    *character = ALPHABET.get(place).copied().unwrap_or(0);
                });
                let slot = slot::of_key(tag.get(..length).unwrap_or_default());
                if let Some(own) = tags.get_mut(usize::from(slot)).filter(|own| own[0] == 0) {
                    *own = tag;
                }
                if !advance(&mut places, length) {
                    break;
                }
            }
        }
        Self { tags }
    }

    /// The tag of this slot. Empty if there is no such slot.
    pub fn tag(&self, slot: u16) -> &[u8] {
        let tag = self.tags.get(usize::from(slot)).map_or(&[][..], |tag| tag);
        let end = tag.iter().position(|&character| character == 0);
        tag.get(..end.unwrap_or(tag.len())).unwrap_or_default()
    }
}

impl Default for SlotTags {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts up the first `length` places, the last one fastest. False at the end.
fn advance(places: &mut [usize; LONGEST], length: usize) -> bool {
    for place in places.iter_mut().take(length).rev() {
        *place = place.saturating_add(1);
        if *place < ALPHABET.len() {
            return true;
        }
        *place = 0;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_tag_that_hashes_to_it() {
        let tags = SlotTags::new();
        for slot in 0..SLOTS {
            let tag = tags.tag(slot);
            assert!((1..=LONGEST).contains(&tag.len()), "slot {slot}: {tag:?}");
            assert_eq!(slot::of_key(tag), slot, "{tag:?}");
        }
        assert_eq!(tags.tag(SLOTS), b"");
    }

    /// The names of stored records contain them.
    #[test]
    fn the_tags_are_the_same_in_every_version() {
        let tags = SlotTags::new();
        let all: Vec<&[u8]> = (0..SLOTS).map(|slot| tags.tag(slot)).collect();
        let checksum = crc16::State::<crc16::XMODEM>::calculate(&all.join(&b","[..]));
        let some =
            [0, 1, 12_182, 16_383].map(|slot| String::from_utf8_lossy(tags.tag(slot)).into_owned());
        assert_eq!(
            (checksum, some),
            (39_461, ["06S", "Qi", "9Le", "6ZJ"].map(String::from))
        );
    }
}
