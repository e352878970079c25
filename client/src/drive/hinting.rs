//! Asking for hints: which node to ask, what to make of the answer, and whom not to ask again.

use std::collections::HashSet;
use std::time::Duration;

use durable_core::slot;
use redis::{Cmd, RedisError, RedisResult, Value};

use crate::decide::deadline::Deadline;
use crate::decide::error::Error;
use crate::decide::hint::{Hint, Unreadable};
use crate::decide::knowledge::refusals::Request;
use crate::decide::node::Node;
use crate::drive::client::Shared;
use crate::drive::connection::Connection;
use crate::drive::session::Session;

/// So many nodes are asked before the commands of a batch are sent: redirections will tell as well.
const ASKED_FOR_A_BATCH: usize = 2;
/// No hint is longer: as many nodes and ranges as are read ([`crate::decide::hint`]), with long names, take
/// less.
const LONGEST: usize = 16 * 1024 * 1024;

/// What a pre-fill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A server was asked; so many slots have another node than before, or one at last.
    Filled(usize),
    /// There was nothing to ask for.
    Known,
    /// No node that is known has the command, or none for this user: `MOVED` will have to do.
    Unavailable,
}

/// How much asking is worth.
struct Limits {
    nodes: usize,
    /// For everything together.
    deadline: Deadline,
    /// For each node, to take the request and give the whole answer.
    answer: Option<Duration>,
}

impl Session {
    /// Fills the cache for these keys with one `SLOTHINT`, which names one key for each slot that
    /// is not in the cache. Any node can be asked, so this is one round trip whatever the keys; a
    /// node that gives no hint is followed by the next, until one does.
    ///
    /// [`Session::batch`] does so by itself unless told otherwise, but asks two nodes at most.
    ///
    /// # Errors
    /// When no node can be asked, when one answers what is not a hint, or none names an owner. The
    /// cache is as it was.
    pub fn prefill<K: AsRef<[u8]>>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Fill, Error> {
        let limits = self.limits_for_a_caller();
        self.fill_for(keys, limits)
    }

    /// Fills the cache with every slot, by one `SLOTHINT.MAP`. Where nothing has changed since the
    /// last time, the server answers nil and nothing is sent twice. A map in which no slot has an
    /// owner, as a node gives that has left the cluster, is no answer: the next node is asked.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub fn prefill_all(&mut self) -> Result<Fill, Error> {
        let limits = self.limits_for_a_caller();
        self.fill(Request::Map, limits, &HashSet::new(), map_request)
    }

    /// The hint before a batch.
    pub(crate) fn hint<K: AsRef<[u8]>>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Fill, Error> {
        let limits = self.limits_in_a_batch();
        self.fill_for(keys, limits)
    }

    /// The map for a command whose slot is not known, at most once at a time for all sessions.
    pub(crate) fn fetch_map(&mut self) {
        let shared = self.shared.clone();
        if !shared.know().may_ask(Request::Map) {
            return;
        }
        let limits = self.limits_in_a_batch();
        let Some(_turn) = shared.fetches.begin(limits.deadline) else {
            return;
        };
        // Without a map, redirections will tell.
        let _ = self.fill(Request::Map, limits, &HashSet::new(), map_request);
    }

    /// After a failure: whoever is up may know better by now, and sooner than those that failed.
    pub(crate) fn relearn(&mut self, failed: &HashSet<Node>) {
        let limits = self.limits_in_a_batch();
        let _ = self.fill(Request::Map, limits, failed, map_request);
    }

    fn limits_in_a_batch(&self) -> Limits {
        let config = &self.shared.config;
        Limits {
            nodes: ASKED_FOR_A_BATCH,
            deadline: Deadline::after(Some(config.retry_for)),
            answer: Some(config.connect_timeout),
        }
    }

    /// Who asks for a hint by itself waits for it as for any other reply.
    fn limits_for_a_caller(&self) -> Limits {
        Limits {
            nodes: usize::MAX,
            deadline: Deadline::after(None),
            answer: self.shared.config.response_timeout,
        }
    }

    fn fill_for<K: AsRef<[u8]>>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
        limits: Limits,
    ) -> Result<Fill, Error> {
        let mut request = redis::cmd("SLOTHINT");
        let mut asked_for = HashSet::new();
        {
            let knowledge = self.shared.know();
            for key in keys {
                let key = key.as_ref();
                let slot = slot::of_key(key);
                if knowledge.cache.primary_of(slot).is_none() && asked_for.insert(slot) {
                    request.arg(key);
                }
            }
        }
        if asked_for.is_empty() {
            return Ok(Fill::Known);
        }
        self.fill(Request::Keys, limits, &HashSet::new(), |_| request.clone())
    }

    fn fill(
        &mut self,
        request: Request,
        limits: Limits,
        ask_last: &HashSet<Node>,
        command: impl Fn(Option<i64>) -> Cmd,
    ) -> Result<Fill, Error> {
        let shared = self.shared.clone();
        let candidates = shared.know().candidates(request, ask_last);
        let mut last = None;
        for node in candidates.into_iter().take(limits.nodes) {
            if limits.deadline.is_over() {
                break;
            }
            if !self.links.is_ready(&node, &shared) {
                let (limit, deadline) = (shared.config.connect_timeout, limits.deadline);
                let wanted = [node.clone()];
                let mut failed = self.links.make_ready(wanted, &shared, limit, deadline);
                if let Some(cause) = failed.remove(&node) {
                    shared.know().mark_down(&node);
                    last = Some(Error::Connect { node, cause });
                    continue;
                }
            }
            let deadline = match limits.answer {
                Some(limit) => limits.deadline.at_most(limit),
                None => limits.deadline,
            };
            let connection = self.links.to(&node).map_err(Refusal::Broken);
            let answer =
                connection.and_then(|link| ask(link, &node, &shared, request, &command, deadline));
            match answer {
                Ok(fill) => return Ok(fill),
                Err(Refusal::NoHints | Refusal::NotAllowed) => {}
                Err(Refusal::Unreadable(what)) => last = Some(what.into()),
                Err(Refusal::Server(error)) => last = Some(Error::Server(error)),
                Err(Refusal::Broken(cause)) => {
                    shared.stats.connection_failures.one();
                    self.links.close(&node);
                    if cause.is_timeout() {
                        shared.know().mark_down(&node);
                    }
                    last = Some(Error::Connect { node, cause });
                }
            }
        }
        last.map_or(Ok(Fill::Unavailable), Err)
    }
}

