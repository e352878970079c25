//! The state of a member, which it tells the others.

use super::{Act, Shard, View, FRESH};
use crate::{Body, Position, Status};

/// How often a state is told, in milliseconds.
const TELL_EACH: u64 = 1000;

impl Shard {
    /// The state to tell.
    pub fn status(&self, view: &View) -> Status {
        let position = view.position.unwrap_or(Position::UNKNOWN);
        let recent = |at: u64| view.now.saturating_sub(at) < FRESH;
        Status {
            start: self.member.start(),
            is_primary: self.member.is_primary(),
            term: self.member.term(),
            is_voter: self.member.is_voter(),
            promise: self.member.promise(),
            log_term: self.member.log_term(),
            configuration: self.member.persisted_state().configuration,
            offset: self.member.counted(position).offset,
            can_persist: self.can_persist,
            refused_primary: self.refused_primary_at.is_some_and(recent),
        }
    }

    pub(super) fn tell(&mut self, view: &View, acts: &mut Vec<Act>) {
        let status = self.status(view);
        let is_due = |at: u64| view.now.saturating_sub(at) >= TELL_EACH;
        let has_changed = self.told.is_none_or(|told| {
            let same_place = Status {
                offset: status.offset,
                ..told
            };
            same_place != status
        });
        if !has_changed && !self.told_at.is_none_or(is_due) {
            return;
        }
        self.told_at = Some(view.now);
        self.told = Some(status);
        for other in self.member.others() {
            acts.push(Act::Send(other, Body::Status(status)));
        }
    }
}
