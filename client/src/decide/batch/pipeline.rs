//! The commands of one round for one node: sent in windows, answered in order. Pure.
//!
//! The driver takes [`Pipeline::step`], does it and reports, until the step is `End`. Pipelines do
//! not depend on each other, so a driver may run those of a round in any order or at the same time.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value};

use crate::decide::batch::attempt::{Attempt, Outcome};
use crate::decide::batch::fences::Fences;
use crate::decide::batch::pending::{Pending, Target};
use crate::decide::batch::verdict::Verdict;
use crate::decide::batch::window::{rest_of, Window};
use crate::decide::cache::Asked;
use crate::decide::deadline::Deadline;
use crate::decide::knowledge::Finding;
use crate::decide::links::{ConnectionId, LinkCheck};
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

#[derive(Debug)]
pub(crate) struct Pipeline<'c> {
    node: Node,
    window: Window,
    response_timeout: Option<Duration>,
    stage: Stage,
    /// Not sent yet.
    queue: VecDeque<Pending<'c>>,
    /// Sent and not answered, in order.
    under_way: VecDeque<Pending<'c>>,
    answered: Vec<Attempt<'c>>,
    /// The place in `answered` of the first reply to the present window.
    window_begins: usize,
    asked: Option<Asked>,
    connection: Option<ConnectionId>,
    /// How it ended, if it did not end well: [`Outcome::NotSent`], [`Outcome::Lost`] or
    /// [`Outcome::Postponed`].
    failure: Option<Outcome>,
    /// Slots of which a command was redirected or turned away. Their later commands are not sent.
    held: HashSet<Option<u16>>,
    replied: bool,
    /// The node has executed a command of a key, or knows which node does.
    serves: bool,
    round_trips: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Unconnected,
    /// No reply is outstanding.
    Ready,
    /// `deadline` is that of the next reply. It is fixed when the driver begins to wait for it.
    Reading {
        sent: Instant,
        is_first: bool,
        deadline: Option<Deadline>,
        /// `ASKING`, which was sent before the command, has been answered.
        asking_answered: bool,
    },
    Checking,
    Closing,
    Ended,
}

/// What is to be done next for a pipeline.
#[derive(Debug, PartialEq)]
pub(crate) enum PipelineStep {
    /// Connect to the node, or try out the connection to it. Report by `connected` or
    /// `not_connected`.
    Connect,
    /// Send all of these bytes by the deadline. Report an error by `send_failed`. A missed deadline
    /// has to be an error with `is_timeout()`, here and in `Receive`.
    Send(Vec<u8>, Deadline),
    /// Read one reply by the deadline. Report by `received`.
    Receive(Deadline),
    /// Check whether the server has closed the connection or sent more than it should. Report by
    /// `checked`, and close a connection that was not in order.
    Check,
    /// Close the connection.
    Close,
    End,
}