/// Why a node gave no hint.
pub(crate) enum Refusal {
    /// It has none to give. It is not asked again.
    NoHints,
    /// It has none for this user. It is not asked for this again.
    NotAllowed,
    Server(redis::ServerError),
    /// It makes no sense, or names no owner.
    Unreadable(Unreadable),
    /// The connection broke.
    Broken(RedisError),
}

/// Asks one node over one connection, and tells the cache. The command is given the token of the
/// map that the cache is, if it is one.
pub(crate) fn ask(
    connection: &mut Connection,
    node: &Node,
    shared: &Shared,
    request: Request,
    command: impl Fn(Option<i64>) -> Cmd,
    deadline: Deadline,
) -> Result<Fill, Refusal> {
    let (asked, token) = {
        let mut knowledge = shared.know();
        (knowledge.cache.ask(), knowledge.cache.token_at(node))
    };
    match request {
        Request::Keys => shared.stats.hint_requests.one(),
        Request::Map | Request::Watch => shared.stats.map_requests.one(),
    }
    let reply = exchange(connection, &command(token), deadline).map_err(Refusal::Broken)?;
    shared.stats.round_trips.one();
    if let Value::ServerError(error) = reply {
        return Err(refusal(error, node, request, shared));
    }
    let resolve = |host: Option<&str>, port: u16| shared.config.resolve(node, host, port);
    let hint = match request {
        Request::Keys => Hint::of_keys(&reply, &resolve).map(Some),
        Request::Map | Request::Watch => Hint::of_map(&reply, &resolve),
    };
    let hint = hint.map_err(Refusal::Unreadable)?;
    let mut knowledge = shared.know();
    knowledge.mark_up(node);
    let Some(hint) = hint else {
        return Ok(Fill::Filled(0));
    };
    if hint.names_nobody() {
        // That some keys have no owner may be so. That no slot has one, only a node says that is in
        // no cluster.
        if hint.is_whole {
            knowledge.set_aside(node);
        }
        return Err(Refusal::Unreadable(Unreadable("it names no owner")));
    }
    knowledge.take_back(node);
    let changed = knowledge.cache.learn(&hint, node, asked);
    shared.stats.hinted_slots.add(changed);
    Ok(Fill::Filled(changed))
}

/// Sends one request for hints and reads its reply, by `deadline`; an error reply is one.
pub(crate) fn exchange(
    connection: &mut Connection,
    command: &Cmd,
    deadline: Deadline,
) -> RedisResult<Value> {
    if let Some(error) = connection.look().error() {
        return Err(error);
    }
    connection.send(&command.get_packed_command(), deadline)?;
    connection.receive_at_most(LONGEST, deadline)
}

/// Whether asking this node again would be any use; if not, that is remembered.
pub(crate) fn refusal(
    error: redis::ServerError,
    node: &Node,
    request: Request,
    shared: &Shared,
) -> Refusal {
    let details = error.details().unwrap_or_default();
    let unknown = details.starts_with("unknown command")
        || details.starts_with("This instance has cluster support disabled");
    if error.code() == "NOPERM" {
        shared.know().refused(node, request);
        Refusal::NotAllowed
    } else if error.code() == "ERR" && unknown {
        shared.know().has_no_hints(node);
        Refusal::NoHints
    } else {
        Refusal::Server(error)
    }
}

pub(crate) fn map_request(token: Option<i64>) -> Cmd {
    let mut request = redis::cmd("SLOTHINT.MAP");
    request.arg(token);
    request
}
