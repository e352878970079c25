//! What a shard is shown, what it knows of other members, and what it tells the caller to do.

use crate::wire::{Body, Status};
use crate::{
    Ballot, Change, Configuration, Generation, Kept, MemberId, NodeId, Position, Refusal, Start,
};

/// What the server shows now.
#[derive(Clone, Debug)]
pub struct View {
    /// The monotonic clock, in milliseconds.
    pub now: u64,
    /// What the server is.
    pub role: Role,
    /// How far it has read or written its stream. `None` if it does not know.
    pub position: Option<Position>,
    /// The position with which a replica asks its primary to continue. It may be one that means
    /// nothing: then the server asks for everything.
    pub asks_from: Option<Position>,
    /// `cluster-node-timeout`, in milliseconds.
    pub node_timeout: u64,
}

/// What a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A primary.
    Primary,
    /// A replica.
    Replica {
        /// The primary, if it is a member.
        of: Option<MemberId>,
        /// The link is up, and no synchronization is under way.
        is_linked: bool,
        /// The cluster marks the primary as failed.
        has_failed: bool,
    },
}

/// What the caller has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Write this to disk, then call [`Shard::persisted`].
    Persist(Kept),
    /// Send a message.
    Send(MemberId, Body),
    /// Cut the link to the primary, if this is a replica. Then call [`Shard::stand`].
    Stand,
    /// CLUSTER FAILOVER FORCE.
    Promote,
    /// See that no other member has a higher epoch in the cluster than this primary.
    Claim,
    /// CLUSTER REPLICATE this member.
    Follow(MemberId),
    /// Send the own list of members to this node.
    Tell(NodeId),
    /// This server is no member any more: the list says who is.
    Leave(Change),
    /// Write a line to the log.
    Log(String),
}

/// What tells challenges apart.
type Asked = (Ballot, Generation, Option<Configuration>, Start);

/// What is known of another member.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// When it told its state last.
    pub heard_at: Option<u64>,
    /// Its state.
    pub status: Option<Status>,
    /// Why it refused its vote last.
    pub refusal: Option<Refusal>,
    /// It is a replica of this primary, and its link is up.
    pub is_linked: bool,
    /// When something was sent to it while it was not heard.
    pub sent_at: Option<u64>,
    /// What it was asked to confirm, and when: term, link, configuration, start.
    pub asked: Option<(Asked, u64)>,
    /// The configuration that it did not confirm in time, and when that was noticed.
    pub unconfirmed: Option<(Configuration, u64)>,
    /// When it was asked to join.
    pub asked_to_join_at: Option<u64>,
}
