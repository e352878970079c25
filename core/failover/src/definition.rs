//! Who belongs to a group: what its members agreed on when it was formed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Group, MemberId, Version};

/// The id of a cluster node: its 40 hexadecimal digits as 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 20]);

impl NodeId {
    /// Reads 40 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<NodeId> {
        from_hex(text).map(NodeId)
    }

    /// The 40 digits.
    pub fn digits(self) -> [u8; 40] {
        let mut digits = [0; 40];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(format!("{byte:02x}").as_bytes());
        }
        digits
    }
}

/// Reads two hexadecimal digits for each byte.
fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; N];
    let pairs = text.chunks_exact(2);
    if pairs.len() != N || !pairs.remainder().is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let &[high, low] = pair else { return None };
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A random number that tells groups apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupId(pub [u8; 16]);

impl GroupId {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<GroupId> {
        from_hex(text).map(GroupId)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Tells it apart from other groups.
    pub id: GroupId,
    /// Grows with each change of the members.
    pub version: Version,
    /// K: how many replicas must have a write before it is released.
    pub acknowledgements: u8,
    /// All members. A [`MemberId`] is a place in this list. The first one founded the group.
    pub members: Vec<NodeId>,
}

/// The most members. FORCE, votes and messages are for a handful of nodes.
pub const MAX_MEMBERS: usize = 16;

impl Definition {
    /// N and K. `None` for a definition that makes no sense: too few or too many members, or one
    /// that is there twice.
    pub fn group(&self) -> Option<Group> {
        let is_repeated = |(index, one): (usize, &NodeId)| {
            self.members.iter().take(index).any(|other| other == one)
        };
        if self.members.len() > MAX_MEMBERS || self.members.iter().enumerate().any(is_repeated) {
            return None;
        }
        Group::new(
            u8::try_from(self.members.len()).ok()?,
            self.acknowledgements,
        )
    }

    /// The place of a node in the list.
    pub fn place(&self, node: NodeId) -> Option<MemberId> {
        let place = self.members.iter().position(|&member| member == node)?;
        u8::try_from(place).ok().map(MemberId)
    }

    /// The list in which another node has the place of one of these members. `None` if that makes
    /// no group.
    pub fn with(&self, place: MemberId, node: NodeId, version: Version) -> Option<Definition> {
        let mut changed = self.clone();
        *changed.members.get_mut(usize::from(place.0))? = node;
        changed.version = version;
        changed.group().is_some().then_some(changed)
    }

    /// The node at a place.
    pub fn node(&self, member: MemberId) -> Option<NodeId> {
        self.members.get(usize::from(member.0)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId([byte; 20])
    }

    #[test]
    fn a_node_id_is_forty_hexadecimal_digits() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        let id = NodeId::parse(text.as_bytes()).expect("it is one");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.digits(), text.as_bytes());
        assert_eq!(NodeId::parse(&text.as_bytes()[1..]), None);
        assert_eq!(
            NodeId::parse(b"g123456789abcdef0123456789abcdef01234567"),
            None
        );
    }

    #[test]
    fn a_group_has_several_different_members_and_one_acknowledgement_at_least() {
        let of = |acknowledgements, members: &[u8]| {
            let definition = Definition {
                id: GroupId::default(),
                version: Version::FIRST,
                acknowledgements,
                members: members.iter().copied().map(node).collect(),
            };
            definition.group()
        };
        assert_eq!(of(1, &[1, 2, 3]), Group::new(3, 1));
        assert_eq!(of(3, &[1, 2, 3]), None);
        assert_eq!(of(0, &[1, 2, 3]), None);
        assert_eq!(of(1, &[1, 2, 1]), None);
        assert_eq!(of(1, &(0..17).collect::<Vec<_>>()), None);
    }

    #[test]
    fn a_node_takes_the_place_of_a_member_but_not_of_two() {
        let before = Definition {
            id: GroupId::default(),
            version: Version::FIRST,
            acknowledgements: 1,
            members: [1, 2, 3].map(node).to_vec(),
        };
        let later = Version {
            number: 2,
            ..Version::FIRST
        };
        let after = before.with(MemberId(1), node(4), later).expect("a group");
        assert_eq!(after.members, [1, 4, 3].map(node));
        assert_eq!((after.version, after.place(node(2))), (later, None));
        assert_eq!(before.with(MemberId(1), node(3), later), None);
        assert_eq!(before.with(MemberId(3), node(4), later), None);
    }
}
