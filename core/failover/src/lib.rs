//! Failover that keeps every acknowledged write: who may be promoted, and who may release waits.
//!
//! A shard is a fixed group of N members: a primary and its R = N − 1 replicas. A write is
//! released when K replicas have it. A member is promoted only with the votes of V = N − K members,
//! its own included, none of which has more of the stream. Any K replicas and the primary are K + 1
//! members; together with V voters these are N + 1. So one of the voters has each released write,
//! and so has the winner.
//!
//! Example with N = 3 and K = 1: P releases a write that A has. P dies. B alone is not elected: two
//! votes are needed, and A has more than B. A is elected by A and B.
//!
//! # Words
//!
//! * **Ballot**: a number with the member that chose it, so that no two members choose the same.
//! * **Term**: a ballot that V members have voted for. Its author may release waits in it: the
//!   **term holder**.
//! * **Closed**: a primary without a term, for example after a restart, or one that an operator
//!   promoted. It releases nothing, and serves no replica that has data.
//! * **Voter**: a member whose data a term holder has confirmed (granted), and which has kept its
//!   memory since.
//! * **Witness**: a member that is no voter. Its vote counts, its data do not.
//! * **Configuration**: the replicas whose acknowledgements may count in a term. It is on the disks of
//!   all of them, so that an election hears whose data it needs.
//! * **Place**: where a member is in the list of members. REPLACE gives it to another node
//!   (`membership.rs`).
//! * **Promise**: the highest ballot that a member has voted for or followed. It is written to disk
//!   before anybody hears of it. A member never acts for a lower ballot.
//!
//! # The machine
//!
//! [`Member`] is one member. It makes no calls: each event returns actions, and the caller carries
//! them out. The stream positions are arguments.
//!
//! | event | method | who |
//! |---|---|---|
//! | its primary has failed or is closed | [`stand`](Member::stand) | all but term holders |
//! | somebody asks for a vote | [`considers`](Member::considers), [`asked`](Member::asked) | all |
//! | a vote arrives | [`voted`](Member::voted) | a candidate |
//! | a promise or a configuration is on disk | [`persisted`](Member::persisted) | all |
//! | the server became a primary | [`promoted`](Member::promoted) | |
//! | it follows another primary | [`demoted`](Member::demoted) | |
//! | a replica's link came or went | [`link_changed`](Member::link_changed) | a primary |
//! | it is asked to confirm | [`challenged`](Member::challenged) | a replica |
//! | a replica confirms | [`granted`](Member::granted) | a primary |
//! | others have confirmed than before | [`configure`](Member::configure) | a primary |
//! | a replica asks for the stream | [`serves`](Member::serves) | a primary |
//! | it is asked for admission | [`admission_asked`](Member::admission_asked) | a replica |
//! | it may | [`admitted`](Member::admitted) | a primary |
//! | its data are about to be replaced | [`data_replaced`](Member::data_replaced) | a replica |
//! | it hears of a later list of members | [`change`](Member::change) | all |
//! | a new node is heard | [`has_joined`](Member::has_joined) | all |
//!
//! The rules and why each is needed are in the files below. The model in `tests/model/` (`make
//! model`) runs this code with an adversarial server and network, and finds a lost write when any
//! one rule is taken away.
//!
//! The module keeps a [`Shard`] for the group that its server belongs to: one [`Member`], what it
//! knows of the others, and when it does what.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admission;
mod ballot;
mod configuration;
mod definition;
mod election;
mod group;
mod member;
mod membership;
mod message;
mod record;
mod reign;
mod rules;
mod shard;
mod wire;

pub use ballot::{Ballot, MemberId};
pub use configuration::{suffices, Configuration, Credentials, Kept, Members, Shortage};
pub use definition::{Definition, GroupId, NodeId, MAX_MEMBERS};
pub use group::Group;
pub use member::{Action, Member, Position, Start, StreamId};
pub use membership::{Membership, Version};
pub use message::{Message, Refusal};
pub use record::{other_format, Record, ServerSettings, FILE, SLOT};
pub use reign::Generation;
pub use rules::Rule;
pub use shard::{shortage_text, Act, Exchange, Peer, Role, Sender, Shard, View};
pub use wire::{
    decode, encode, refusal_text, Body, Change, Decline, Envelope, Status, Unread, BUS_TYPE,
    MAX_BYTES, VERSION as WIRE_VERSION,
};
