//! The messages as bytes of the cluster bus.
//!
//! A message is a magic word, a version, and then what `postcard` makes of it. The bus has no
//! authentication of its own (without `tls-cluster`), and other modules can use it too. So what
//! cannot be read is dropped and counted, never believed.

use serde::{Deserialize, Serialize};

use super::{
    Ballot, Configuration, Credentials, Definition, GroupId, MemberId, Membership, Message,
    Position, Refusal, Start, Version,
};

/// The type of the bus messages. A module that does not have nine letters in its name shares the
/// types with all others of the kind, so any number may be somebody else's too.
pub const BUS_TYPE: u8 = 208;

/// What each message begins with.
const MAGIC: &[u8; 4] = b"rdfo";
/// The version of the format. Messages of another version are not read.
pub const VERSION: u8 = if cfg!(feature = "other-version") {
    200
} else {
    3
};
/// The longest message that is read. An invitation of 16 members has some 400 bytes.
pub const MAX_BYTES: usize = 1024;

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The group of the sender.
    pub group: GroupId,
    /// The version of its list of members.
    pub list: Version,
    /// What it says.
    pub body: Body,
}

/// What a node says to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The protocol of the group.
    Protocol(Message),
    /// The state of the sender, once a second.
    Status(Status),
    /// A primary asks the receiver to be a member of a new group.
    Invite(Definition),
    /// The receiver of an invitation is a member now: it is on its disk.
    Accept,
    /// It is not.
    Decline(Decline),
    /// The group of an invitation was not formed: whoever has accepted is no member.
    Withdraw,
    /// The list of members has changed.
    Change(Change),
    /// A primary asks whether the receiver would take a place in this group. It changes nothing.
    Propose(Definition),
    /// It would.
    Willing,
    /// The receiver is a member from now on, in the place that is joining, and promises this term.
    Join(Change, Ballot),
    /// The sender is no member. Its data, which end here, may be replaced by the receiver's.
    Replaceable(Position),
}

/// A list of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The list.
    pub definition: Definition,
    /// The place whose node has changed, until the new node is known to be a member.
    pub joining: Option<MemberId>,
    /// The term in which the list was confirmed.
    pub confirmed_in: Ballot,
}

impl Change {
    /// What the rules need of it.
    pub fn membership(&self) -> Membership {
        Membership {
            version: self.definition.version,
            joining: self.joining,
        }
    }
}

/// The state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its start.
    pub start: Start,
    /// It is a primary.
    pub is_primary: bool,
    /// It holds this term.
    pub term: Option<Ballot>,
    /// Its vote is one on data. Otherwise it is a witness's.
    pub is_voter: bool,
    /// The highest ballot that it has promised.
    pub promise: Ballot,
    /// The term in which its data were confirmed.
    pub log_term: Ballot,
    /// The latest configuration that it has on disk.
    pub configuration: Configuration,
    /// How much of the stream it has that counts.
    pub offset: u64,
    /// It can write its promises to disk.
    pub can_persist: bool,
    /// It has refused a vote to its primary, which has less of the stream.
    pub refused_primary: bool,
}

impl Status {
    /// What its vote would say.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            confirmed_in: self.is_voter.then_some(self.log_term),
            configuration: self.configuration,
        }
    }
}

/// Why a node does not accept an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decline {
    /// `durable.failover` is off there.
    Off,
    /// `durable.expected-replicas` or `durable.failover-replicas` differ there.
    Differs {
        /// Its `durable.expected-replicas`.
        replicas: u32,
        /// Its `durable.failover-replicas`.
        acknowledgements: u8,
    },
    /// It is a member of another group.
    Member(GroupId),
    /// It does not replicate the sender.
    FollowsAnother,
    /// Its file cannot be written.
    NoFile,
}

/// What a message is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It begins otherwise: another module's.
    Foreign,
    /// It is of this version of the format.
    Version(u8),
    /// It is longer than [`MAX_BYTES`], or cannot be read.
    Malformed,
}

