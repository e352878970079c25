//! When a member does what: challenges, elections, states told once a second.
//!
//! The rules of [`Member`] say what is safe. This file decides when to use them, so that a shard
//! has a primary soon. Nothing here can lose a write: a member that stands too often only causes
//! elections.
//!
//! The caller shows the server in a [`View`] and carries out each [`Act`]. It calls [`Shard::tick`]
//! some ten times a second.
//!
//! | who | does | when |
//! |---|---|---|
//! | all | tell their state | once a second, and when it has changed |
//! | a primary with a term | asks each connected replica that has not confirmed | at once, then once a second |
//! | a primary with a term | changes the configuration | more have confirmed, or one has been away for a second, or has not confirmed it for two |
//! | a primary without one, a voter | stands | at once, then about once a second |
//! | a primary with one | stands | a member has promised a later ballot, and so cannot confirm |
//! | a replica | stands | its primary has failed, cannot win, or neither serves nor speaks |
//! | a primary with a term | claims its place in the cluster | a member that is heard does not replicate it |
//! | a primary with a term | exchanges a member for another node | an operator has asked for it |
//! | a replica | follows the holder of the term | its primary is another one, which has failed |
//!
//! Nobody stands who hears too few members to win.
//!
//! A replica waits 300 ms for each voter that has more of the stream than it has: the best one
//! stands first. After a vote for somebody else it waits until that one has had time to become
//! primary.

mod cluster;
mod confirm;
mod receive;
mod replace;
mod stand;
mod tell;
mod view;

pub use replace::{Exchange, Sender};
pub use stand::shortage_text;
pub use view::{Act, Peer, Role, View};

use std::collections::BTreeMap;

use super::member::{Action, Member, Position, Start};
use super::message::Message;
use super::wire::Status;
use super::{
    Ballot, Configuration, Definition, Generation, Group, Kept, MemberId, Members, NodeId,
    MAX_MEMBERS,
};

/// A state that is older is not believed, in milliseconds.
pub(super) const FRESH: u64 = 3000;
/// How often something is sent again that may have been lost, in milliseconds.
pub(super) const AGAIN: u64 = 1000;

/// One server's part in its group.
#[derive(Debug)]
pub struct Shard {
    definition: Definition,
    me: MemberId,
    group: Group,
    member: Member,
    peers: Vec<Peer>,
    /// Replicas of this primary that are no members, and where their data end.
    beside: BTreeMap<NodeId, Position>,
    /// A member that is to be exchanged, and the list without it. First it leaves the
    /// configuration.
    leaving: Option<Leaving>,
    /// The challenge of the primary that is not answered yet: the data had not arrived.
    challenge: Option<Challenge>,
    /// Since when the configuration has replicas that have not confirmed.
    away_since: Option<u64>,
    /// A configuration that is not in force yet, and since when.
    awaited_since: Option<(Configuration, u64)>,
    /// Not before this time a member stands.
    not_before: u64,
    /// Since when a replica has had a reason to stand.
    reason_since: Option<u64>,
    /// It has said that it hears too few voters to stand.
    is_alone: bool,
    /// Elections that it has not won.
    failures: u32,
    /// When FORCE was called.
    forced_at: Option<u64>,
    /// Since when the cluster disagrees with the group, or was helped last.
    disagrees_since: Option<u64>,
    told_at: Option<u64>,
    told: Option<Status>,
    can_persist: bool,
    /// When it refused a vote to its primary because it has more of the stream.
    refused_primary_at: Option<u64>,
    last_refusal: String,
    promotions: u64,
}

/// What a primary asks a replica to confirm.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    from: MemberId,
    term: Ballot,
    generation: Generation,
    position: Position,
    configuration: Option<Configuration>,
    start: Start,
}

/// An exchange that has begun in a term.
#[derive(Debug)]
struct Leaving {
    term: Ballot,
    place: MemberId,
    list: Definition,
}

impl Shard {
    /// A member that has read its group and what it has kept from disk. `start` is a new random
    /// number. `None` if `me` is no member.
    pub fn new(definition: Definition, me: MemberId, kept: Kept, start: Start) -> Option<Shard> {
        let group = definition.group()?;
        let mut member = Member::restarted(me, group, kept, start);
        // It is the node that was asked to join.
        member.has_joined(me);
        Shard::with(definition, me, group, member)
    }

    /// The primary that has just founded a group.
    pub fn founded(definition: Definition, me: MemberId, start: Start) -> Option<Shard> {
        let group = definition.group()?;
        let member = Member::founder(me, group, me, start);
        Shard::with(definition, me, group, member)
    }

    fn with(definition: Definition, me: MemberId, group: Group, member: Member) -> Option<Shard> {
        let count = definition.members.len();
        definition.node(me)?;
        Some(Shard {
            definition,
            me,
            group,
            member,
            peers: vec![Peer::default(); count],
            beside: BTreeMap::new(),
            leaving: None,
            challenge: None,
            away_since: None,
            awaited_since: None,
            not_before: 0,
            reason_since: None,
            is_alone: false,
            failures: 0,
            forced_at: None,
            disagrees_since: None,
            told_at: None,
            told: None,
            can_persist: true,
            refused_primary_at: None,
            last_refusal: String::new(),
            promotions: 0,
        })
    }

    /// The group.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Its own place.
    pub fn me(&self) -> MemberId {
        self.me
    }

    /// N and K.
    pub fn group(&self) -> Group {
        self.group
    }

    /// The rules' side of it.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// What is known of the others, by place. The own entry is empty.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The last vote that was not given, since the last election was won or the role changed. Empty
    /// if there was none.
    pub fn last_refusal(&self) -> &str {
        &self.last_refusal
    }

