//! What a round brought back for one command: its result, a redirection, or another attempt later.

use redis::{ErrorKind, RedisError, ServerError};

use super::Batch;
use crate::decide::batch::pending::{Pending, Target};
use crate::decide::batch::verdict::{Verdict, Why};
use crate::decide::cache::{Asked, Correction};
use crate::decide::error::Error;
use crate::decide::node::Node;
use crate::decide::redirect::Redirect;
use crate::drive::connecting::is_permanent;
use crate::drive::round::{Answer, Outcome};

/// So many redirections of a command cost none of the time for retries.
const FREE_REDIRECTS: u32 = 16;

impl<'c> Batch<'_, 'c> {
    /// Gives the command its result, or gives it back to be sent again.
    pub(super) fn settle(&mut self, answer: Answer<'c>) -> Option<Pending<'c>> {
        let Answer {
            mut pending,
            node,
            asked,
            serial,
            outcome,
        } = answer;
        let slot = pending.slot();
        let is_fence = pending.command.is_fence();
        // The writes before it did not go through with it, so it says nothing about them. It goes again after them.
        let is_lost = matches!(outcome, Outcome::Lost(_) | Outcome::Silent(_));
        if is_fence && self.lanes.is_troubled(slot) && !is_lost {
            return Some(pending);
        }
        if let (Some(serial), true) = (serial, may_have_written(&pending, &outcome)) {
            self.session.fences.written(slot, serial);
        }
        let verdict = match outcome {
            Outcome::Postponed => return Some(pending),
            Outcome::Severed => {
                let gone = "the writes before it went over another connection";
                return self.outcome_unknown(&pending, node, (ErrorKind::Io, gone).into());
            }
            Outcome::NotSent(cause) => return self.not_sent(pending, node, cause),
            // What it did not answer goes alone next time: the others need not wait behind it again.
            Outcome::Silent(cause) => return self.lost(pending, node, cause, 0),
            Outcome::Lost(cause) => return self.lost(pending, node, cause, 1),
            Outcome::Answered(verdict) => verdict,
        };
        pending.attempts = pending.attempts.saturating_add(1);
        match verdict {
            Verdict::Done(reply) => {
                self.learn_from_success(&pending, &node, asked);
                self.lanes.executed(slot, self.now);
                if is_fence {
                    self.session.fences.settled(slot);
                }
                self.finish(pending.place, Ok(reply));
                None
            }
            Verdict::Failed(error) => {
                self.lanes.executed(slot, self.now);
                let error = match pending.command.is_script() {
                    true => Error::Script(error),
                    false => Error::Server(error),
                };
                self.fail(&pending, &node, error);
                None
            }
            Verdict::Moved(redirect) => {
                self.session.shared.stats.moved.one();
                let to = self.resolve(&node, &redirect);
                self.correct(redirect.slot, &to, Some(&node), asked);
                self.redirect(pending, Target::Node(to))
            }
            Verdict::Ask(redirect) => {
                self.session.shared.stats.asked.one();
                let to = self.resolve(&node, &redirect);
                self.redirect(pending, Target::Ask(to))
            }
            Verdict::Later(why, error) => self.turned_away(pending, node, why, &error),
            Verdict::Unknown(error) => self.outcome_unknown(&pending, node, error.into()),
        }
    }

    /// A node that executes a command of a key owns its slot, whatever the cache said. It is not so after ASKING.
    fn learn_from_success(&mut self, pending: &Pending<'c>, node: &Node, asked: Option<Asked>) {
        let is_asking = matches!(pending.target, Target::Ask(_));
        if let (Some(slot), true) = (pending.slot(), pending.command.names_key()) {
            if !pending.at_owner && !is_asking {
                self.correct(slot, node, None, asked);
            }
        }
    }

    fn correct(&mut self, slot: u16, to: &Node, from: Option<&Node>, asked: Option<Asked>) {
        let shared = &self.session.shared;
        let Some(asked) = asked else { return };
        match shared.know().cache.moved(slot, to, from, asked) {
            Correction::Patched => shared.stats.patches.one(),
            Correction::FailedOver(_) => shared.stats.failovers.one(),
            Correction::Known | Correction::Outdated => {}
        }
    }

    fn redirect(&mut self, mut pending: Pending<'c>, to: Target) -> Option<Pending<'c>> {
        pending.redirects = pending.redirects.saturating_add(1);
        let times = pending.redirects;
        if times <= FREE_REDIRECTS {
            let slot = pending.slot();
            self.lanes.redirected(slot, times, self.now, self.random);
            pending.target = to;
            return Some(pending);
        }
        let last = match &to {
            Target::Ask(node) => format!("ASK {node}"),
            Target::Node(node) => format!("MOVED {node}"),
            Target::Cached => String::new(),
        };
        self.try_later(pending, None, 0, last)
    }

    fn turned_away(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        why: Why,
        error: &ServerError,
    ) -> Option<Pending<'c>> {
        pending.lost |= is_turned_away_while_waiting(&pending, error);
        let stats = &self.session.shared.stats;
        match why {
            Why::TryAgain => stats.try_again.one(),
            Why::ClusterDown => stats.cluster_down.one(),
            Why::Loading => stats.loading.one(),
            Why::NotPrimary => stats.not_primary.one(),
        }
        let last = met(&node, error);
        let avoid = match why {
            // Where a slot is being moved, its node is the one to ask.
            Why::TryAgain => None,
            // The cluster may be down, or only this node be cut off from it: each second time others are asked.
            Why::ClusterDown => {
                let mut knowledge = self.session.shared.know();
                let slot = pending.slot();
                if slot.is_some_and(|slot| knowledge.cache.primary_of(slot).is_none()) {
                    knowledge.set_aside(&node);
                }
                pending.attempts.is_multiple_of(2).then(|| node.clone())
            }
            // It may have been replaced: somebody else will know.
            Why::Loading | Why::NotPrimary => Some(node.clone()),
        };
        if why != Why::TryAgain {
            self.failed.insert(node);
        }
        self.try_later(pending, avoid, 0, last)
    }

    /// There was no connection to be had.
    fn not_sent(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        cause: RedisError,
    ) -> Option<Pending<'c>> {
        pending.attempts = pending.attempts.saturating_add(1);
        if is_permanent(&cause) {
            self.lanes.gave_up(pending.slot(), self.now);
            let at = node.clone();
            self.fail(&pending, &at, Error::Connect { node, cause });
            return None;
        }
        if pending.command.is_fence() {
            return self.outcome_unknown(&pending, node, cause);
        }
        let last = format!("{node}: {cause}");
        self.failed.insert(node.clone());
        // The first substitute may be asked at once; when that fails too, there is no hurry.
        self.try_later(pending, Some(node), 1, last)
    }

    /// The connection ended after the command had been sent.
    fn lost(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        cause: RedisError,
        prompt: u32,
    ) -> Option<Pending<'c>> {
        pending.attempts = pending.attempts.saturating_add(1);
        self.failed.insert(node.clone());
        if !pending.command.is_repeatable() {
            return self.outcome_unknown(&pending, node, cause);
        }
        pending.lost = true;
        self.try_later(pending, None, prompt, format!("{node}: {cause}"))
    }

    /// Again where the cache says by then, if there is time left; the first `prompt` failures without a wait.
    fn try_later(
        &mut self,
        mut pending: Pending<'c>,
        avoid: Option<Node>,
        prompt: u32,
        last: String,
    ) -> Option<Pending<'c>> {
        self.session.shared.stats.retries.one();
        pending.target = Target::Cached;
        let slot = pending.slot();
        let lane = self
            .lanes
            .refused(slot, avoid, prompt, self.now, self.random);
        let since = pending.since.map_or(lane.since, |own| own.min(lane.since));
        pending.since = Some(since);
        let spent = lane.ready.saturating_duration_since(since);
        if spent < self.session.shared.config.retry_for {
            return Some(pending);
        }
        self.lanes.gave_up(slot, self.now);
        let error = self.gave_up(&pending, last);
        self.finish_failed(&pending, error);
        None
    }

    fn gave_up(&self, pending: &Pending<'c>, last: String) -> Error {
        let since = pending.since.unwrap_or(self.now);
        Error::GaveUp {
            after: self.now.saturating_duration_since(since),
            attempts: pending.attempts,
            last,
            sent: pending.lost,
        }
    }

    /// Gives the command the error that its last attempt met at `node`. Where an earlier one may have been executed, an
    /// error which says that nothing was speaks of the last one only.
    fn fail(&mut self, pending: &Pending<'c>, node: &Node, error: Error) {
        let in_doubt = is_in_doubt(pending) && !error.may_have_been_executed();
        let error = match &error {
            Error::Server(words) | Error::Script(words) if in_doubt => {
                self.gave_up(pending, met(node, words))
            }
            Error::Connect { cause, .. } if in_doubt => {
                self.gave_up(pending, format!("{node}: {cause}"))
            }
            _ => error,
        };
        self.finish_failed(pending, error);
    }

    fn finish_failed(&mut self, pending: &Pending<'c>, error: Error) {
        if is_in_doubt(pending) {
            self.session.fences.written_somewhere(pending.slot());
        }
        self.finish(pending.place, Err(error));
    }

    fn resolve(&self, told_by: &Node, redirect: &Redirect) -> Node {
        let config = &self.session.shared.config;
        config.resolve(told_by, redirect.host.as_deref(), redirect.port)
    }

    fn outcome_unknown(
        &mut self,
        pending: &Pending<'c>,
        node: Node,
        cause: RedisError,
    ) -> Option<Pending<'c>> {
        self.session.shared.stats.outcome_unknown.one();
        if pending.command.is_fence() {
            // It says so of the writes before it, once.
            self.session.fences.settled(pending.slot());
        }
        self.finish(pending.place, Err(Error::OutcomeUnknown { node, cause }));
        None
    }
}

/// Whether a fence after this has to be on the same connection. A write whose reply was lost and that goes again does not
/// count here: if it is executed the second time, that one counts.
fn may_have_written(pending: &Pending<'_>, outcome: &Outcome) -> bool {
    let command = pending.command;
    command.may_write()
        && match outcome {
            Outcome::Answered(Verdict::Done(_) | Verdict::Unknown(_)) => true,
            Outcome::Answered(Verdict::Failed(error)) => {
                command.is_script() || Error::Server(error.clone()).may_have_been_executed()
            }
            Outcome::Lost(_) | Outcome::Silent(_) => !command.is_repeatable(),
            _ => false,
        }
}

/// An attempt before the last one may have been executed, and have changed something.
fn is_in_doubt(pending: &Pending<'_>) -> bool {
    pending.lost && pending.command.may_write()
}

fn met(node: &Node, error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    format!("{node}: {} {details}", error.code())
}

/// Whether a command that may go again has perhaps been executed all the same: the server turns away in these words what
/// waits for replicas, and what it has not begun.
fn is_turned_away_while_waiting(pending: &Pending<'_>, error: &ServerError) -> bool {
    pending.command.is_durable() && matches!(error.code(), "CLUSTERDOWN" | "UNBLOCKED")
}
