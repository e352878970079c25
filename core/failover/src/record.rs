//! What a member keeps on disk: its group, its promise, and its configuration.
//!
//! The file has two slots of [`SLOT`] bytes. Writes go to the slots in turn, so a write that is cut
//! short leaves the one before. Both slots are allocated when the file is made, and written in
//! place: a full disk does not stop a promise, where a rename would fail.

use serde::{Deserialize, Serialize};

use super::{Definition, Kept, NodeId};

/// The bytes of a slot. A group of 16 members takes some 450.
pub const SLOT: usize = 4096;
/// The bytes of the file.
pub const FILE: usize = 2 * SLOT;

/// What a slot begins with. The last character is the version of the format.
const MAGIC: &[u8; 8] = if cfg!(feature = "other-version") {
    b"rdfo-st~"
} else {
    b"rdfo-st3"
};

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts the writes. The slot with the higher one is valid.
    pub sequence: u64,
    /// The node that wrote it: a file that was copied from another node is not believed.
    pub node: NodeId,
    /// The group.
    pub definition: Definition,
    /// The promise and the configuration.
    pub kept: Kept,
    /// The server's settings before the group changed them.
    pub before: ServerSettings,
}

/// Settings of the server that a group needs otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// `cluster-replica-no-failover`: the server holds no elections of its own.
    pub no_failover: bool,
    /// `cluster-allow-replica-migration`: a replica may go to another shard by itself.
    pub migration: bool,
}

impl ServerSettings {
    /// What a group needs.
    pub const NEEDED: ServerSettings = ServerSettings {
        no_failover: true,
        migration: false,
    };
}

impl Record {
    /// The bytes of a slot, and the offset of the slot in the file.
    pub fn slot(&self) -> ([u8; SLOT], u64) {
        let body = postcard::to_allocvec(self).unwrap_or_default();
        let mut slot = [0; SLOT];
        let length = u32::try_from(body.len()).unwrap_or(0);
        let parts: [&[u8]; 4] = [
            MAGIC,
            &length.to_le_bytes(),
            &crc32fast::hash(&body).to_le_bytes(),
            &body,
        ];
        for (to, from) in slot.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        let place = if self.sequence.is_multiple_of(2) {
            0
        } else {
            u64::try_from(SLOT).unwrap_or(0)
        };
        (slot, place)
    }

    /// Reads a file. `None` if neither slot can be read: then nothing is known of what was
    /// promised, and the member must not vote.
    pub fn read(file: &[u8]) -> Option<Record> {
        // The slot of another version may have the later promise.
        if other_format(file).is_some() {
            return None;
        }
        let slots = file.chunks(SLOT).take(2);
        slots
            .filter_map(read_slot)
            .max_by_key(|record| record.sequence)
    }
}

/// The format of a file that another version of the module has written, and this one's.
pub fn other_format(file: &[u8]) -> Option<(String, String)> {
    let (&own, family) = MAGIC.split_last()?;
    let mut versions = file.chunks(SLOT).take(2).filter_map(|slot| {
        let (&version, _) = slot.strip_prefix(family)?.split_first()?;
        // A write that was cut short may have left no version.
        (version != own && version.is_ascii_graphic()).then_some(version)
    });
    let name = |version: u8| {
        let family = String::from_utf8_lossy(family);
        format!("{family}{}", char::from(version))
    };
    versions.next().map(|version| (name(version), name(own)))
}

fn read_slot(slot: &[u8]) -> Option<Record> {
    let rest = slot.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let record: Record = postcard::from_bytes(body).ok()?;
    // Without a group that makes sense the promise is worth nothing.
    record.definition.group()?;
    record.definition.place(record.node)?;
    (record.definition.version == record.kept.list.version).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ballot, Configuration, GroupId, MemberId, Members, Membership, Version};

    fn record(sequence: u64) -> Record {
        let ballot = Ballot {
            counter: sequence * 10,
            author: Some(MemberId(1)),
        };
        Record {
            sequence,
            node: NodeId([3; 20]),
            definition: Definition {
                id: GroupId([9; 16]),
                version: Version::FIRST,
                acknowledgements: 1,
                members: (1..=16).map(|byte| NodeId([byte; 20])).collect(),
            },
            kept: Kept {
                promise: ballot,
                configuration: Configuration {
                    term: ballot,
                    number: u32::MAX,
                    replicas: (0..16).map(MemberId).collect::<Members>(),
                },
                list: Membership::FIRST,
            },
            before: ServerSettings::NEEDED,
        }
    }

    fn file_of(records: &[Record]) -> Vec<u8> {
        let mut file = vec![0; FILE];
        for record in records {
            let (slot, place) = record.slot();
            let place = usize::try_from(place).expect("small");
            file[place..place + SLOT].copy_from_slice(&slot);
        }
        file
    }

    #[test]
    fn the_latest_write_is_read() {
        assert_eq!(Record::read(&file_of(&[record(1)])), Some(record(1)));
        let both = file_of(&[record(1), record(2)]);
        assert_eq!(Record::read(&both), Some(record(2)));
        let three = file_of(&[record(1), record(2), record(3)]);
        assert_eq!(Record::read(&three), Some(record(3)));
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_the_one_before() {
        let before = file_of(&[record(1), record(2)]);
        let after = file_of(&[record(1), record(2), record(3)]);
        let changed = (0..FILE).filter(|&index| before[index] != after[index]);
        for cut in changed {
            let mut torn = before.clone();
            torn[..cut].copy_from_slice(&after[..cut]);
            assert_eq!(Record::read(&torn), Some(record(2)), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_with_a_slot_of_another_version_is_not_read() {
        for place in [0, SLOT] {
            let mut file = file_of(&[record(1), record(2)]);
            file[place + 7] = b'9';
            assert_eq!(Record::read(&file), None);
            let (other, own) = other_format(&file).expect("it is another format");
            assert_eq!(other, "rdfo-st9");
            assert_eq!(own.as_bytes(), MAGIC);
        }
    }

    #[test]
    fn a_first_write_that_was_cut_short_is_no_other_version() {
        let whole = file_of(&[record(1), record(2)]);
        for cut in 0..MAGIC.len() {
            let mut torn = file_of(&[record(1)]);
            torn[..cut].copy_from_slice(&whole[..cut]);
            assert_eq!(other_format(&torn), None, "cut at {cut}");
            assert_eq!(Record::read(&torn), Some(record(1)), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_without_a_valid_slot_is_unreadable() {
        assert_eq!(Record::read(&[]), None);
        assert_eq!(Record::read(&vec![0; FILE]), None);
        assert_eq!(Record::read(b"rdfo-st3"), None);
        let mut stranger = record(1);
        stranger.node = NodeId([77; 20]);
        assert_eq!(Record::read(&file_of(&[stranger])), None);
        let mut huge = file_of(&[record(1)]);
        huge[SLOT + 8..SLOT + 12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Record::read(&huge), None);
    }
}
