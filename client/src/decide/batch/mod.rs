//! A batch of commands, from its first hint to its last result. Pure.
//!
//! It goes in rounds: each takes the commands that may be sent now, one pipeline for each node, and
//! gives back those that have no result yet. The driver takes [`Batch::next`], does it, and hands
//! the pipelines of a round to [`Batch::settle`] when all have ended.

mod attempt;
mod doubt;
pub(crate) mod fences;
mod lanes;
mod pending;
pub(crate) mod pipeline;
mod settle;
mod verdict;
mod window;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use redis::Value;

use self::attempt::Attempt;
use self::fences::Fences;
use self::lanes::{Admission, Lanes};
use self::pending::{Pending, Target};
use self::pipeline::Pipeline;
use self::settle::{Settled, Settling};
use crate::decide::asking::inquiry::{Inquiry, Limits};
use crate::decide::command::Command;
use crate::decide::error::Error;
use crate::decide::knowledge::{Finding, HintRequest, Knowledge};
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

pub(crate) struct Batch<'c> {
    settings: &'c Settings,
    stats: &'c Counters,
    commands: &'c [Command],
    /// In the order of the commands.
    results: Vec<Option<Result<Value, Error>>>,
    /// Commands without a result, in the order of the batch.
    pending: Vec<Pending<'c>>,
    lanes: Lanes,
    /// The hint before the first round has been requested, or is not needed.
    is_hinted: bool,
    /// Nodes that failed in the last round. Before the next round the map is requested, from other
    /// nodes if possible.
    failed: HashSet<Node>,
}

/// What is to be done next for a batch.
pub(crate) enum BatchStep<'c> {
    /// Ask for a hint. Its result does not matter here: without a hint, redirections fill the
    /// cache.
    Hint(Inquiry),
    /// The same, at most once at a time for all sessions ([`super::asking::fetches`]).
    SharedFetch(Inquiry),
    /// Nothing may be sent before this instant.
    WaitUntil(Instant),
    /// Run these to their ends, and hand them to [`Batch::settle`].
    Send(Vec<Pipeline<'c>>),
    /// Every command has its result.
    Done,
}