/// The bytes of a message.
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    // Fails for no type of this file: none has an unknown length.
    bytes.extend(postcard::to_allocvec(envelope).unwrap_or_default());
    bytes
}

/// Reads a message.
///
/// # Errors
/// Why it is none.
pub fn decode(bytes: &[u8]) -> Result<Envelope, Unread> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Unread::Foreign)?;
    let (&version, rest) = rest.split_first().ok_or(Unread::Malformed)?;
    if version != VERSION {
        return Err(Unread::Version(version));
    }
    if bytes.len() > MAX_BYTES {
        return Err(Unread::Malformed);
    }
    match postcard::take_from_bytes(rest) {
        Ok((envelope, [])) => Ok(envelope),
        _ => Err(Unread::Malformed),
    }
}

/// Why a vote was refused, for the log.
pub fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Promised(_) => "has promised a later ballot",
        Refusal::Ahead => "has more of the stream",
        Refusal::Reigns => "holds a term and releases waits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, Members, NodeId, StreamId};

    fn version() -> Version {
        Version {
            term: Ballot {
                counter: u64::MAX,
                author: Some(MemberId(15)),
            },
            number: u32::MAX,
        }
    }

    fn examples() -> Vec<Envelope> {
        let ballot = Ballot {
            counter: u64::MAX,
            author: Some(MemberId(15)),
        };
        let position = Position {
            stream: StreamId(u128::MAX),
            offset: u64::MAX,
        };
        let configuration = Configuration {
            term: ballot,
            number: u32::MAX,
            replicas: (0..16).map(MemberId).collect::<Members>(),
        };
        let bodies = [
            Body::Protocol(Message::Challenge {
                term: ballot,
                generation: Generation(u64::MAX),
                position,
                configuration: Some(configuration),
                start: Start(u64::MAX),
            }),
            Body::Status(Status {
                start: Start(u64::MAX),
                is_primary: true,
                term: Some(ballot),
                is_voter: true,
                promise: ballot,
                log_term: ballot,
                configuration,
                offset: u64::MAX,
                can_persist: true,
                refused_primary: false,
            }),
            Body::Invite(Definition {
                id: GroupId([255; 16]),
                version: version(),
                acknowledgements: 15,
                members: (0..16).map(|byte| NodeId([byte; 20])).collect(),
            }),
            Body::Accept,
            Body::Join(
                Change {
                    definition: Definition {
                        id: GroupId([255; 16]),
                        version: version(),
                        acknowledgements: 15,
                        members: (0..16).map(|byte| NodeId([byte; 20])).collect(),
                    },
                    joining: Some(MemberId(15)),
                    confirmed_in: ballot,
                },
                ballot,
            ),
            Body::Decline(Decline::Differs {
                replicas: u32::MAX,
                acknowledgements: 255,
            }),
        ];
        let envelope = |body| Envelope {
            group: GroupId([7; 16]),
            list: version(),
            body,
        };
        bodies.into_iter().map(envelope).collect()
    }

    #[test]
    fn the_largest_messages_fit_and_are_read_as_they_were_written() {
        for envelope in examples() {
            let bytes = encode(&envelope);
            assert!(bytes.len() <= MAX_BYTES, "{} bytes", bytes.len());
            assert_eq!(decode(&bytes), Ok(envelope));
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_or_foreign_is_not_read() {
        for envelope in examples() {
            let bytes = encode(&envelope);
            for length in 0..bytes.len() {
                assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert_eq!(decode(&longer), Err(Unread::Malformed));
            let mut other = bytes.clone();
            other[4] = 9;
            assert_eq!(decode(&other), Err(Unread::Version(9)));
            other[0] = 0;
            assert_eq!(decode(&other), Err(Unread::Foreign));
        }
        assert_eq!(decode(&[]), Err(Unread::Foreign));
    }
}
