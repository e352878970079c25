//! When a member stands for election, and calls FORCE again.

use std::collections::BTreeMap;

use super::{Act, Role, Shard, View, FRESH};
use crate::{suffices, Ballot, Credentials, MemberId, Refusal, Shortage, Status};

/// How long a replica waits for each voter that has more of the stream, in milliseconds.
const FOR_EACH_BETTER: u64 = 300;
/// How long after an election the next one may begin, in milliseconds, and how much later for each
/// place in the list: two members that stand together would go on standing together. Each election
/// that is not won doubles it, up to [`DOUBLED`] times: a vote is written to disk first, and a new
/// ballot would void one that is on its way to a slow disk.
const NEXT_ELECTION: u64 = 1000;
const FOR_EACH_PLACE: u64 = 230;
const DOUBLED: u32 = 4;
/// How long a primary that holds a term bears with a member that has promised a later ballot, in
/// milliseconds. Such a member cannot confirm. Then the primary stands again, above that ballot.
/// Shorter if too few have confirmed, so that no write is acknowledged.
const LEFT_BEHIND: u64 = 2500;
const UNCONFIRMED: u64 = 1000;
/// How long the server tries after FORCE, in milliseconds (`CLUSTER_MF_TIMEOUT`). A FORCE before
/// that begins anew.
const FORCE_LASTS: u64 = 5000;

impl Shard {
    /// Stands if there is a reason.
    pub(super) fn consider_standing(&mut self, view: &View, acts: &mut Vec<Act>) {
        let Some(delay) = self.reason_to_stand(view) else {
            (self.reason_since, self.is_alone, self.failures) = (None, false, 0);
            return;
        };
        if let Err(shortage) = self.electable(view.now) {
            // A member that stands in vain would only promise ballots that the others have to catch
            // up with.
            self.reason_since = None;
            if !std::mem::replace(&mut self.is_alone, true) {
                acts.push(Act::Log(format!(
                    "cannot stand for election: hears {}, this member counted; see \
                     DURABLE.FAILOVER STATUS",
                    shortage_text(shortage)
                )));
            }
            return;
        }
        self.is_alone = false;
        let since = *self.reason_since.get_or_insert(view.now);
        if view.now < since.saturating_add(delay) || view.now < self.not_before {
            return;
        }
        if !self.can_persist || self.unwritten().is_some() || self.member.awaits_promotion() {
            return;
        }
        let place = FOR_EACH_PLACE * u64::from(self.me.0);
        let later = (NEXT_ELECTION << self.failures.min(DOUBLED)).saturating_add(place);
        self.failures = self.failures.saturating_add(1);
        self.not_before = view.now.saturating_add(later);
        acts.push(Act::Stand);
    }

    /// Stands, after the link was cut. `view` was read afterwards.
    pub fn stand(&mut self, view: &View) -> Vec<Act> {
        let Some(position) = view.position else {
            return vec![Act::Log(
                "does not stand for election: its place in the stream is unknown".into(),
            )];
        };
        let above = self.highest_promise();
        let actions = self.member.stand(position, above);
        let mut acts = Vec::new();
        if !actions.is_empty() {
            acts.push(Act::Log(format!(
                "stands for election in ballot {}, at offset {}",
                self.member.promise().counter,
                self.member.counted(position).offset
            )));
        }
        self.extend(&mut acts, actions);
        acts
    }