impl<'c> Batch<'c> {
    pub(crate) fn new(
        commands: &'c [Command],
        settings: &'c Settings,
        stats: &'c Counters,
        now: Instant,
    ) -> Batch<'c> {
        let mut batch = Batch {
            settings,
            stats,
            commands,
            results: commands.iter().map(|_| None).collect(),
            pending: Vec::with_capacity(commands.len()),
            lanes: Lanes::default(),
            is_hinted: false,
            failed: HashSet::new(),
        };
        batch.begin(now);
        batch
    }

    fn begin(&mut self, now: Instant) {
        let mut keyed = 0_usize;
        for (place, command) in self.commands.iter().enumerate() {
            if let Some(why) = command.refusal() {
                self.finish(place, Err(Error::Refused(why)));
                continue;
            }
            if command.is_pinned() {
                // It goes to the primary only, while other commands of its slot may go to a
                // substitute. A lane keeps their order.
                self.lanes.keep_together(command.slot(), now);
            }
            if command.routing_key().is_some() {
                keyed = keyed.saturating_add(1);
            }
            self.pending.push(Pending::new(place, command));
        }
        self.stats.commands.add(keyed);
    }

    pub(crate) fn next(&mut self, knowledge: &mut Knowledge, now: Instant) -> BatchStep<'c> {
        if !std::mem::replace(&mut self.is_hinted, true) {
            if let Some(step) = self.first_hint(knowledge, now) {
                return step;
            }
        }
        if self.pending.is_empty() {
            return BatchStep::Done;
        }
        let slots = self.pending.iter().map(Pending::slot);
        if let Some(ready) = self.lanes.not_before(slots, now) {
            return BatchStep::WaitUntil(ready);
        }
        if !self.failed.is_empty() {
            // A node that is up may know by now what has changed.
            let failed = std::mem::take(&mut self.failed);
            let limits = Limits::before_commands(self.settings, now);
            return BatchStep::Hint(Inquiry::for_map(&failed, limits, knowledge));
        }
        BatchStep::Send(self.admit(knowledge, now))
    }

    /// Takes in a round. `now` is the instant of its end, `random` is in `0.0..1.0`. Returns what
    /// the knowledge has to note.
    pub(crate) fn settle(
        &mut self,
        pipelines: Vec<Pipeline<'c>>,
        fences: &mut Fences,
        now: Instant,
        random: f64,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut attempts: Vec<Attempt<'c>> = Vec::new();
        for pipeline in pipelines {
            attempts.extend(pipeline.finish(&mut findings, self.stats));
        }
        attempts.sort_by_key(|attempt| attempt.pending.place);
        let mut settling = Settling {
            settings: self.settings,
            stats: self.stats,
            lanes: &mut self.lanes,
            fences,
            failed: &mut self.failed,
            findings: &mut findings,
            now,
            random,
        };
        for attempt in attempts {
            match settling.settle(attempt) {
                Settled::Again(pending) => self.pending.push(pending),
                Settled::Finished(place, result) => {
                    if let Some(own) = self.results.get_mut(place) {
                        *own = Some(result);
                    }
                }
            }
        }
        self.pending.sort_by_key(|pending| pending.place);
        findings
    }

    /// The results, in the order of the commands.
    pub(crate) fn results(self) -> Vec<Result<Value, Error>> {
        let lost = || Err(Error::Refused("the command was lost in the client"));
        let results = self.results.into_iter();
        results.map(|result| result.unwrap_or_else(lost)).collect()
    }

    /// Before the first round: a hint for the slots that are not known.
    fn first_hint(&self, knowledge: &mut Knowledge, now: Instant) -> Option<BatchStep<'c>> {
        let limits = Limits::before_commands(self.settings, now);
        let hint_all = self.settings.hint_batches;
        if let ([one], true) = (self.pending.as_slice(), hint_all) {
            if one.command.names_key() {
                // A hint for one key is a round trip, as is the redirection that it would save. The
                // map saves the redirections of all later commands, too.
                let slot = one.slot()?;
                let is_needed = knowledge.cache.primary_of(slot).is_none()
                    && knowledge.may_ask(HintRequest::Map);
                return is_needed.then(|| {
                    let map = Inquiry::for_map(&HashSet::new(), limits, knowledge);
                    BatchStep::SharedFetch(map)
                });
            }
        }
        // A command that names no key is not redirected, so its slot has to be known.
        let commands = self.pending.iter().map(|pending| pending.command);
        let keys = commands
            .filter(|command| hint_all || !command.names_key())
            .filter_map(Command::routing_key);
        Inquiry::for_keys(keys, limits, knowledge).map(BatchStep::Hint)
    }

    /// The commands that go in this round, by the node that they go to. The others stay pending.
    fn admit(&mut self, knowledge: &mut Knowledge, now: Instant) -> Vec<Pipeline<'c>> {
        let mut pipelines: Vec<Pipeline<'c>> = Vec::new();
        let mut pipeline_of: HashMap<Node, usize> = HashMap::new();
        let (mut hits, mut misses) = (0_usize, 0_usize);
        let mut last = Vec::new();
        self.lanes.begin_round();
        for mut pending in std::mem::take(&mut self.pending) {
            let slot = pending.slot();
            let admission = self.lanes.admit(slot, now, |failures, avoid| {
                choose(knowledge, &pending, failures, avoid)
            });
            let node = match admission {
                Admission::Go(Some(node)) => node,
                Admission::Go(None) => {
                    let why = "the node of its slot is not known; run a command with the key first";
                    self.finish(pending.place, Err(Error::Refused(why)));
                    continue;
                }
                Admission::Held => {
                    self.pending.push(pending);
                    continue;
                }
            };
            let owner = slot.and_then(|slot| knowledge.cache.primary_of(slot));
            if !std::mem::replace(&mut pending.counted, true) && slot.is_some() {
                match owner {
                    Some(_) => hits = hits.saturating_add(1),
                    None => misses = misses.saturating_add(1),
                }
            }
            pending.at_owner = owner == Some(&node);
            let at = *pipeline_of.entry(node.clone()).or_insert(pipelines.len());
            if at == pipelines.len() {
                pipelines.push(Pipeline::new(node, self.settings));
            }
            match pipelines.get_mut(at) {
                // It goes last in its pipeline. Its slot sends nothing else in this round, so the
                // order within the slot is kept.
                Some(_) if pending.was_silent => last.push((at, pending)),
                Some(pipeline) => pipeline.push(pending),
                None => {}
            }
        }
        for (at, pending) in last {
            if let Some(pipeline) = pipelines.get_mut(at) {
                pipeline.push(pending);
            }
        }
        self.stats.hits.add(hits);
        self.stats.misses.add(misses);
        pipelines
    }

    fn finish(&mut self, place: usize, result: Result<Value, Error>) {
        if let Some(own) = self.results.get_mut(place) {
            *own = Some(result);
        }
    }
}

/// The node that a command goes to now.
fn choose(
    knowledge: &mut Knowledge,
    pending: &Pending<'_>,
    failures: u32,
    avoid: Option<&Node>,
) -> Option<Node> {
    let slot = pending.slot();
    match (&pending.target, slot) {
        (Target::Node(node) | Target::Ask(node), _) => Some(node.clone()),
        // Any other node would execute it as well, but not for this slot.
        (Target::Cached, Some(slot)) if pending.command.is_pinned() => {
            knowledge.cache.primary_of(slot).cloned()
        }
        (Target::Cached, slot) => {
            let failures = usize::try_from(failures).unwrap_or(usize::MAX);
            knowledge.route(slot, avoid, failures)
        }
    }
}

#[cfg(test)]
mod tests;
