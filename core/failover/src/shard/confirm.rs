//! A primary's confirmations: whom it asks, and which replicas are its configuration.

use super::{Act, Shard, View, AGAIN};
use crate::{Body, MemberId, Members, Message};

/// After this time a replica that has not confirmed leaves the configuration, in milliseconds.
const AWAY: u64 = 1000;
/// After this time a replica that has not confirmed the configuration is left out of the next one,
/// in milliseconds.
const UNCONFIRMED: u64 = 2000;
/// After this time it is asked again.
const TRY_AGAIN: u64 = 10_000;

impl Shard {
    /// A primary that holds a term asks the connected replicas that have not confirmed.
    pub(super) fn challenge_all(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(position) = view.position else {
            return;
        };
        for replica in self.member.others() {
            let Some(peer) = self.peer(replica).filter(|peer| peer.is_linked) else {
                continue;
            };
            let Some(start) = peer.status.map(|status| status.start) else {
                continue;
            };
            let Some(challenge) = self.member.challenge(replica, position, start) else {
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
        let left_out = self.left_out(view);
        let Some(replicas) = self.member.may_configure(left_out) else {
            self.away_since = None;
            return;
        };
        let latest = self.member.kept().configuration;
        let are_away = latest.replicas.without(replicas).without(left_out) != Members::NONE;
        let is_fewer = Some(latest.term) == self.member.term()
            && replicas.and(latest.replicas) == replicas
            && are_away;
        let since = *self.away_since.get_or_insert(view.now);
        if !self.can_persist || is_fewer && view.now < since.saturating_add(AWAY) {
            return;
        }
        self.away_since = None;
        let actions = self.member.configure(left_out);
        self.extend(acts, actions);
    }

    /// The member that is to be exchanged, and the replicas that are too slow for a configuration,
    /// for example because their disks hang. One of these would keep it from coming in force, and
    /// so keep a new primary from acknowledging anything. It is let in again once it has written
    /// the configuration, and tried again from time to time.
    fn left_out(&mut self, view: &View) -> Members {
        self.notice_unconfirmed(view);
        let others = self.member.others();
        let is_out = |&other: &MemberId| {
            let cannot_write = self
                .fresh(other, view.now)
                .is_some_and(|status| !status.can_persist);
            let is_late = self.peer(other).and_then(|peer| {
                let told = peer.status.map(|status| status.configuration);
                let (unconfirmed, at) = peer.unconfirmed?;
                let is_recent = view.now < at.saturating_add(TRY_AGAIN);
                Some(is_recent && told < Some(unconfirmed))
            });
            let leaves = self.leaving.as_ref().is_some_and(|one| one.place == other);
            leaves || cannot_write || is_late == Some(true)
        };
        others.filter(is_out).collect()
    }

    fn notice_unconfirmed(&mut self, view: &View) {
        let Some((awaited, missing)) = self.member.awaited() else {
            self.awaited_since = None;
            return;
        };
        let since = match self.awaited_since {
            Some((known, since)) if known == awaited => since,
            _ => {
                self.awaited_since = Some((awaited, view.now));
                view.now
            }
        };
        // Its own disk may be the slow one.
        let is_written = self.member.persisted_state().configuration >= awaited;
        if !is_written || view.now < since.saturating_add(UNCONFIRMED) {
            return;
        }
        for replica in missing.iter() {
            if let Some(peer) = self.peers.get_mut(usize::from(replica.0)) {
                peer.unconfirmed = Some((awaited, view.now));
            }
        }
    }

    /// Whether a replica is asked to confirm: at once, and then once a second. It answers as soon as it
    /// has the data, so that only a lost message has to be repeated.
    pub(super) fn is_due(&mut self, replica: MemberId, challenge: &Message, now: u64) -> bool {
        let Message::Challenge {
            term,
            generation,
            configuration,
            start,
            ..
        } = *challenge
        else {
            return true;
        };
        let Some(peer) = self.peers.get_mut(usize::from(replica.0)) else {
            return false;
        };
        let what = (term, generation, configuration, start);
        let is_early = |at: u64| now.saturating_sub(at) < AGAIN;
        let asked = peer.asked;
        let is_again = asked.is_some_and(|(known, at)| known == what && is_early(at));
        if !is_again {
            peer.asked = Some((what, now));
        }
        !is_again
    }
}