    /// An operator accepts that acknowledged writes may be lost.
    ///
    /// # Errors
    /// This is not a primary without a term.
    pub fn accept_loss(&mut self) -> Result<Vec<Act>, &'static str> {
        if !self.is_closed() {
            return Err(if self.member.is_primary() {
                "this primary holds a term"
            } else {
                "this is a replica"
            });
        }
        let above = self.highest_promise();
        let actions = self.member.accept_loss(above);
        let mut acts = vec![Act::Log(
            "an operator has accepted the loss of acknowledged writes (DURABLE.FAILOVER \
             ACCEPT-LOSS): this primary takes a term without votes"
                .into(),
        )];
        self.extend(&mut acts, actions);
        Ok(acts)
    }

    /// The highest ballot that anybody is known to have promised.
    fn highest_promise(&self) -> Ballot {
        let told = self.peers.iter().filter_map(|peer| peer.status.as_ref());
        let told = told.map(|status| status.promise);
        let refused = self.peers.iter().filter_map(|peer| match peer.refusal {
            Some(Refusal::Promised(ballot)) => Some(ballot),
            _ => None,
        });
        told.chain(refused).max().unwrap_or(Ballot::ZERO)
    }

    /// How long to wait before standing, in milliseconds. `None` without a reason.
    fn reason_to_stand(&self, view: &View) -> Option<u64> {
        if !self.member.is_voter() {
            return None;
        }
        match view.role {
            Role::Primary if self.member.term().is_none() => Some(0),
            Role::Primary => self.left_behind(view),
            Role::Replica {
                of,
                is_linked,
                has_failed,
            } => {
                if self.astray(of, has_failed, view.now).is_some() {
                    // There is a primary. This replica only has to find it.
                    return None;
                }
                let of = of?;
                let in_turn = FOR_EACH_BETTER * self.better(of, view);
                if has_failed || self.cannot_win(of, view.now) {
                    return Some(in_turn);
                }
                // It serves nobody, and does not say why: it cannot read its file.
                let is_silent = !is_linked && self.fresh(of, view.now).is_none();
                is_silent.then(|| view.node_timeout.saturating_add(in_turn))
            }
        }
    }

    /// How long a primary waits before it stands above a member that has promised a later ballot.
    fn left_behind(&self, view: &View) -> Option<u64> {
        let is_later = |other| {
            let status = self.fresh(other, view.now);
            status.is_some_and(|status| status.promise > self.member.promise())
        };
        if !self.member.others().any(is_later) {
            return None;
        }
        let needed = usize::from(self.group.acknowledgements());
        Some(if self.member.counting().count() < needed {
            UNCONFIRMED
        } else {
            LEFT_BEHIND
        })
    }

    /// Whether this member could win an election with the votes of all that are heard.
    ///
    /// # Errors
    /// What is missing.
    fn electable(&self, now: u64) -> Result<(), Shortage> {
        let mut votes = self.votes_heard(now);
        votes.insert(self.me, self.member.credentials());
        suffices(self.group, &votes)
    }

    /// What an election would lack if the primary that holds a term died now. If nobody is known to
    /// hold one, what an election of this member lacks.
    pub fn shortage(&self, now: u64) -> Option<Shortage> {
        let holds = |other: &MemberId| {
            let status = self.fresh(*other, now);
            status.is_some_and(|status| status.term.is_some())
        };
        let holds_itself = self.member.term().is_some();
        if !holds_itself && !self.member.others().any(|other| holds(&other)) {
            return self.electable(now).err();
        }
        let mut votes = self.votes_heard(now);
        votes.retain(|other, _| !holds(other));
        if !holds_itself {
            votes.insert(self.me, self.member.credentials());
        }
        suffices(self.group, &votes).err()
    }

    /// The votes that the others would give, as far as their states tell.
    fn votes_heard(&self, now: u64) -> BTreeMap<MemberId, Credentials> {
        let vote = |other| {
            let status = self.fresh(other, now).filter(|status| status.can_persist)?;
            Some((other, status.credentials()))
        };
        self.member.others().filter_map(vote).collect()
    }

    /// The primary says that it holds no term, and it will not get one: it is no voter, or some
    /// voter has more of the stream.
    fn cannot_win(&self, primary: MemberId, now: u64) -> bool {
        let Some(status) = self.fresh(primary, now) else {
            return false;
        };
        let is_closed = status.is_primary && status.term.is_none();
        let told = |other| {
            self.fresh(other, now)
                .is_some_and(|one| one.refused_primary)
        };
        let recent = |at: u64| now.saturating_sub(at) < FRESH;
        let is_refused =
            self.refused_primary_at.is_some_and(recent) || self.member.others().any(told);
        is_closed && (!status.is_voter || is_refused)
    }

    /// How many voters have more of the stream, or as much and an earlier place.
    fn better(&self, primary: MemberId, view: &View) -> u64 {
        let own = self.status(view);
        let rank = |status: &Status, place: MemberId| {
            (status.log_term, status.offset, std::cmp::Reverse(place))
        };
        let mine = rank(&own, self.me);
        let others = self.member.others().filter(|&other| other != primary);
        let better = others.filter(|&other| {
            let status = self.fresh(other, view.now);
            status.is_some_and(|status| status.is_voter && rank(status, other) > mine)
        });
        u64::try_from(better.count()).unwrap_or(0)
    }

    /// The state of a member, if it was told lately.
    pub(super) fn fresh(&self, member: MemberId, now: u64) -> Option<&Status> {
        let peer = self.peer(member)?;
        let heard_at = peer.heard_at?;
        (now.saturating_sub(heard_at) < FRESH)
            .then_some(peer.status.as_ref())
            .flatten()
    }

    pub(super) fn peer(&self, member: MemberId) -> Option<&super::Peer> {
        self.peers.get(usize::from(member.0))
    }

    /// After a failed election the server does not try again for some node timeouts, whatever is
    /// called. So FORCE is called until it has succeeded.
    pub(super) fn force_again(&mut self, view: &View, acts: &mut Vec<Act>) {
        if !self.member.awaits_promotion() {
            self.forced_at = None;
            return;
        }
        let is_over = |at: u64| view.now.saturating_sub(at) >= FORCE_LASTS;
        if self.forced_at.is_some_and(is_over) {
            acts.push(Act::Log(
                "the cluster has not promoted this server yet: asks again".into(),
            ));
            acts.push(Act::Promote);
        }
    }

    /// FORCE was called.
    pub fn forced(&mut self, now: u64) {
        self.forced_at = Some(now);
    }

    /// A vote was given: its candidate gets time to become primary.
    pub(super) fn wait_for_winner(&mut self, view: &View) {
        let later = view.node_timeout.saturating_add(NEXT_ELECTION);
        self.not_before = self.not_before.max(view.now.saturating_add(later));
    }
}

/// What is missing, for the log and STATUS: `1 of 2 members`.
pub fn shortage_text(shortage: Shortage) -> String {
    match shortage {
        Shortage::Votes { have, need } => format!("{have} of {need} members"),
        Shortage::Data { have, need } => format!(
            "{have} of {need} members whose data are confirmed: others that may have acknowledged \
             writes have restarted"
        ),
    }
}
