//! Exchanges a member for another node: what is asked of whom, and when. Why it loses nothing is in
//! `membership.rs`.

use super::{Act, Leaving, Shard, View, AGAIN};
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
        let Some(term) = self.member.term() else {
            return Vec::new();
        };
        self.leaving = Some(Leaving { term, place, list });
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
            confirmed_in: self.member.list_term(),
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
        self.give_up_exchange(acts);
        let in_force = self.member.in_force();
        let has_left = |leaving: &mut Leaving| {
            in_force.is_some_and(|replicas| !replicas.contains(leaving.place))
        };
        if let Some(Leaving { place, list, .. }) = self.leaving.take_if(has_left) {
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

    /// An exchange that has only begun must not keep the others from acknowledging.
    fn give_up_exchange(&mut self, acts: &mut Vec<Act>) {
        let Some(Leaving { term, place, .. }) = self.leaving else {
            return;
        };
        let others = self.member.others().filter(|&other| other != place);
        let confirmed = others.filter(|&other| self.member.has_granted(other));
        let is_enough = confirmed.count() >= usize::from(self.group.acknowledgements());
        if !is_enough || self.member.term() != Some(term) {
            self.leaving = None;
            acts.push(Act::Log(format!(
                "{} is not exchanged: too few other replicas are confirmed",
                self.name(place)
            )));
        }
    }

    /// Whether an exchange has begun and the new node is not known to be a member.
    pub fn is_exchanging(&self) -> bool {
        self.leaving.is_some() || self.joining().is_some()
    }

    /// A node tells a list. It is a member by the own list or by that one.
    pub fn told(&mut self, from: NodeId, change: &Change) -> Vec<Act> {
        let (list, own) = (&change.definition, &self.definition);
        let is_known = own.place(from).is_some() || list.place(from).is_some();
        let is_of_group = list.id == own.id
            && list.version != own.version
            && list.group() == Some(self.group)
            && change
                .joining
                .is_none_or(|place| list.node(place).is_some());
        // A list that cannot be written binds nobody after a restart.
        if !is_known || !is_of_group || !self.can_persist {
            return Vec::new();
        }
        if !self.member.prefers(list.version, change.confirmed_in) {
            // Who goes by the told list may not know that this member exists.
            return vec![Act::Tell(from)];
        }
        let own_place = own.node(self.me).map(|node| list.place(node));
        let is_taken = change.joining == Some(self.me);
        match own_place {
            // It is to join anew: what it remembers is of the time before it was exchanged.
            Some(Some(place)) if place == self.me && !is_taken => {
                self.take(list.clone(), change.joining)
            }
            // Until the new node has joined, the old one may still be needed by its own list.
            Some(None) if is_taken => Vec::new(),
            _ => vec![Act::Leave(change.clone())],
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
        if joining.is_some() {
            // The less time passes until the new node has joined, the better.
            let told = self.member.others();
            acts.extend(told.map(|other| Act::Send(other, Body::Change(self.list()))));
        }
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
