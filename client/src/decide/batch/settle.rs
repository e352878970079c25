//! What an attempt means for its command: a result, a redirection to follow, or another attempt
//! later. Pure.

use std::collections::HashSet;
use std::time::Instant;

use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::decide::batch::attempt::{Attempt, Outcome};
use crate::decide::batch::doubt::{is_in_doubt, is_turned_away_while_waiting, may_have_written};
use crate::decide::batch::fences::Fences;
use crate::decide::batch::lanes::Lanes;
use crate::decide::batch::pending::{Pending, Target};
use crate::decide::batch::verdict::{Verdict, Why};
use crate::decide::cache::Asked;
use crate::decide::connect_errors::is_permanent;
use crate::decide::error::Error;
use crate::decide::knowledge::Finding;
use crate::decide::node::Node;
use crate::decide::redirect::Redirect;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

/// So many redirections of a command do not start the time for retries. Each further one counts as
/// being turned away.
const FREE_REDIRECTS: u32 = 16;

/// What settling the attempts of a round needs, and what it changes.
pub(crate) struct Settling<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) stats: &'s Counters,
    pub(crate) lanes: &'s mut Lanes,
    pub(crate) fences: &'s mut Fences,
    /// Nodes that failed. Before the next round the map is requested, from other nodes if possible.
    pub(crate) failed: &'s mut HashSet<Node>,
    pub(crate) findings: &'s mut Vec<Finding>,
    /// One instant and one random number, in `0.0..1.0`, for the round: what failed together waits
    /// together.
    pub(crate) now: Instant,
    pub(crate) random: f64,
}

/// What becomes of a command.
#[derive(Debug)]
pub(crate) enum Settled<'c> {
    /// The command at this place of the batch has its result.
    Finished(usize, Result<Value, Error>),
    /// It is sent again.
    Again(Pending<'c>),
}

