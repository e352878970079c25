//! One request for a hint to one node, and what its answer means. Pure.

use redis::{Cmd, RedisError, RedisResult, ServerError, Value};

use crate::decide::asking::fill::Fill;
use crate::decide::cache::Asked;
use crate::decide::hint::{Hint, Unreadable};
use crate::decide::knowledge::{HintRequest, Knowledge};
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;

/// In bytes. Larger than any hint: the most nodes and ranges that are accepted ([`crate::hint`]),
/// with long names, need less.
pub(crate) const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A request that is sent to `node` now.
#[derive(Debug)]
pub(crate) struct Question {
    node: Node,
    request: HintRequest,
    command: Cmd,
    asked: Asked,
}

/// The answer to a [`Question`], read but not in the cache yet.
#[derive(Debug)]
pub(crate) struct HintAnswer {
    node: Node,
    request: HintRequest,
    asked: Asked,
    /// `None`: the map is the one that the cache has.
    hint: Result<Option<Hint>, NoHint>,
}

/// Why a node gave no hint.
#[derive(Debug)]
pub(crate) enum NoHint {
    /// It has no such command, or does not run in cluster mode. It gets no request for hints until
    /// it has been down or [`crate::Client::use_hints_again`] is called.
    NoHints,
    /// This user may not use the command. The node does not get this request for as long.
    NotAllowed,
    /// It answered with another error.
    Server(ServerError),
    /// The answer makes no sense, or names no owner.
    Unreadable(Unreadable),
    /// The connection broke, or the whole answer did not come in time.
    Broken(RedisError),
}

impl Question {
    /// `command` is `SLOTHINT key …`.
    pub(crate) fn for_keys(
        node: Node,
        command: Cmd,
        knowledge: &mut Knowledge,
        stats: &Counters,
    ) -> Question {
        stats.hint_requests.one();
        Question {
            node,
            request: HintRequest::Keys,
            command,
            asked: knowledge.cache.ask(),
        }
    }

    /// `SLOTHINT.MAP`. The node answers nil if the cache has its map already.
    pub(crate) fn for_map(node: Node, knowledge: &mut Knowledge, stats: &Counters) -> Question {
        let token = knowledge.cache.token_at(&node);
        Question::map(node, token, knowledge, stats)
    }

    /// `SLOTHINT.MAP`. The node answers with the map in any case.
    pub(crate) fn for_whole_map(
        node: Node,
        knowledge: &mut Knowledge,
        stats: &Counters,
    ) -> Question {
        Question::map(node, None, knowledge, stats)
    }

    fn map(
        node: Node,
        token: Option<i64>,
        knowledge: &mut Knowledge,
        stats: &Counters,
    ) -> Question {
        stats.map_requests.one();
        let mut command = redis::cmd("SLOTHINT.MAP");
        command.arg(token);
        Question {
            node,
            request: HintRequest::Map,
            command,
            asked: knowledge.cache.ask(),
        }
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    /// Reads the reply. This runs the caller's address map, so the knowledge must not be locked.
    pub(crate) fn read(
        self,
        reply: RedisResult<Value>,
        settings: &Settings,
        stats: &Counters,
    ) -> HintAnswer {
        let hint = reply.map_err(NoHint::Broken).and_then(|reply| {
            stats.round_trips.one();
            let reply = match reply {
                Value::ServerError(error) => return Err(NoHint::of(error)),
                reply => reply,
            };
            let resolve = |host: Option<&str>, port: u16| settings.resolve(&self.node, host, port);
            let hint = match self.request {
                HintRequest::Keys => Hint::of_keys(&reply, &resolve).map(Some),
                HintRequest::Map | HintRequest::Watch => Hint::of_map(&reply, &resolve),
            };
            hint.map_err(NoHint::Unreadable)
        });
        HintAnswer {
            node: self.node,
            request: self.request,
            asked: self.asked,
            hint,
        }
    }
}

impl HintAnswer {
    /// Puts the answer into the cache, and remembers a refusal.
    pub(crate) fn learn(self, knowledge: &mut Knowledge, stats: &Counters) -> Result<Fill, NoHint> {
        let hint = match self.hint {
            Ok(hint) => hint,
            Err(no_hint) => {
                no_hint.remember(&self.node, self.request, knowledge);
                return Err(no_hint);
            }
        };
        knowledge.mark_up(&self.node);
        let Some(hint) = hint else {
            return Ok(Fill::Filled(0));
        };
        if hint.names_nobody() {
            // The slots of some keys may really have no owner. A node that names no owner for any
            // slot is in no cluster.
            if hint.is_whole {
                knowledge.mark_outside(&self.node);
            }
            return Err(NoHint::Unreadable(Unreadable("it names no owner")));
        }
        knowledge.mark_serving(&self.node);
        let changed = knowledge.cache.learn(&hint, &self.node, self.asked);
        stats.hinted_slots.add(changed);
        Ok(Fill::Filled(changed))
    }
}

impl NoHint {
    /// What an error reply to a request for hints means.
    pub(crate) fn of(error: ServerError) -> NoHint {
        let details = error.details().unwrap_or_default();
        let has_none = details.starts_with("unknown command")
            || details.starts_with("This instance has cluster support disabled");
        match error.code() {
            "NOPERM" => NoHint::NotAllowed,
            "ERR" if has_none => NoHint::NoHints,
            _ => NoHint::Server(error),
        }
    }

    /// Remembers that the node need not be asked again.
    pub(crate) fn remember(&self, node: &Node, request: HintRequest, knowledge: &mut Knowledge) {
        match self {
            NoHint::NotAllowed => knowledge.refused(node, request),
            NoHint::NoHints => knowledge.has_no_hints(node),
            NoHint::Server(_) | NoHint::Unreadable(_) | NoHint::Broken(_) => {}
        }
    }
}
