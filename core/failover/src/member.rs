//! One member of a group: what it remembers, what it promises, and the messages.

use serde::{Deserialize, Serialize};

use super::election::Candidacy;
use super::message::Message;
use super::reign::Reign;
use super::{Ballot, Configuration, Credentials, Group, Kept, MemberId, Membership, Rule};

/// The id of a replication stream (the server's replication id), as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(pub u128);

/// How far a member has read a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which stream.
    pub stream: StreamId,
    /// Bytes of it.
    pub offset: u64,
}

impl Position {
    /// Of a member that does not know where its data end. Nobody's vote depends on it.
    pub const UNKNOWN: Position = Position {
        stream: StreamId(0),
        offset: 0,
    };
}

/// What the caller has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Write this to disk, then call [`Member::persisted`].
    Persist(Kept),
    /// Send a message.
    Send(MemberId, Message),
    /// Tell the server to promote this member (CLUSTER FAILOVER FORCE).
    Promote,
}

/// One member. See the head of `lib.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    pub(super) me: MemberId,
    pub(super) group: Group,
    /// The highest ballot that it has voted for, stood in, or followed.
    pub(super) promise: Ballot,
    /// The latest configuration that it is or was in, or has made.
    pub(super) configuration: Configuration,
    /// The list of members that it goes by.
    pub(super) membership: Membership,
    /// What is on disk of the three.
    persisted: Kept,
    /// Sent once they are on disk.
    pub(super) outbox: Vec<(MemberId, Message)>,
    /// The term in which its data were confirmed.
    pub(super) log_term: Ballot,
    /// Its data were confirmed, and it has kept its memory since.
    pub(super) is_voter: bool,
    /// Where its data end that count: what it wrote afterwards, it wrote without a term.
    pub(super) frozen: Option<Position>,
    pub(super) candidacy: Option<Candidacy>,
    /// `Some` while it is a primary.
    pub(super) reign: Option<Reign>,
    /// The rules that the model takes away.
    #[cfg(feature = "weakened")]
    without: Vec<Rule>,
}

impl Member {
    /// The ballot in which `primary` founds a group.
    pub fn founding_ballot(primary: MemberId) -> Ballot {
        Ballot {
            counter: 1,
            author: Some(primary),
        }
    }

    /// A member of a group that was just formed, after all have written the
    /// [founding ballot](Self::founding_ballot) to disk. `primary` holds the first term. The others
    /// are no voters until it has confirmed their data.
    pub fn founder(me: MemberId, group: Group, primary: MemberId) -> Member {
        let first = Member::founding_ballot(primary);
        let mut member = Member::restarted(me, group, Kept::promised(first));
        if me == primary {
            member.log_term = first;
            member.is_voter = true;
            member.reign = Some(Reign::with_term(first));
        }
        member
    }

    /// A member after a restart: only what it has kept on disk is left.
    pub fn restarted(me: MemberId, group: Group, kept: Kept) -> Member {
        Member {
            me,
            group,
            promise: kept.promise,
            configuration: kept.configuration,
            membership: kept.list,
            persisted: kept,
            outbox: Vec::new(),
            log_term: Ballot::ZERO,
            is_voter: false,
            frozen: None,
            candidacy: None,
            reign: None,
            #[cfg(feature = "weakened")]
            without: Vec::new(),
        }
    }

    /// The highest ballot that it has promised.
    pub fn promise(&self) -> Ballot {
        self.promise
    }

    /// What is on disk: all that a restart leaves.
    pub fn persisted_state(&self) -> Kept {
        self.persisted
    }

    /// What has to be on disk before anybody hears of it.
    pub fn kept(&self) -> Kept {
        Kept {
            promise: self.promise,
            configuration: self.configuration,
            list: self.membership,
        }
    }

