//! Brings the cluster's view in line with the group's.
//!
//! The group elects, and the cluster's own messages spread the news. They can fail to:
//!
//! * A replica that wins two elections of the cluster within two node timeouts keeps the epoch of the
//!   first (`failover_auth_epoch` in `cluster_legacy.c`). If another member was primary in between,
//!   nobody follows it.
//! * A replica that gets messages of the new primary in the wrong order can take it for a replica of
//!   the dead one, and goes on following that one (Valkey 8.1).
//! * A node closes a link whose first message is a module's (Valkey 8.1). The server opens links in its
//!   cron, and so does the module send: ten messages a second kept two nodes apart for ever.

use super::{Act, Role, Shard, View, AGAIN};
use crate::{Ballot, Body, MemberId, Message};

/// How long the cluster has time to notice by itself, and how often it is helped, in milliseconds.
/// Longer than a member counts as heard that has died.
const PATIENCE: u64 = 3500;

impl Shard {
    /// Looks whether the cluster agrees with the group.
    pub(super) fn agree(&mut self, view: &View, acts: &mut Vec<Act>) {
        let act = match view.role {
            Role::Primary => self.claims(view.now).then_some(Act::Claim),
            Role::Replica { of, has_failed, .. } => {
                self.astray(of, has_failed, view.now).map(Act::Follow)
            }
        };
        let Some(act) = act else {
            self.disagrees_since = None;
            return;
        };
        let since = *self.disagrees_since.get_or_insert(view.now);
        if view.now >= since.saturating_add(PATIENCE) {
            self.disagrees_since = Some(view.now);
            acts.push(act);
        }
    }

    /// This primary holds a term, and a member that is heard does not replicate it. Nobody may have
    /// promised a later one: a primary that was replaced would take the slots back.
    pub(super) fn claims(&self, now: u64) -> bool {
        let heard = |other| {
            let peer = self.peer(other)?;
            Some((peer.is_linked, self.fresh(other, now)?.promise))
        };
        let heard: Vec<(bool, Ballot)> = self.member.others().filter_map(heard).collect();
        let is_away = heard.iter().any(|&(is_linked, _)| !is_linked);
        let term = self.member.term();
        let is_latest = heard.iter().all(|&(_, promise)| Some(promise) <= term);
        term.is_some() && is_away && is_latest
    }

    /// The member that holds the term which this replica has promised, if this replica follows
    /// another one that has failed, or that is no primary with a term.
    pub(super) fn astray(
        &self,
        of: Option<MemberId>,
        has_failed: bool,
        now: u64,
    ) -> Option<MemberId> {
        let holds = |other: &MemberId| {
            let status = self.fresh(*other, now);
            let term = status.filter(|status| status.is_primary)?.term?;
            (term >= self.member.promise()).then_some(term)
        };
        let holder = self.member.others().filter(|other| holds(other).is_some());
        let holder = holder.max_by_key(holds)?;
        let is_served = of.is_some_and(|of| {
            let status = self.fresh(of, now);
            !has_failed && status.is_some_and(|status| status.term.is_some())
        });
        (of != Some(holder) && !is_served && !self.member.is_candidate()).then_some(holder)
    }

    /// Whether a message is sent. What is repeated by itself is sent seldom to a member that is not
    /// heard.
    pub fn may_send(&mut self, to: MemberId, body: &Body, now: u64) -> bool {
        let is_repeated = matches!(
            body,
            Body::Status(_)
                | Body::Protocol(Message::Challenge { .. } | Message::AskAdmission { .. })
        );
        if !is_repeated || self.fresh(to, now).is_some() {
            return true;
        }
        let Some(peer) = self.peers.get_mut(usize::from(to.0)) else {
            return true;
        };
        let is_early = |at: u64| now.saturating_sub(at) < AGAIN;
        if peer.sent_at.is_some_and(is_early) {
            return false;
        }
        peer.sent_at = Some(now);
        true
    }
}
