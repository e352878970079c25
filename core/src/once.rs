//! DURABLE.ONCE: the name of a record, the digest of a command, and what a record says of a command
//! that is sent again.
//!
//! A record is a plain string key beside the data. Example: `DURABLE.ONCE order-7 INCR stock`
//! writes `durable:once:{6eb}:order-7`. The tag `6eb` hashes to the slot of the command's first
//! key, so the record moves with that slot.
//!
//! | the record | result |
//! |---|---|
//! | is absent | the command is executed, and the record is written |
//! | is of the same command | nothing is executed, the recorded reply is repeated |
//! | is of another command | an error, nothing is executed |
//! | cannot be read | an error, nothing is executed |

pub mod record;
pub mod reply;
pub mod slot_tags;

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;

use slot_tags::SlotTags;

/// The longest id, in bytes.
pub const MAX_ID: usize = 64;

/// The name of every record begins so. Users who may not touch such keys can still use
/// DURABLE.ONCE, because the module writes records by itself.
pub const PREFIX: &str = "durable:once:";

/// A digest of a command and its arguments, without the requirement options. It is part of records,
/// so it has to be the same on every node and in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; Digest::BYTES]);

impl Digest {
    /// The length of a digest.
    pub const BYTES: usize = 16;

    /// The digest of a command: its name, in any case, and its arguments. Each word counts with its
    /// length, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut hasher = SipHasher13::new();
        let mut write = |word: &[u8]| {
            let length = u64::try_from(word.len()).unwrap_or(u64::MAX);
            hasher.write(&length.to_le_bytes());
            hasher.write(word);
        };
        write(&name.to_ascii_lowercase());
        args.for_each(&mut write);
        Self(hasher.finish128().as_bytes())
    }
}

/// An id that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DURABLE.ONCE takes an id of 1 to {MAX_ID} bytes; nothing was executed"
        )
    }
}

/// Whether DURABLE.ONCE takes this id.
pub fn is_id(id: &[u8]) -> bool {
    (1..=MAX_ID).contains(&id.len())
}

/// The longest name of a record needs no memory of its own.
pub type RecordName = SmallVec<[u8; 96]>;

/// The name of the record for `id` and a command whose first key is in `slot`.
///
/// # Errors
/// If the id is empty or too long.
pub fn record_name(tags: &SlotTags, slot: u16, id: &[u8]) -> Result<RecordName, BadId> {
    if !is_id(id) {
        return Err(BadId);
    }
    let mut name = other_name(tags, slot);
    name.push(b':');
    name.extend_from_slice(id);
    Ok(name)
}

/// A name in the slot of `record` that no user and no record has: it has no id.
pub fn other_name(tags: &SlotTags, slot: u16) -> RecordName {
    let mut name = RecordName::from_slice(PREFIX.as_bytes());
    name.push(b'{');
    name.extend_from_slice(tags.tag(slot));
    name.push(b'}');
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot;

    fn digest(words: &[&[u8]]) -> Digest {
        Digest::of(words[0], words[1..].iter().copied())
    }

    #[test]
    fn a_digest_depends_on_every_word_and_its_limits_and_not_on_the_case_of_the_name() {
        let set = digest(&[b"SET", b"k", b"v"]);
        assert_eq!(set, digest(&[b"set", b"k", b"v"]));
        let others: [&[&[u8]]; 6] = [
            &[b"GET", b"k", b"v"],
            &[b"SET", b"K", b"v"],
            &[b"SET", b"kv", b""],
            &[b"SET", b"k"],
            &[b"SET", b"k", b"v", b""],
            &[b"SETk", b"v"],
        ];
        for other in others {
            assert_ne!(set, digest(other), "{other:?}");
        }
    }

    /// Records of earlier versions have to stay readable.
    #[test]
    fn the_digest_is_the_same_in_every_version() {
        let hex: String = digest(&[b"incr", b"k"])
            .0
            .map(|byte| format!("{byte:02x}"))
            .concat();
        assert_eq!(hex, "bfc1619dab8bf46a2f93eb5bf75cd174");
    }

    #[test]
    fn a_record_is_in_the_slot_of_the_first_key() {
        let tags = SlotTags::new();
        for key in ["k", "stock", "{a}b", ""] {
            let slot = slot::of_key(key.as_bytes());
            let name = record_name(&tags, slot, b"}{id").expect("a name");
            assert_eq!(slot::of_key(&name), slot, "{key}");
            assert!(name.starts_with(b"durable:once:{") && name.ends_with(b"}:}{id"));
            let other = other_name(&tags, slot);
            assert_eq!(slot::of_key(&other), slot);
            assert_ne!(other, name);
        }
    }

    #[test]
    fn an_id_has_1_to_64_bytes_of_any_value() {
        let tags = SlotTags::new();
        assert!(record_name(&tags, 0, &[0xff; 64]).is_ok());
        assert_eq!(record_name(&tags, 0, b""), Err(BadId));
        assert_eq!(record_name(&tags, 0, &[b'a'; 65]), Err(BadId));
    }
}
