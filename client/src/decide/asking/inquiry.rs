//! Asks one node after another for a hint, until one gives it. Pure.
//!
//! The driver takes [`Inquiry::next_node`], makes sure of a connection to it, sends the question
//! and reports the answer, until there is no next node. Then it takes [`Inquiry::result`].

use std::collections::HashSet;
use std::time::{Duration, Instant};
use std::vec;

use durable_core::slot;
use redis::{Cmd, RedisError};

use crate::decide::asking::fill::Fill;
use crate::decide::asking::question::{HintAnswer, NoHint, Question};
use crate::decide::deadline::Deadline;
use crate::decide::error::Error;
use crate::decide::knowledge::{HintRequest, Knowledge};
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

/// How many nodes are asked before commands are sent. Without a hint, redirections fill the cache.
const ASKED_FOR_A_BATCH: usize = 2;

pub(crate) struct Inquiry {
    /// `SLOTHINT key …`; `None` for the whole map.
    keys: Option<Cmd>,
    candidates: vec::IntoIter<Node>,
    limits: Limits,
    result: Option<Result<Fill, Error>>,
}

/// How many nodes are asked, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many nodes are asked.
    nodes: usize,
    /// For all nodes together.
    deadline: Deadline,
    /// For each node, to take the request and give the whole answer.
    answer: Option<Duration>,
}

impl Limits {
    /// For a hint before commands: these must not be held up for long.
    pub(crate) fn before_commands(settings: &Settings, now: Instant) -> Limits {
        Limits {
            nodes: ASKED_FOR_A_BATCH,
            deadline: Deadline::after(now, Some(settings.retry_for)),
            answer: Some(settings.connect_timeout),
        }
    }

    /// For a hint that the caller asks for: the answer may take as long as any other reply.
    pub(crate) fn for_the_caller(settings: &Settings) -> Limits {
        Limits {
            nodes: usize::MAX,
            deadline: Deadline::NEVER,
            answer: settings.response_timeout,
        }
    }
}

impl Inquiry {
    /// Asks for the slots of these keys that are not in the cache, with one key for each slot.
    /// `None` if all are known.
    pub(crate) fn for_keys<K: AsRef<[u8]>>(
        keys: impl IntoIterator<Item = K>,
        limits: Limits,
        knowledge: &mut Knowledge,
    ) -> Option<Inquiry> {
        let mut command = redis::cmd("SLOTHINT");
        let mut slots = HashSet::new();
        for key in keys {
            let key = key.as_ref();
            let slot = slot::of_key(key);
            if knowledge.cache.primary_of(slot).is_none() && slots.insert(slot) {
                command.arg(key);
            }
        }
        if slots.is_empty() {
            return None;
        }
        let candidates = knowledge.candidates(HintRequest::Keys, &HashSet::new());
        Some(Inquiry::new(Some(command), candidates, limits))
    }

    /// Asks for the whole map. The nodes in `last` are asked after the others.
    pub(crate) fn for_map(
        last: &HashSet<Node>,
        limits: Limits,
        knowledge: &mut Knowledge,
    ) -> Inquiry {
        let candidates = knowledge.candidates(HintRequest::Map, last);
        Inquiry::new(None, candidates, limits)
    }

    fn new(keys: Option<Cmd>, mut candidates: Vec<Node>, limits: Limits) -> Inquiry {
        candidates.truncate(limits.nodes);
        Inquiry {
            keys,
            candidates: candidates.into_iter(),
            limits,
            result: None,
        }
    }

    /// The node to ask next; `None` when the inquiry is over.
    pub(crate) fn next_node(&mut self, now: Instant) -> Option<Node> {
        let is_filled = matches!(self.result, Some(Ok(_)));
        if is_filled || self.limits.deadline.is_over(now) {
            return None;
        }
        self.candidates.next()
    }

    /// The question to send to the node.
    pub(crate) fn question(
        &self,
        node: Node,
        knowledge: &mut Knowledge,
        stats: &Counters,
    ) -> Question {
        match &self.keys {
            Some(keys) => Question::for_keys(node, keys.clone(), knowledge, stats),
            None => Question::for_map(node, knowledge, stats),
        }
    }

    /// For the whole inquiry.
    pub(crate) fn deadline(&self) -> Deadline {
        self.limits.deadline
    }

    /// For the answer to a question that is sent now.
    pub(crate) fn answer_deadline(&self, now: Instant) -> Deadline {
        match self.limits.answer {
            Some(limit) => self.limits.deadline.at_most(now, limit),
            None => self.limits.deadline,
        }
    }

    /// There is no connection to the node.
    pub(crate) fn not_connected(
        &mut self,
        node: Node,
        cause: RedisError,
        knowledge: &mut Knowledge,
    ) {
        knowledge.mark_down(&node);
        self.result = Some(Err(Error::Connect { node, cause }));
    }

    /// Takes in the answer of the node. Returns whether the connection to it has to be closed.
    pub(crate) fn answered(
        &mut self,
        node: Node,
        answer: HintAnswer,
        knowledge: &mut Knowledge,
        stats: &Counters,
    ) -> bool {
        match answer.learn(knowledge, stats) {
            Ok(fill) => self.result = Some(Ok(fill)),
            Err(NoHint::NoHints | NoHint::NotAllowed) => {}
            Err(NoHint::Unreadable(what)) => self.result = Some(Err(what.into())),
            Err(NoHint::Server(error)) => self.result = Some(Err(Error::Server(error))),
            Err(NoHint::Broken(cause)) => {
                stats.connection_failures.one();
                if cause.is_timeout() {
                    knowledge.mark_down(&node);
                }
                self.result = Some(Err(Error::Connect { node, cause }));
                return true;
            }
        }
        false
    }

    /// The hint; or, if no node gave one, the last error. Nodes that give no hints do not count as
    /// errors.
    pub(crate) fn result(self) -> Result<Fill, Error> {
        self.result.unwrap_or(Ok(Fill::Unavailable))
    }
}

#[cfg(test)]
mod tests;
