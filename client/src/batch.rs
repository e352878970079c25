//! The life of a batch: rounds of one pipeline for each node, until every command has its result.
//!
//! What a round brings back for a command is settled here: a reply, a redirection, a wait. The sending
//! itself is in `round`.

use std::time::{Duration, Instant};

use redis::{RedisError, ServerError, Value};

use crate::backoff;
use crate::cache::{Asked, Correction};
use crate::command::Command;
use crate::error::Error;
use crate::links::is_permanent;
use crate::node::Node;
use crate::redirect::Redirect;
use crate::round::{Answer, Outcome};
use crate::session::Session;
use crate::verdict::{Verdict, Why};

/// So many redirections in a row are followed at once; more are a sign that nodes disagree for the moment.
const PROMPT_REDIRECTS: u32 = 3;

pub(crate) struct Batch<'s, 'c> {
    session: &'s mut Session,
    commands: &'c [Command],
    results: Vec<Option<Result<Value, Error>>>,
    started: Instant,
    /// A node failed: before the next round the map is asked for.
    relearn: bool,
}

/// A command without a result yet.
pub(crate) struct Pending<'c> {
    /// Its place in the batch.
    pub(crate) place: usize,
    pub(crate) command: &'c Command,
    pub(crate) target: Target,
    /// A node that it must not be sent to next, unless there is no other.
    pub(crate) avoid: Option<Node>,
    pub(crate) failures: u32,
    redirects: u32,
    attempts: u32,
    /// It is among the hits or the misses.
    pub(crate) counted: bool,
    /// Not to be sent before.
    ready: Instant,
    /// An attempt ended without a reply.
    sent: bool,
}

/// Where a command goes next.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Where the cache says.
    Cached,
    /// Where a `MOVED` said.
    Node(Node),
    /// Where an `ASK` said: with `ASKING` before it.
    Ask(Node),
}

impl<'s, 'c> Batch<'s, 'c> {
    pub(crate) fn new(session: &'s mut Session, commands: &'c [Command]) -> Self {
        Batch {
            session,
            commands,
            results: commands.iter().map(|_| None).collect(),
            started: Instant::now(),
            relearn: false,
        }
    }

    pub(crate) fn run(mut self) -> Vec<Result<Value, Error>> {
        let mut pending = self.begin();
        while !pending.is_empty() {
            let now = Instant::now();
            let (ready, later): (Vec<_>, Vec<_>) = pending
                .into_iter()
                .partition(|command| command.ready <= now);
            pending = later;
            if ready.is_empty() {
                let first = pending.iter().map(|command| command.ready).min();
                std::thread::sleep(first.unwrap_or(now).saturating_duration_since(now));
                continue;
            }
            if std::mem::take(&mut self.relearn) {
                self.session.relearn();
            }
            for answer in self.session.round(ready) {
                pending.extend(self.settle(answer));
            }
            pending.sort_by_key(|command| command.place);
        }
        let lost = || Err(Error::Refused("the command was lost in the client"));
        self.results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect()
    }