impl Settling<'_> {
    /// The attempts are settled in the order of the batch.
    pub(crate) fn settle<'c>(&mut self, attempt: Attempt<'c>) -> Settled<'c> {
        let Attempt {
            mut pending,
            node,
            asked,
            connection,
            outcome,
        } = attempt;
        if !matches!(outcome, Outcome::Postponed) {
            pending.was_silent = matches!(outcome, Outcome::Silent(_));
        }
        let slot = pending.slot();
        let is_fence = pending.command.is_fence();
        // If a command before the fence was redirected or turned away in this round, the fence's
        // reply may not cover that command. The fence goes again after the command, unless the
        // fence's own reply was lost.
        let is_lost = matches!(outcome, Outcome::Lost(_) | Outcome::Silent(_));
        if is_fence && self.lanes.is_troubled(slot) && !is_lost {
            return Settled::Again(pending);
        }
        if let (Some(connection), true) = (connection, may_have_written(&pending, &outcome)) {
            self.fences.written(slot, connection);
        }
        let verdict = match outcome {
            Outcome::Postponed => return Settled::Again(pending),
            Outcome::Severed => {
                let gone = "the writes before it went over another connection";
                return self.outcome_unknown(&pending, node, (ErrorKind::Io, gone).into());
            }
            Outcome::NotSent(cause) => return self.not_sent(pending, node, cause),
            // The command without an answer waits before its next attempt. Repeatable commands of
            // other slots that were lost with it are sent again at once.
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
                    self.fences.settled(slot);
                }
                Settled::Finished(pending.place, Ok(reply))
            }
            Verdict::Failed(error) => {
                self.lanes.executed(slot, self.now);
                let error = match pending.command.is_script() {
                    true => Error::Script(error),
                    false => Error::Server(error),
                };
                self.fail(&pending, &node, error)
            }
            Verdict::Moved(redirect) => {
                self.stats.moved.one();
                let to = self.resolve(&node, &redirect);
                self.found_owner(redirect.slot, &to, Some(&node), asked);
                self.redirect(pending, Target::Node(to))
            }
            Verdict::Ask(redirect) => {
                self.stats.asked.one();
                let to = self.resolve(&node, &redirect);
                self.redirect(pending, Target::Ask(to))
            }
            Verdict::Later(why, error) => self.turned_away(pending, node, why, &error),
            Verdict::Unacked(error) => self.unacked(pending, connection, error),
            Verdict::Unknown(error) => self.outcome_unknown(&pending, node, error.into()),
        }
    }

    /// A node that executes a command of a key owns its slot, whatever the cache says. After
    /// `ASKING` this does not hold.
    fn learn_from_success(&mut self, pending: &Pending<'_>, node: &Node, asked: Option<Asked>) {
        let is_asking = matches!(pending.target, Target::Ask(_));
        if let (Some(slot), true) = (pending.slot(), pending.command.names_key()) {
            if !pending.at_owner && !is_asking {
                self.found_owner(slot, node, None, asked);
            }
        }
    }

    fn found_owner(
        &mut self,
        slot: u16,
        owner: &Node,
        instead_of: Option<&Node>,
        asked: Option<Asked>,
    ) {
        self.findings.extend(asked.map(|asked| Finding::Owner {
            slot,
            owner: owner.clone(),
            instead_of: instead_of.cloned(),
            asked,
        }));
    }

    fn resolve(&self, told_by: &Node, redirect: &Redirect) -> Node {
        let host = redirect.host.as_deref();
        self.settings.resolve(told_by, host, redirect.port)
    }

    fn redirect<'c>(&mut self, mut pending: Pending<'c>, to: Target) -> Settled<'c> {
        pending.redirects = pending.redirects.saturating_add(1);
        let times = pending.redirects;
        if times <= FREE_REDIRECTS {
            let slot = pending.slot();
            self.lanes.redirected(slot, times, self.now, self.random);
            pending.target = to;
            return Settled::Again(pending);
        }
        let last = match &to {
            Target::Ask(node) => format!("ASK {node}"),
            Target::Node(node) => format!("MOVED {node}"),
            Target::Cached => String::new(),
        };
        self.try_later(pending, None, 0, last)
    }

    fn turned_away<'c>(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        why: Why,
        error: &ServerError,
    ) -> Settled<'c> {
        pending.in_doubt |= is_turned_away_while_waiting(pending.command, error);
        match why {
            Why::TryAgain => self.stats.try_again.one(),
            Why::ClusterDown => self.stats.cluster_down.one(),
            Why::Loading => self.stats.loading.one(),
            Why::NotPrimary => self.stats.not_primary.one(),
        }
        let last = met(&node, error);
        let avoid = match why {
            // The slot is being moved: its node is the one to ask.
            Why::TryAgain => None,
            // Either the cluster is down or only this node is cut off from it. Every second attempt
            // goes to another node.
            Why::ClusterDown => {
                let node = node.clone();
                let slot = pending.slot();
                let even = pending.attempts.is_multiple_of(2);
                let avoid = even.then(|| node.clone());
                self.findings
                    .extend(slot.map(|slot| Finding::ClusterDown { slot, node }));
                avoid
            }
            // The node may have been replaced: another node knows its successor.
            Why::Loading | Why::NotPrimary => Some(node.clone()),
        };
        if why != Why::TryAgain {
            self.failed.insert(node);
        }
        self.try_later(pending, avoid, 0, last)
    }

    /// There was no connection.
    fn not_sent<'c>(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        cause: RedisError,
    ) -> Settled<'c> {
        pending.attempts = pending.attempts.saturating_add(1);
        if is_permanent(&cause) {
            self.lanes.gave_up(pending.slot(), self.now);
            let at = node.clone();
            return self.fail(&pending, &at, Error::Connect { node, cause });
        }
        if pending.command.is_fence() {
            return self.outcome_unknown(&pending, node, cause);
        }
        let last = format!("{node}: {cause}");
        self.failed.insert(node.clone());
        // The first substitute is asked at once. If that fails too, there is no hurry.
        self.try_later(pending, Some(node), 1, last)
    }

    /// The connection failed after the command had been sent.
    fn lost<'c>(
        &mut self,
        mut pending: Pending<'c>,
        node: Node,
        cause: RedisError,
        free_failures: u32,
    ) -> Settled<'c> {
        pending.attempts = pending.attempts.saturating_add(1);
        self.failed.insert(node.clone());
        if !pending.command.is_repeatable() {
            return self.outcome_unknown(&pending, node, cause);
        }
        pending.in_doubt = true;
        self.try_later(pending, None, free_failures, format!("{node}: {cause}"))
    }

    /// Sends it again if there is time left. `last` says what this attempt met.
    fn try_later<'c>(
        &mut self,
        mut pending: Pending<'c>,
        avoid: Option<Node>,
        free_failures: u32,
        last: String,
    ) -> Settled<'c> {
        if self.has_time(&mut pending, avoid, free_failures) {
            return Settled::Again(pending);
        }
        let error = self.gave_up(&pending, last);
        self.finish_failed(&pending, error)
    }

    /// Whether there is time left to send it again, to the node that the cache names by then. The
    /// first `free_failures` cost no wait.
    fn has_time(
        &mut self,
        pending: &mut Pending<'_>,
        avoid: Option<Node>,
        free_failures: u32,
    ) -> bool {
        self.stats.retries.one();
        pending.target = Target::Cached;
        let slot = pending.slot();
        let retry = self
            .lanes
            .refused(slot, avoid, free_failures, self.now, self.random);
        let since = pending
            .since
            .map_or(retry.since, |own| own.min(retry.since));
        pending.since = Some(since);
        let spent = retry.at.saturating_duration_since(since);
        let has_time = spent < self.settings.retry_for;
        if !has_time {
            self.lanes.gave_up(slot, self.now);
        }
        has_time
    }

    fn gave_up(&self, pending: &Pending<'_>, last: String) -> Error {
        let since = pending.since.unwrap_or(self.now);
        Error::GaveUp {
            after: self.now.saturating_duration_since(since),
            attempts: pending.attempts,
            last,
            sent: pending.in_doubt,
        }
    }

    /// Gives the command the error that its last attempt met at `node`. If an earlier attempt may
    /// have been executed, an error that stands for "nothing was executed" would be wrong: it
    /// becomes [`Error::GaveUp`].
    fn fail<'c>(&mut self, pending: &Pending<'c>, node: &Node, error: Error) -> Settled<'c> {
        let hides_doubt = is_in_doubt(pending) && !error.may_have_been_executed();
        let error = match &error {
            Error::Server(words) | Error::Script(words) if hides_doubt => {
                self.gave_up(pending, met(node, words))
            }
            Error::Connect { cause, .. } if hides_doubt => {
                self.gave_up(pending, format!("{node}: {cause}"))
            }
            _ => error,
        };
        self.finish_failed(pending, error)
    }

    fn finish_failed<'c>(&mut self, pending: &Pending<'c>, error: Error) -> Settled<'c> {
        if is_in_doubt(pending) {
            self.fences.written_somewhere(pending.slot());
        }
        Settled::Finished(pending.place, Err(error))
    }

    fn outcome_unknown<'c>(
        &mut self,
        pending: &Pending<'c>,
        node: Node,
        cause: RedisError,
    ) -> Settled<'c> {
        self.stats.outcome_unknown.one();
        if pending.command.is_fence() {
            // The error says that the writes before the fence may be lost. It is reported once.
            self.fences.settled(pending.slot());
        }
        Settled::Finished(pending.place, Err(Error::OutcomeUnknown { node, cause }))
    }
}

/// What an attempt met, for the text of an error.
fn met(node: &Node, error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    format!("{node}: {} {details}", error.code())
}

mod unacked;

#[cfg(test)]
mod tests;