impl<'c> Pipeline<'c> {
    pub(crate) fn new(node: Node, settings: &Settings) -> Pipeline<'c> {
        let window = match settings.is_encrypted(&node) {
            true => Window::TLS,
            false => Window::PLAIN,
        };
        Pipeline {
            node,
            window,
            response_timeout: settings.response_timeout,
            stage: Stage::Unconnected,
            queue: VecDeque::new(),
            under_way: VecDeque::new(),
            answered: Vec::new(),
            window_begins: 0,
            asked: None,
            connection: None,
            failure: None,
            held: HashSet::new(),
            replied: false,
            serves: false,
            round_trips: 0,
        }
    }

    pub(crate) fn push(&mut self, pending: Pending<'c>) {
        self.queue.push_back(pending);
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// `ask` gives the number of the question ([`crate::cache::SlotCache::ask`]); it is called when
    /// commands are about to be sent.
    pub(crate) fn step(
        &mut self,
        fences: &Fences,
        ask: impl FnOnce() -> Asked,
        now: Instant,
    ) -> PipelineStep {
        match &mut self.stage {
            Stage::Unconnected => PipelineStep::Connect,
            Stage::Ready => {
                let bytes = self.next_window(fences);
                if self.under_way.is_empty() {
                    self.stage = Stage::Ended;
                    return PipelineStep::End;
                }
                self.asked = Some(ask());
                self.window_begins = self.answered.len();
                self.stage = Stage::Reading {
                    sent: now,
                    is_first: true,
                    deadline: None,
                    asking_answered: false,
                };
                PipelineStep::Send(bytes, Deadline::after(now, self.response_timeout))
            }
            Stage::Reading {
                sent,
                is_first,
                deadline,
                ..
            } => {
                let waited = now.saturating_duration_since(*sent);
                let limit = self.response_timeout.map(|limit| match *is_first {
                    true => rest_of(limit, waited),
                    false => limit,
                });
                // The replies to ASKING and to its command share a deadline.
                let until = *deadline.get_or_insert(Deadline::after(now, limit));
                PipelineStep::Receive(until)
            }
            Stage::Checking => PipelineStep::Check,
            Stage::Closing => {
                self.stage = Stage::Ended;
                PipelineStep::Close
            }
            Stage::Ended => PipelineStep::End,
        }
    }

    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
        self.stage = Stage::Ready;
    }

    pub(crate) fn not_connected(&mut self, error: RedisError) {
        self.failure = Some(Outcome::NotSent(error));
        self.stage = Stage::Ended;
    }

    /// How much of the window has arrived is not known.
    pub(crate) fn send_failed(&mut self, error: RedisError) {
        self.lose_all(error);
    }

    pub(crate) fn received(&mut self, reply: RedisResult<Value>) {
        let Stage::Reading {
            is_first,
            deadline,
            asking_answered,
            ..
        } = &mut self.stage
        else {
            return;
        };
        let Some(pending) = self.under_way.pop_front() else {
            return;
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                if error.is_timeout() {
                    self.answer(pending, Outcome::Silent(error.clone()));
                } else {
                    self.under_way.push_front(pending);
                }
                return self.lose_all(error);
            }
        };
        if let (Target::Ask(_), false) = (&pending.target, *asking_answered) {
            // The reply to ASKING itself is OK. If it is not, the command's own reply says why.
            *asking_answered = true;
            self.under_way.push_front(pending);
            return;
        }
        (*is_first, *deadline, *asking_answered) = (false, None, false);
        let verdict = Verdict::of(pending.command, reply);
        self.note(&pending, &verdict);
        self.answer(pending, Outcome::Answered(verdict));
        if self.under_way.is_empty() {
            self.round_trips = self.round_trips.saturating_add(1);
            self.stage = Stage::Checking;
        }
    }

    pub(crate) fn checked(&mut self, check: LinkCheck) {
        match (check, check.error()) {
            (LinkCheck::Surplus, Some(error)) => self.distrust(error),
            (LinkCheck::Closed, _) if !self.queue.is_empty() => {
                // The rest goes over another connection, in the next round.
                self.failure = Some(Outcome::Postponed);
                self.stage = Stage::Ended;
            }
            _ => self.stage = Stage::Ready,
        }
    }

    /// Gives back every command, those of one slot in their order, and adds what was found about
    /// the node.
    pub(crate) fn finish(
        mut self,
        findings: &mut Vec<Finding>,
        stats: &Counters,
    ) -> Vec<Attempt<'c>> {
        while let Some(pending) = self.queue.pop_front() {
            let outcome = match &self.failure {
                Some(Outcome::NotSent(error)) => Outcome::NotSent(error.clone()),
                _ => Outcome::Postponed,
            };
            self.answer(pending, outcome);
        }
        stats.round_trips.add(self.round_trips);
        let is_down = match &self.failure {
            Some(Outcome::NotSent(_)) => true,
            Some(Outcome::Lost(error)) => {
                stats.connection_failures.one();
                // A silent node is not tried again at once. One that closed the connection may
                // answer the next call.
                error.is_timeout()
            }
            _ => false,
        };
        if is_down {
            findings.push(Finding::Down(self.node.clone()));
        } else if self.replied {
            findings.push(Finding::Up(self.node.clone()));
        }
        if self.serves {
            findings.push(Finding::Serves(self.node));
        }
        self.answered
    }

    /// Moves the commands of the next window from the queue to those under way, and packs them.
    fn next_window(&mut self, fences: &Fences) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(pending) = self.queue.pop_front() {
            let slot = pending.slot();
            if self.held.contains(&slot) {
                self.answer(pending, Outcome::Postponed);
                continue;
            }
            // `fences` does not know the writes of this round yet. That is no gap: they go over
            // this connection, too.
            let covers = |id: ConnectionId| fences.cover(slot, id);
            if pending.command.is_fence() && !self.connection.is_some_and(covers) {
                self.answer(pending, Outcome::Severed);
                continue;
            }
            let before = bytes.len();
            if let Target::Ask(_) = pending.target {
                // In the same packet: it counts for the very next command only.
                redis::cmd("ASKING").write_packed_command(&mut bytes);
            }
            pending.command.cmd().write_packed_command(&mut bytes);
            if !self.window.has_room(self.under_way.len(), bytes.len()) {
                bytes.truncate(before);
                self.queue.push_front(pending);
                break;
            }
            self.under_way.push_back(pending);
        }
        bytes
    }

    fn note(&mut self, pending: &Pending<'c>, verdict: &Verdict) {
        self.replied = true;
        self.serves |= match verdict {
            Verdict::Moved(_) | Verdict::Ask(_) => true,
            Verdict::Done(_) | Verdict::Unacked(_) => pending.command.names_key(),
            Verdict::Failed(_) | Verdict::Unknown(_) | Verdict::Later(..) => false,
        };
        if !verdict.is_final() {
            self.held.insert(pending.slot());
        }
    }

    fn answer(&mut self, pending: Pending<'c>, outcome: Outcome) {
        self.answered.push(Attempt {
            pending,
            node: self.node.clone(),
            asked: self.asked,
            connection: self.connection,
            outcome,
        });
    }

    /// The connection has failed: what is under way may have been executed.
    fn lose_all(&mut self, error: RedisError) {
        while let Some(pending) = self.under_way.pop_front() {
            self.answer(pending, Outcome::Lost(error.clone()));
        }
        self.failure = Some(Outcome::Lost(error));
        self.stage = Stage::Closing;
    }

    /// More has come than the replies to this window. Replies may have been shifted, so it is not
    /// known which belongs to which command.
    fn distrust(&mut self, error: RedisError) {
        for attempt in self.answered.iter_mut().skip(self.window_begins) {
            attempt.outcome = Outcome::Lost(error.clone());
        }
        (self.replied, self.serves) = (false, false);
        self.lose_all(error);
    }
}

#[cfg(test)]
mod tests;
