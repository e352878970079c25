//! What a member does when a message arrives.

use super::{is_for_primary, Act, Challenge, Role, Shard, View};
use crate::{refusal_text, Ballot, Body, MemberId, Message, Position, Refusal};

impl Shard {
    /// Whether the link to the primary has to be cut before this message is passed to
    /// [`received`](Self::received): it asks for a vote that may be given.
    pub fn needs_fence(&self, body: &Body) -> bool {
        match body {
            Body::Protocol(Message::Request { ballot, .. }) => {
                self.can_persist && self.member.considers(*ballot)
            }
            _ => false,
        }
    }

    /// A member of the group has sent a message. `view` was read after the link was cut, if that
    /// was [needed](Self::needs_fence).
    pub fn received(&mut self, from: MemberId, body: &Body, view: &View) -> Vec<Act> {
        let mut acts = Vec::new();
        if from == self.me {
            return acts;
        }
        match body {
            Body::Status(status) => {
                self.member.has_joined(from);
                if let Some(peer) = self.peers.get_mut(usize::from(from.0)) {
                    peer.heard_at = Some(view.now);
                    peer.status = Some(*status);
                }
                // It has confirmed, and its data were emptied since: it has to confirm again.
                if !status.is_voter && self.member.has_granted(from) {
                    self.member.link_changed(from);
                }
            }
            Body::Protocol(message) => self.protocol(from, *message, view, &mut acts),
            Body::Change(_)
            | Body::Invite(_)
            | Body::Accept
            | Body::Decline(_)
            | Body::Withdraw
            | Body::Propose(_)
            | Body::Willing
            | Body::Join(..)
            | Body::Replaceable(_) => {}
        }
        acts
    }

    fn protocol(&mut self, from: MemberId, message: Message, view: &View, acts: &mut Vec<Act>) {
        if is_for_primary(&message) && view.role != Role::Primary {
            return;
        }
        match message {
            Message::Request {
                ballot,
                log_term,
                position,
            } => self.asked(from, (ballot, log_term, position), view, acts),
            Message::Vote {
                ballot,
                credentials,
            } => {
                let before = self.member.term();
                let actions = self.member.voted(from, ballot, credentials);
                self.extend(acts, actions);
                if let Some(term) = self.member.term().filter(|&term| Some(term) != before) {
                    self.last_refusal.clear();
                    let text = format!("this primary holds term {} now", term.counter);
                    acts.push(Act::Log(text));
                    self.challenge_all(view, acts);
                }
            }
            Message::Refuse { ballot, refusal } => {
                if let Some(peer) = self.peers.get_mut(usize::from(from.0)) {
                    peer.refusal = Some(refusal);
                }
                if self.member.is_candidate() && ballot == self.member.promise() {
                    let name = self.name(from);
                    let why = refusal_text(refusal);
                    self.refused(
                        format!("{name} does not vote for this member: it {why}"),
                        acts,
                    );
                }
            }
            Message::Challenge {
                term,
                generation,
                position,
                configuration,
                start,
            } => {
                let is_asked = self.challenge.is_some_and(|known| {
                    (
                        known.from,
                        known.term,
                        known.generation,
                        known.configuration,
                        known.start,
                    ) == (from, term, generation, configuration, start)
                });
                let earlier = self.challenge.filter(|_| is_asked);
                self.challenge = earlier.or(Some(Challenge {
                    from,
                    term,
                    generation,
                    position,
                    configuration,
                    start,
                }));
                self.answer_challenge(view, acts);
            }
            Message::Grant {
                term,
                generation,
                number,
            } => {
                let before = self.member.counting();
                self.member.granted(from, term, generation, number);
                for replica in self.member.counting().iter() {
                    if !before.contains(replica) {
                        let name = self.name(replica);
                        acts.push(Act::Log(format!("{name} has confirmed: it counts")));
                    }
                }
                self.configure(view, acts);
            }
            Message::AskAdmission { term } => self.admission_asked(from, term, view, acts),
            Message::Admit { term, position } => self.member.admitted(from, term, position),
            // Their own kinds of message carry them, with the members' names.
            Message::Change { .. } | Message::Join { .. } => {}
        }
    }

    fn asked(
        &mut self,
        from: MemberId,
        (ballot, log_term, position): (Ballot, Ballot, Position),
        view: &View,
        acts: &mut Vec<Act>,
    ) {
        // A promise that cannot be written binds nobody after a restart.
        if !self.can_persist {
            return;
        }
        if view.position.is_none() && self.member.is_voter() {
            // The data are there, but where they end is unknown: nobody can be compared with them.
            self.member.data_replaced();
            acts.push(Act::Log(
                "is no voter on data: its place in the stream is unknown".into(),
            ));
        }
        let own = view.position.unwrap_or(Position::UNKNOWN);
        let before = self.member.promise();
        let actions = self.member.asked(from, ballot, log_term, position, own);
        let is_ahead = actions.iter().any(|action| {
            matches!(
                action,
                crate::Action::Send(
                    _,
                    Message::Refuse {
                        refusal: Refusal::Ahead,
                        ..
                    }
                )
            )
        });
        if is_ahead {
            let is_primary = matches!(view.role, Role::Replica { of: Some(of), .. } if of == from);
            if is_primary {
                self.refused_primary_at = Some(view.now);
            }
            let name = self.name(from);
            self.refused(
                format!("does not vote for {name}: this member has more of the stream"),
                acts,
            );
        }
        if self.member.promise() > before {
            self.wait_for_winner(view);
            let as_what = if self.member.is_voter() {
                ""
            } else {
                " as a witness: its own data are not confirmed"
            };
            acts.push(Act::Log(format!(
                "votes for {} in ballot {}{as_what}",
                self.name(from),
                ballot.counter
            )));
        }
        self.extend(acts, actions);
    }

    /// Confirms once the data have arrived.
    pub(super) fn answer_challenge(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(challenge) = self.challenge else {
            return;
        };
        let (from, term) = (challenge.from, challenge.term);
        let Role::Replica { of, is_linked, .. } = view.role else {
            self.challenge = None;
            return;
        };
        let Some(own) = view.position else { return };
        let follows = of == Some(from) && is_linked && self.can_persist;
        let was_voter = self.member.is_voter();
        let actions = self.member.challenged(
            from,
            (term, challenge.generation, challenge.start),
            challenge.configuration,
            challenge.position,
            own,
            follows,
        );
        if actions.is_empty() {
            return;
        }
        self.challenge = None;
        if !was_voter {
            acts.push(Act::Log(format!(
                "is a voter: {} has confirmed its data in term {}",
                self.name(from),
                term.counter
            )));
        }
        self.extend(acts, actions);
    }

    /// The primary asks whether it may replace the data of this replica, which waits for it.
    fn admission_asked(&mut self, from: MemberId, term: Ballot, view: &View, acts: &mut Vec<Act>) {
        let Role::Replica { of, is_linked, .. } = view.role else {
            return;
        };
        let (true, false, Some(own)) = (of == Some(from), is_linked, view.asks_from) else {
            return;
        };
        if !self.can_persist {
            return;
        }
        let actions = self.member.admission_asked(from, term, own);
        if !actions.is_empty() {
            acts.push(Act::Log(format!(
                "lets {} replace its data, which end at offset {}",
                self.name(from),
                own.offset
            )));
        }
        self.extend(acts, actions);
    }

    /// A member, for the log.
    pub fn name(&self, member: MemberId) -> String {
        match self.definition.node(member) {
            Some(node) => node.to_string(),
            None => format!("member {}", member.0),
        }
    }
}
