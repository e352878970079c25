//! Elections: standing, voting, winning.
//!
//! A candidate stands in a ballot above all that it has promised, and asks everybody. A voter votes
//! if it has promised nothing as high, and has not more of the stream. It cuts its link to the
//! primary before it reads its position: otherwise it could acknowledge more afterwards.
//!
//! Positions are compared by the term in which the data were confirmed, then by the offset. The
//! stream is not compared. Two members whose data were confirmed in term 1 have different streams
//! if one of them continued from a later term holder and was not asked to confirm. That holder had
//! every write that was released in term 1, at the same offsets, so the offsets are comparable.
//! What is written without a term would break this: it is not counted.
//!
//! A member that is no voter has no data to compare. It votes as a witness: its vote counts, and
//! tells the configuration that it knows (`configuration.rs`).

use std::collections::BTreeMap;

use super::configuration::has_data;
use super::member::{Action, Member, Position};
use super::message::{Message, Refusal};
use super::reign::Reign;
use super::{Ballot, Credentials, MemberId, Rule};

/// A member's own election.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidacy {
    ballot: Ballot,
    votes: BTreeMap<MemberId, Credentials>,
    /// An operator has decided: no vote of others is needed.
    is_forced: bool,
    is_won: bool,
}

impl Member {
    /// Stands for election: as a replica whose primary has failed or is closed, or as a primary
    /// that is closed. A replica has cut its link before it read `position`. Does nothing for a
    /// member that is no voter. The ballot is above `above` too, the highest that others are known
    /// to have promised.
    pub fn stand(&mut self, position: Position, above: Ballot) -> Vec<Action> {
        let highest = self.promise.max(above);
        let Some(ballot) = highest.next(self.me).filter(|_| self.is_voter) else {
            return Vec::new();
        };
        self.lose_term(position);
        self.candidacy = Some(Candidacy {
            ballot,
            votes: BTreeMap::new(),
            is_forced: false,
            is_won: false,
        });
        let request = Message::Request {
            ballot,
            log_term: self.log_term,
            position: self.counted(position),
        };
        let messages: Vec<_> = self.others().map(|other| (other, request)).collect();
        self.promise_and_send(ballot, messages)
    }

    /// An operator accepts that acknowledged writes may be lost: a primary without a term takes one
    /// without votes. Does nothing for other members.
    pub fn accept_loss(&mut self, above: Ballot) -> Vec<Action> {
        let is_closed = self.reign.is_some() && self.term().is_none();
        let Some(ballot) = self.promise.max(above).next(self.me).filter(|_| is_closed) else {
            return Vec::new();
        };
        self.candidacy = Some(Candidacy {
            ballot,
            votes: BTreeMap::new(),
            is_forced: true,
            is_won: false,
        });
        self.promise_and_send(ballot, [])
    }

    /// Gives up its election. The server may still promote it.
    pub fn give_up(&mut self) {
        self.candidacy = None;
    }

    /// Whether it has won an election, and waits for the server to promote it.
    pub fn awaits_promotion(&self) -> bool {
        let mut candidacy = self.candidacy.iter();
        self.reign.is_none() && candidacy.any(|candidacy| candidacy.is_won)
    }

    /// Whether it stands for election.
    pub fn is_candidate(&self) -> bool {
        self.candidacy.is_some()
    }

    /// Whether a request for this ballot needs a look at the own position. Only then a replica has
    /// to cut its link. A witness need not: what it acknowledges counts for nobody.
    pub fn considers(&self, ballot: Ballot) -> bool {
        self.is_voter && ballot > self.promise && !self.reigns()
    }

    /// It holds a term, and enough replicas have confirmed that waits can be released. To vote for
    /// somebody else would only end that.
    fn reigns(&self) -> bool {
        self.counting().count() >= usize::from(self.group.acknowledgements())
    }

    /// `from` asks for a vote. A replica has cut its link before it read `own`, if it
    /// [`considers`](Self::considers) the ballot.
    pub fn asked(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        log_term: Ballot,
        position: Position,
        own: Position,
    ) -> Vec<Action> {
        match self.refusal(ballot, log_term, position, own) {
            Some(refusal) => {
                vec![Action::Send(from, Message::Refuse { ballot, refusal })]
            }
            None => {
                self.candidacy = None;
                self.lose_term(own);
                let credentials = self.credentials();
                let vote = Message::Vote {
                    ballot,
                    credentials,
                };
                self.promise_and_send(ballot, [(from, vote)])
            }
        }
    }

    fn refusal(
        &self,
        ballot: Ballot,
        log_term: Ballot,
        position: Position,
        own: Position,
    ) -> Option<Refusal> {
        if ballot <= self.promise {
            return Some(Refusal::Promised(self.promise));
        }
        if self.reigns() {
            return Some(Refusal::Reigns);
        }
        if !self.is_voter || !self.holds(Rule::Rank) {
            return None;
        }
        let counted = self.counted(own);
        ((log_term, position.offset) < (self.log_term, counted.offset)).then_some(Refusal::Ahead)
    }

    /// `from` votes for the ballot.
    pub fn voted(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        credentials: Credentials,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        self.count_vote(from, ballot, credentials, &mut actions);
        actions
    }

    /// The own vote counts once the promise is on disk.
    pub(super) fn own_vote(&mut self, actions: &mut Vec<Action>) {
        self.count_vote(self.me, self.promise, self.credentials(), actions);
    }

    fn count_vote(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        credentials: Credentials,
        actions: &mut Vec<Action>,
    ) {
        let is_it = |one: &mut Candidacy| one.ballot == ballot && !one.is_won;
        let Some(mut candidacy) = self.candidacy.take_if(is_it) else {
            return;
        };
        candidacy.votes.insert(from, credentials);
        // Its own promise has to be on disk.
        let has_own = candidacy.votes.contains_key(&self.me);
        candidacy.is_won = has_own && (candidacy.is_forced || self.elects(&candidacy.votes));
        let is_won = candidacy.is_won;
        self.candidacy = Some(candidacy);
        if !is_won {
            return;
        }
        if self.reign.is_some() {
            self.take_term(ballot);
        } else {
            actions.push(Action::Promote);
        }
    }

    /// As [`suffices`](super::suffices), without the rules that the model takes away.
    fn elects(&self, votes: &BTreeMap<MemberId, Credentials>) -> bool {
        let needed = usize::from(self.group.votes());
        let needed = needed.saturating_sub(usize::from(!self.holds(Rule::Quorum)));
        let has_data = has_data(self.group, votes).is_ok();
        votes.len() >= needed && (has_data || !self.holds(Rule::WitnessesHaveNoData))
    }

    /// The server became a primary: because of [`Action::Promote`], or because somebody else said
    /// so. It holds a term only if it has won its election and has promised nothing higher since.
    /// `position` is its own before, in the stream of its former primary.
    pub fn promoted(&mut self, position: Position) {
        let won = self.candidacy.take().filter(|candidacy| candidacy.is_won);
        self.reign = Some(Reign::closed());
        match won.filter(|won| won.ballot == self.promise || !self.holds(Rule::PromiseBinds)) {
            Some(won) => self.take_term(won.ballot),
            None => {
                self.frozen.get_or_insert(position);
            }
        }
    }

    fn take_term(&mut self, ballot: Ballot) {
        self.candidacy = None;
        self.reign = Some(Reign::with_term(ballot));
        self.log_term = ballot;
        // An operator may have opened it: then its data are what they are from now on.
        self.is_voter = true;
        self.frozen = None;
    }
}
