//! A primary's confirmations: whom it asks, and which replicas are its configuration.

use super::{Act, Shard, View, AGAIN};
use crate::{Body, MemberId, Message};

/// After this time a replica that has not confirmed leaves the configuration, in milliseconds.
const AWAY: u64 = 1000;

impl Shard {
    /// A primary that holds a term asks the connected replicas that have not confirmed.
    pub(super) fn challenge_all(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(position) = view.position else {
            return;
        };
        for replica in self.member.others() {
            let is_linked = self.peer(replica).is_some_and(|peer| peer.is_linked);
            if !is_linked {
                continue;
            }
            let Some(challenge) = self.member.challenge(replica, position) else {
                continue;
            };
            if self.is_due(replica, &challenge, view.now) {
                acts.push(Act::Send(replica, Body::Protocol(challenge)));
            }
        }
    }

    /// Changes the configuration: at once if a replica has confirmed that is not in it, and later if
    /// one of it has been away for a while. A link that flaps shall not cause writes to disks.
    pub(super) fn configure(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(replicas) = self.member.may_configure() else {
            self.away_since = None;
            return;
        };
        let latest = self.member.kept().configuration;
        let is_fewer =
            Some(latest.term) == self.member.term() && replicas.and(latest.replicas) == replicas;
        let since = *self.away_since.get_or_insert(view.now);
        if !self.can_persist || is_fewer && view.now < since.saturating_add(AWAY) {
            return;
        }
        self.away_since = None;
        let actions = self.member.configure();
        self.extend(acts, actions);
    }

    /// Whether a replica is asked to confirm: at once, and then once a second. It answers as soon as it
    /// has the data, so that only a lost message has to be repeated.
    pub(super) fn is_due(&mut self, replica: MemberId, challenge: &Message, now: u64) -> bool {
        let Message::Challenge {
            term,
            generation,
            configuration,
            ..
        } = *challenge
        else {
            return true;
        };
        let Some(peer) = self.peers.get_mut(usize::from(replica.0)) else {
            return false;
        };
        let is_again = peer.asked.is_some_and(|(of, link, known, at)| {
            (of, link, known) == (term, generation, configuration) && now.saturating_sub(at) < AGAIN
        });
        if !is_again {
            peer.asked = Some((term, generation, configuration, now));
        }
        !is_again
    }
}