    fn begin(&mut self) -> Vec<Pending<'c>> {
        let mut pending = Vec::with_capacity(self.commands.len());
        for (place, command) in self.commands.iter().enumerate() {
            match command.refusal() {
                Some(why) => self.finish(place, Err(Error::Refused(why))),
                None => pending.push(Pending {
                    place,
                    command,
                    target: Target::Cached,
                    avoid: None,
                    failures: 0,
                    redirects: 0,
                    attempts: 0,
                    counted: false,
                    ready: self.started,
                    sent: false,
                }),
            }
        }
        let keys = pending
            .iter()
            .filter_map(|command| command.command.routing_key());
        let shared = &self.session.shared;
        shared.stats.commands.add(keys.clone().count());
        // One command gains nothing: the hint is a round trip, as the redirection is.
        if pending.len() > 1 && shared.config.hint_batches {
            // Without a hint, redirections will tell.
            let _ = self.session.prefill(keys);
        }
        pending
    }

    /// Gives the command its result, or gives it back to be sent again.
    fn settle(&mut self, answer: Answer<'c>) -> Option<Pending<'c>> {
        let Answer {
            mut command,
            node,
            asked,
            outcome,
        } = answer;
        let Some(node) = node else {
            self.finish(
                command.place,
                Err(Error::Refused("there is no node to send it to")),
            );
            return None;
        };
        let reply = match outcome {
            // It did not fit into this round's pipeline.
            Outcome::Postponed => return Some(command),
            Outcome::Reply(reply) => reply,
            Outcome::NotSent(cause) if is_permanent(&cause) => {
                self.finish(command.place, Err(Error::Connect { node, cause }));
                return None;
            }
            Outcome::NotSent(cause) => {
                self.relearn = true;
                command.avoid = Some(node.clone());
                // The first substitute may be asked at once; when that fails too, there is no hurry.
                return self.try_later(command, 1, format!("{node}: {cause}"));
            }
            Outcome::Lost(cause) => {
                self.relearn = true;
                return self.lost(command, node, cause);
            }
        };
        command.attempts = command.attempts.saturating_add(1);
        match Verdict::of(command.command, reply) {
            Verdict::Done(reply) => {
                self.learn_from_success(&command, &node, asked);
                self.finish(command.place, Ok(reply));
                None
            }
            Verdict::Failed(error) => {
                self.finish(command.place, Err(Error::Server(error)));
                None
            }
            Verdict::Moved(redirect) => {
                self.session.shared.stats.moved.one();
                let to = self.resolve(&node, &redirect);
                self.correct(redirect.slot, &to, Some(&node), asked);
                self.redirect(command, Target::Node(to))
            }
            Verdict::Ask(redirect) => {
                self.session.shared.stats.asked.one();
                let to = self.resolve(&node, &redirect);
                self.redirect(command, Target::Ask(to))
            }
            Verdict::Later(why, error) => self.turned_away(command, node, why, &error),
            Verdict::Unknown(error) => {
                self.outcome_unknown(command.place, node, error.into());
                None
            }
        }
    }

    /// A node that executes a command of a key owns its slot, whatever the cache said. It is not so after ASKING.
    fn learn_from_success(&mut self, command: &Pending<'c>, node: &Node, asked: Asked) {
        let (Some(slot), false) = (
            command.command.slot(),
            matches!(command.target, Target::Ask(_)),
        ) else {
            return;
        };
        let known = self.session.shared.know().cache.primary_of(slot) == Some(node);
        if command.command.names_key() && !known {
            self.correct(slot, node, None, asked);
        }
    }

    fn correct(&mut self, slot: u16, to: &Node, from: Option<&Node>, asked: Asked) {
        let shared = &self.session.shared;
        match shared.know().cache.moved(slot, to, from, asked) {
            Correction::Patched => shared.stats.patches.one(),
            Correction::FailedOver(_) => shared.stats.failovers.one(),
            Correction::Known | Correction::Outdated => {}
        }
    }

    fn redirect(&mut self, mut command: Pending<'c>, to: Target) -> Option<Pending<'c>> {
        let last = || match &to {
            Target::Ask(node) => format!("ASK {node}"),
            Target::Node(node) => format!("MOVED {node}"),
            Target::Cached => String::new(),
        };
        command.redirects = command.redirects.saturating_add(1);
        let wait = command.redirects.checked_sub(PROMPT_REDIRECTS);
        let wait = wait.map_or(Duration::ZERO, |many| backoff::delay(many, fastrand::f64()));
        let last = last();
        command.avoid = None;
        command.target = to;
        self.not_before(command, wait, last)
    }

    fn turned_away(
        &mut self,
        mut command: Pending<'c>,
        node: Node,
        why: Why,
        error: &ServerError,
    ) -> Option<Pending<'c>> {
        let stats = &self.session.shared.stats;
        match why {
            Why::TryAgain => stats.try_again.one(),
            Why::ClusterDown => stats.cluster_down.one(),
            Why::Loading => stats.loading.one(),
            Why::NotPrimary => stats.not_primary.one(),
        }
        let last = format!(
            "{node}: {} {}",
            error.code(),
            error.details().unwrap_or_default()
        );
        // A node that loads or follows may have been replaced: somebody else will know. Where a slot is being
        // moved, or the whole cluster is down, the same node is as good as any.
        let elsewhere = matches!(why, Why::Loading | Why::NotPrimary);
        command.avoid = elsewhere.then_some(node);
        self.try_later(command, 0, last)
    }

    /// The connection ended after the command had been sent.
    fn lost(
        &mut self,
        mut command: Pending<'c>,
        node: Node,
        cause: RedisError,
    ) -> Option<Pending<'c>> {
        command.attempts = command.attempts.saturating_add(1);
        if !command.command.is_repeatable() {
            self.outcome_unknown(command.place, node, cause);
            return None;
        }
        command.sent = true;
        self.try_later(command, 1, format!("{node}: {cause}"))
    }

    /// Again where the cache says by then; the first `prompt` failures without a wait.
    fn try_later(
        &mut self,
        mut command: Pending<'c>,
        prompt: u32,
        last: String,
    ) -> Option<Pending<'c>> {
        self.session.shared.stats.retries.one();
        command.failures = command.failures.saturating_add(1);
        command.target = Target::Cached;
        let wait = match command.failures.saturating_sub(prompt) {
            0 => Duration::ZERO,
            many => backoff::delay(many, fastrand::f64()),
        };
        self.not_before(command, wait, last)
    }

    fn not_before(
        &mut self,
        mut command: Pending<'c>,
        wait: Duration,
        last: String,
    ) -> Option<Pending<'c>> {
        let spent = self.started.elapsed();
        if spent.saturating_add(wait) > self.session.shared.config.retry_for {
            let error = Error::GaveUp {
                after: spent,
                attempts: command.attempts.max(command.failures),
                last,
                sent: command.sent,
            };
            self.finish(command.place, Err(error));
            return None;
        }
        command.ready = Instant::now() + wait;
        Some(command)
    }

    fn resolve(&self, told_by: &Node, redirect: &Redirect) -> Node {
        let config = &self.session.shared.config;
        config.resolve(told_by, redirect.host.as_deref(), redirect.port)
    }

    fn outcome_unknown(&mut self, place: usize, node: Node, cause: RedisError) {
        self.session.shared.stats.outcome_unknown.one();
        self.finish(place, Err(Error::OutcomeUnknown { node, cause }));
    }

    fn finish(&mut self, place: usize, result: Result<Value, Error>) {
        if let Some(own) = self.results.get_mut(place) {
            *own = Some(result);
        }
    }
}