    /// What its vote says about its data.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            confirmed_in: self.is_voter.then_some(self.log_term),
            configuration: self.configuration,
        }
    }

    /// The term in which its data were confirmed.
    pub fn log_term(&self) -> Ballot {
        self.log_term
    }

    /// Whether it is a primary.
    pub fn is_primary(&self) -> bool {
        self.reign.is_some()
    }

    /// Whether its vote is one on data. Otherwise it is a witness's.
    pub fn is_voter(&self) -> bool {
        self.is_voter
    }

    /// The term that it holds: it is a primary, V members have voted for it, and it has promised
    /// nothing higher since.
    pub fn term(&self) -> Option<Ballot> {
        let term = self.reign.as_ref()?.term()?;
        (self.promise == term || !self.holds(Rule::PromiseBinds)).then_some(term)
    }

    /// The server follows another primary now. `position` is its own.
    pub fn demoted(&mut self, position: Position) {
        self.candidacy = None;
        self.lose_term(position);
        self.reign = None;
    }

    /// The data are about to be replaced by a full synchronization. From the first byte on the
    /// member may have neither the old nor the new data.
    pub fn data_replaced(&mut self) {
        self.frozen = None;
        if self.holds(Rule::ReplacedDataDoNotVote) {
            self.is_voter = false;
            self.candidacy = None;
        }
    }

    /// What [`Action::Persist`] named is on disk.
    pub fn persisted(&mut self, kept: Kept) -> Vec<Action> {
        // Lists of members do not only grow: what was written last is on disk.
        self.persisted = Kept {
            promise: kept.promise.max(self.persisted.promise),
            configuration: kept.configuration.max(self.persisted.configuration),
            list: kept.list,
        };
        if !self.persisted.covers(self.kept()) {
            return Vec::new();
        }
        let outbox = std::mem::take(&mut self.outbox);
        let mut actions: Vec<Action> = outbox
            .into_iter()
            .map(|(to, message)| Action::Send(to, message))
            .collect();
        self.own_vote(&mut actions);
        actions
    }

    /// Promises a ballot, and sends a message once the promise is on disk.
    pub(super) fn promise_and_send(
        &mut self,
        ballot: Ballot,
        messages: impl IntoIterator<Item = (MemberId, Message)>,
    ) -> Vec<Action> {
        if ballot > self.promise {
            // What waits for an older promise is void: it would speak for a ballot that this member
            // has left behind.
            self.outbox.clear();
            self.promise = ballot;
        }
        for message in messages {
            // The same challenge comes again and again while a slow disk writes.
            if !self.outbox.contains(&message) {
                self.outbox.push(message);
            }
        }
        if self.persisted.covers(self.kept()) {
            return self.persisted(self.persisted);
        }
        vec![Action::Persist(self.kept())]
    }

    /// A term holder that promises a higher ballot holds no term any more. What it writes from now
    /// on does not count.
    pub(super) fn lose_term(&mut self, position: Position) {
        let Some(reign) = &mut self.reign else { return };
        if reign.lose_term() {
            self.frozen.get_or_insert(position);
        }
    }

    /// Its position, without what was written without a term.
    pub fn counted(&self, position: Position) -> Position {
        let frozen = self.frozen.filter(|_| self.holds(Rule::FrozenPosition));
        frozen.unwrap_or(position)
    }

    /// All other members.
    pub fn others(&self) -> impl Iterator<Item = MemberId> {
        let me = self.me;
        (0..self.group.members())
            .map(MemberId)
            .filter(move |&one| one != me)
    }

    /// Takes rules away, for the model.
    #[cfg(feature = "weakened")]
    #[must_use]
    pub fn without(mut self, rules: &[Rule]) -> Member {
        self.without = rules.to_vec();
        self
    }

    /// As [`restarted`](Self::restarted), but the member still takes itself for a voter: for the
    /// model.
    #[cfg(feature = "weakened")]
    #[must_use]
    pub fn restarted_as_voter(&self, kept: Kept) -> Member {
        let mut member = Member::restarted(self.me, self.group, kept);
        member.is_voter = self.is_voter;
        member.log_term = self.log_term;
        member
    }

    /// False for rules that the model has taken away.
    pub(super) fn holds(&self, rule: Rule) -> bool {
        #[cfg(feature = "weakened")]
        return !self.without.contains(&rule);
        #[cfg(not(feature = "weakened"))]
        {
            let _ = rule;
            true
        }
    }
}