    /// How often it became a primary by its group's votes.
    pub fn promotions(&self) -> u64 {
        self.promotions
    }

    /// Whether the file can be written. While it cannot, the member does not vote.
    pub fn can_persist(&self) -> bool {
        self.can_persist
    }

    /// The replicas whose acknowledgements count: this server holds a term, and they have
    /// confirmed on their present links, and are in the configuration.
    pub fn counting(&self) -> Members {
        self.member.counting()
    }

    /// A primary without a term releases nothing and serves nobody.
    pub fn is_closed(&self) -> bool {
        self.member.is_primary() && self.member.term().is_none()
    }

    /// The links of replicas have changed: `changed` are the members whose link came or went,
    /// `linked` says for every member whether it has a link that is up. To be called before any
    /// acknowledgement over a new link is believed.
    pub fn links_changed(&mut self, changed: &[MemberId], linked: &[bool]) {
        for &replica in changed {
            self.member.link_changed(replica);
        }
        for (peer, &linked) in self.peers.iter_mut().zip(linked) {
            peer.is_linked = linked;
        }
    }

    /// Whether PSYNC from this position is served; see [`Member::serves`].
    ///
    /// # Errors
    /// It is not. Carry out the acts.
    pub fn serves(&self, asked: Option<Position>, own: &[Position]) -> Result<(), Vec<Act>> {
        let is_beside = asked.is_some_and(|asked| self.beside.values().any(|&end| end == asked));
        if is_beside && self.member.term().is_some() {
            return Ok(());
        }
        let served = self.member.serves(asked, own);
        served.map_err(|actions| actions.into_iter().map(|action| self.act(action)).collect())
    }

    /// A replica of this primary that is no member may be served while its data end here: the group
    /// does not count on them. A member that asks from the very same position is served too. It
    /// loses its vote then, as with every full synchronization.
    pub fn may_replace(&mut self, node: NodeId, end: Position) {
        let is_known = self.beside.contains_key(&node) || self.beside.len() < MAX_MEMBERS;
        if self.definition.place(node).is_none() && is_known {
            self.beside.insert(node, end);
        }
    }

    /// The data are about to be replaced by a full synchronization.
    pub fn data_replaced(&mut self) {
        self.challenge = None;
        self.member.data_replaced();
    }

    /// This is on disk.
    pub fn persisted(&mut self, kept: Kept) -> Vec<Act> {
        let mut acts = Vec::new();
        if !self.can_persist {
            self.can_persist = true;
            acts.push(Act::Log("its promises can be written to disk again".into()));
        }
        let actions = self.member.persisted(kept);
        self.extend(&mut acts, actions);
        acts
    }

    /// The promise could not be written. Its message is not sent, so nobody gets this vote.
    pub fn not_persisted(&mut self, why: &str) -> Vec<Act> {
        if !std::mem::replace(&mut self.can_persist, false) {
            return Vec::new();
        }
        vec![Act::Log(format!(
            "a promise cannot be written to disk ({why}): this member does not vote until it can"
        ))]
    }

    /// What has to be written again, after a failure.
    pub fn unwritten(&self) -> Option<Kept> {
        let (kept, written) = (self.member.kept(), self.member.persisted_state());
        (!written.covers(kept)).then_some(kept)
    }

    /// The server became a primary, or a replica. `position` is where its data end: for a new
    /// primary in its former stream.
    pub fn role_changed(&mut self, is_primary: bool, position: Position, now: u64) -> Vec<Act> {
        self.challenge = None;
        self.beside.clear();
        self.leaving = None;
        (self.reason_since, self.away_since) = (None, None);
        self.last_refusal.clear();
        self.failures = 0;
        self.forced_at = None;
        self.told_at = None;
        for peer in &mut self.peers {
            peer.is_linked = false;
            peer.unconfirmed = None;
        }
        if !is_primary {
            self.member.demoted(position);
            return vec![Act::Log("this server is a replica now".into())];
        }
        self.member.promoted(position);
        self.not_before = now;
        let text = match self.member.term() {
            Some(term) => {
                self.promotions = self.promotions.saturating_add(1);
                format!("this server is the primary now, in term {}", term.counter)
            }
            None => "this server is a primary without a term now: it is closed until its group \
                     has voted for it"
                .into(),
        };
        vec![Act::Log(text)]
    }

    /// Some ten times a second.
    pub fn tick(&mut self, view: &View) -> Vec<Act> {
        let mut acts = Vec::new();
        self.answer_challenge(view, &mut acts);
        match &view.role {
            Role::Primary if self.member.term().is_some() => {
                self.configure(view, &mut acts);
                self.challenge_all(view, &mut acts);
                self.advance(view, &mut acts);
            }
            Role::Primary => {}
            Role::Replica { .. } => self.force_again(view, &mut acts),
        }
        self.consider_standing(view, &mut acts);
        self.agree(view, &mut acts);
        self.tell(view, &mut acts);
        acts
    }

    /// Logs that a vote was not given, and keeps it for STATUS.
    pub(super) fn refused(&mut self, text: String, acts: &mut Vec<Act>) {
        self.last_refusal.clone_from(&text);
        acts.push(Act::Log(text));
    }

    pub(super) fn extend(&mut self, acts: &mut Vec<Act>, actions: Vec<Action>) {
        acts.extend(actions.into_iter().map(|action| self.act(action)));
    }
}

/// Whether a message is for a primary only.
pub(super) fn is_for_primary(message: &Message) -> bool {
    matches!(message, Message::Grant { .. } | Message::Admit { .. })
}

#[cfg(test)]
mod tests;
