//! Whose data a primary may replace: a replica asks for the stream, and gets a copy of everything
//! if what it has is not part of the stream.

use super::member::{Action, Member, Position};
use super::message::Message;
use super::reign::key;
use super::{Ballot, MemberId, Rule};

impl Member {
    /// Whether a replica that asks for the stream from `asked` is served. `None` is a replica
    /// without data. `own` are the streams that this primary can continue, and how far.
    ///
    /// Who has read a part of an own stream loses nothing: it is brought up to date, or gets a copy
    /// that includes what it has. Any other position needs an admission. The server does not tell
    /// which member asks, so the position has to be one that a member was admitted with. If there
    /// is none, all members are asked; the replica tries again by itself.
    ///
    /// # Errors
    /// It is not served. Carry out the actions.
    pub fn serves(&self, asked: Option<Position>, own: &[Position]) -> Result<(), Vec<Action>> {
        let Some(term) = self.term() else {
            if !self.holds(Rule::ClosedServesNobody) {
                return Ok(());
            }
            return Err(Vec::new());
        };
        let Some(position) = asked.filter(|_| self.holds(Rule::Admission)) else {
            return Ok(());
        };
        let is_part =
            |own: &Position| own.stream == position.stream && own.offset >= position.offset;
        if own.iter().any(is_part) {
            return Ok(());
        }
        let mut admissions = self
            .reign
            .iter()
            .flat_map(|reign| reign.admissions.values());
        if admissions.any(|&admitted| admitted == (term, key(position))) {
            return Ok(());
        }
        let ask = |member| Action::Send(member, Message::AskAdmission { term });
        Err(self.others().map(ask).collect())
    }

    /// A term holder asks whether it may replace the data of this replica, which end at `own`.
    pub fn admission_asked(&mut self, from: MemberId, term: Ballot, own: Position) -> Vec<Action> {
        if term < self.promise || self.reign.is_some() {
            return Vec::new();
        }
        if term > self.promise {
            self.candidacy = None;
        }
        let admit = Message::Admit {
            term,
            position: own,
        };
        self.promise_and_send(term, [(from, admit)])
    }

    /// A replica may be served.
    pub fn admitted(&mut self, from: MemberId, term: Ballot, position: Position) {
        if self.term() != Some(term) {
            return;
        }
        if let Some(reign) = &mut self.reign {
            reign.admissions.insert(from, (term, key(position)));
        }
    }
}
