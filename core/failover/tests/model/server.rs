//! One server of the model, without the failover rules: a log of writes, a role, a link.

use std::collections::BTreeMap;

use durable_failover::{Kept, Member, MemberId, Position, StreamId};

/// One write.
pub type Write = u8;

/// A link between a replica and its primary. No two have the same number.
pub type LinkId = u8;

/// What a primary sees of a replica's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    pub link: LinkId,
    pub acknowledged: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub is_up: bool,
    /// Itself for a primary.
    pub follows: u8,
    /// Of the configuration that it knows: the higher one wins.
    pub epoch: u8,
    pub log: Vec<Write>,
    pub stream: u8,
    /// The stream that it followed before it was promoted, and how far.
    pub former: Option<Position>,
    /// It knows its place in the stream. Not after a restart.
    pub knows_position: bool,
    pub link: Option<LinkId>,
    /// A full synchronization has begun: the old data are gone, the new ones are not there.
    pub is_loading: bool,
    /// CLUSTER FAILOVER FORCE was accepted. It may win at any later moment.
    pub force: bool,
    /// As a primary: the links that it takes for connected.
    pub replicas: BTreeMap<u8, Seen>,
    pub member: Member,
    /// It belongs to the group. A spare server does not at first.
    pub is_member: bool,
    /// The place that the spare server has in the list that this one goes by.
    pub replaced: Option<MemberId>,
    /// What is being written to disk.
    pub writing: Option<Kept>,
}

impl Server {
    pub fn is_primary(&self, me: usize) -> bool {
        usize::from(self.follows) == me
    }

    /// As INFO shows it.
    pub fn position(&self) -> Position {
        let length = if self.knows_position {
            self.log.len()
        } else {
            0
        };
        Position {
            stream: StreamId(self.stream.into()),
            offset: u64::try_from(length).expect("short logs"),
        }
    }

    /// The streams that it can continue as a primary, and how far.
    pub fn streams(&self) -> Vec<Position> {
        let own = Position {
            stream: StreamId(self.stream.into()),
            offset: u64::try_from(self.log.len()).expect("short logs"),
        };
        [Some(own), self.former].into_iter().flatten().collect()
    }

    /// Becomes a primary with a stream of its own.
    pub fn promote(&mut self, me: usize, epoch: u8, stream: u8) {
        self.follows = u8::try_from(me).expect("few servers");
        self.epoch = epoch;
        self.link = None;
        self.force = false;
        self.replicas.clear();
        let position = self.position();
        self.member.promoted(position);
        self.former = self.knows_position.then_some(position);
        self.stream = stream;
        self.knows_position = true;
    }
}

/// Whether `log` is the beginning of `whole`: then the server continues instead of copying all.
pub fn is_prefix(log: &[Write], whole: &[Write]) -> bool {
    whole.starts_with(log)
}
