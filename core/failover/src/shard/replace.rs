//! Exchanges a member for another node: what is asked of whom, and when. Why it loses nothing is in
//! `membership.rs`.

use super::{Act, Shard, View, AGAIN};
use crate::{
    Body, Change, Definition, GroupId, MemberId, Members, Membership, Message, NodeId, Peer,
    Version,
};

/// How far an exchange is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It may begin, with this list.
    MayBegin(MemberId, Definition),
    /// It is under way.
    IsUnderWay,
    /// The new node is a member already, and the old one is none.
    IsDone,
}

/// Who has sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A member that goes by the same list.
    Member(MemberId),
    /// A member of this group by another list. They have to tell each other.
    GoesByAnotherList,
    /// Nobody of this group.
    Stranger,
}

impl Shard {
    /// What an exchange of `old` for `new` would be.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub fn exchange(&self, old: NodeId, new: NodeId) -> Result<Exchange, String> {
        let Some(term) = self.member.term() else {
            return Err("REPLACE needs the primary that holds the term of its group".into());
        };
        let joining = self.member.membership().joining;
        let place = match (self.definition.place(old), self.definition.place(new)) {
            (Some(place), None) => place,
            (None, Some(place)) if joining == Some(place) => return Ok(Exchange::IsUnderWay),
            (None, Some(_)) => return Ok(Exchange::IsDone),
            (Some(_), Some(_)) => return Err(format!("{new} is a member already")),
            (None, None) => return Err(format!("{old} is no member of this group")),
        };
        if place == self.me {
            return Err("this primary cannot exchange itself: promote another member first".into());
        }
        if let Some(other) = joining.filter(|&other| other != place) {
            return Err(format!(
                "{} is joining: one exchange at a time",
                self.name(other)
            ));
        }
        let mut counting = self.member.counting();
        counting.remove(place);
        let (have, need) = (counting.count(), self.group.acknowledgements());
        if have < usize::from(need) {
            return Err(format!(
                "{need} replicas other than {old} have to have confirmed, and {have} have"
            ));
        }
        let version = self.definition.version.next(term);
        let list = version.and_then(|version| self.definition.with(place, new, version));
        let list = list.ok_or("the list of members cannot be changed any more")?;
        Ok(Exchange::MayBegin(place, list))
    }

    /// Begins an exchange, with the list of [`exchange`](Self::exchange).
    pub fn begin_exchange(&mut self, place: MemberId, list: Definition) -> Vec<Act> {
        self.leaving = Some((place, list));
        vec![Act::Log(format!(
            "{} is to be exchanged for another node",
            self.name(place)
        ))]
    }

    /// The new node that is not known to be a member yet.
    pub fn joining(&self) -> Option<NodeId> {
        self.definition.node(self.member.membership().joining?)
    }

    /// The list, to tell it to a node that goes by an earlier one.
    pub fn list(&self) -> Change {
        Change {
            definition: self.definition.clone(),
            joining: self.member.membership().joining,
            confirmed_in: self.member.log_term(),
        }
    }

    /// Who has sent a message. It counts only from a member that goes by the same list.
    pub fn sender(&self, from: NodeId, group: GroupId, list: Version) -> Sender {
        let own = &self.definition;
        match own.place(from) {
            _ if group != own.id => Sender::Stranger,
            _ if list != own.version => Sender::GoesByAnotherList,
            Some(place) => Sender::Member(place),
            None => Sender::Stranger,
        }
    }

    /// The holder of a term goes on with an exchange.
    pub(super) fn advance(&mut self, view: &View, acts: &mut Vec<Act>) {
        let in_force = self.member.in_force();
        let has_left = |(place, _): &mut (MemberId, Definition)| {
            in_force.is_some_and(|replicas| !replicas.contains(*place))
        };
        if let Some((place, list)) = self.leaving.take_if(has_left) {
            acts.extend(self.take(list, Some(place)));
        }
        let Some((place, message)) = self.member.may_join() else {
            return;
        };
        let Some(peer) = self.peers.get_mut(usize::from(place.0)) else {
            return;
        };
        let is_early = |at: u64| view.now.saturating_sub(at) < AGAIN;
        if !peer.asked_to_join_at.is_some_and(is_early) {
            peer.asked_to_join_at = Some(view.now);
            acts.push(self.act(crate::Action::Send(place, message)));
        }
    }

    /// A member tells a list.
    pub fn told(&mut self, change: &Change) -> Vec<Act> {
        let (list, own) = (&change.definition, &self.definition);
        let is_preferred = list.id == own.id
            && list.version != own.version
            && self.member.prefers(list.version, change.confirmed_in)
            && list.group() == Some(self.group)
            && change
                .joining
                .is_none_or(|place| list.node(place).is_some());
        // A list that cannot be written binds nobody after a restart.
        if !is_preferred || !self.can_persist {
            return Vec::new();
        }
        match own.node(self.me).map(|node| list.place(node)) {
            Some(Some(place)) if place == self.me => self.take(list.clone(), change.joining),
            Some(None) => vec![Act::Leave(change.clone())],
            _ => Vec::new(),
        }
    }

    /// Goes by another list.
    fn take(&mut self, list: Definition, joining: Option<MemberId>) -> Vec<Act> {
        self.leaving = None;
        let mut acts = Vec::new();
        let mut changed = Members::NONE;
        let places = (0..self.group.members()).map(MemberId);
        for place in places.filter(|&place| list.node(place) != self.definition.node(place)) {
            changed.insert(place);
            if let Some(peer) = self.peers.get_mut(usize::from(place.0)) {
                *peer = Peer::default();
            }
            if let Some(new) = list.node(place) {
                let old = self.name(place);
                acts.push(Act::Log(format!(
                    "{old} is no member any more: {new} takes its place"
                )));
            }
        }
        self.challenge = self
            .challenge
            .filter(|challenge| !changed.contains(challenge.from));
        let membership = Membership {
            version: list.version,
            joining,
        };
        self.definition = list;
        let actions = self.member.change(membership, changed);
        self.extend(&mut acts, actions);
        acts
    }

    /// What the caller has to do for the rules.
    pub(super) fn act(&self, action: crate::Action) -> Act {
        match action {
            crate::Action::Persist(kept) => Act::Persist(kept),
            crate::Action::Promote => Act::Promote,
            crate::Action::Send(to, message) => {
                let body = match message {
                    // On the wire they name the members.
                    Message::Change { .. } => Body::Change(self.list()),
                    Message::Join { term, .. } => Body::Join(self.list(), term),
                    message => Body::Protocol(message),
                };
                Act::Send(to, body)
            }
        }
    }
}
