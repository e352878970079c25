//! Asking for hints: which node to ask, what to make of the answer, and when to stop asking.

use std::collections::HashSet;

use durable_core::slot;
use redis::{Cmd, Connection, RedisError, RedisResult, Value};

use crate::client::Shared;
use crate::error::Error;
use crate::hint::{Hint, Unreadable};
use crate::links::receive;
use crate::node::Node;
use crate::session::Session;

/// What a pre-fill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A server was asked; so many slots have another node than before, or one at last.
    Filled(usize),
    /// There was nothing to ask for.
    Known,
    /// The servers have no `SLOTHINT`, or not for this user: `MOVED` will have to do.
    Unavailable,
}

impl Session {
    /// Fills the cache for these keys with one `SLOTHINT`, which names one key for each slot that is not in
    /// the cache. Any node can be asked, so this is one round trip whatever the keys.
    ///
    /// [`Session::batch`] does so by itself unless told otherwise.
    ///
    /// # Errors
    /// When no node can be asked, or one answers what is not a hint. The cache is as it was.
    pub fn prefill<K: AsRef<[u8]>>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
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
        self.fill(
            usize::MAX,
            |_| request.clone(),
            |stats| stats.hint_requests.one(),
        )
    }

    /// Fills the cache with every slot, by one `SLOTHINT.MAP`. Where nothing has changed since the last time, the
    /// server answers nil and nothing is sent twice.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub fn prefill_all(&mut self) -> Result<Fill, Error> {
        self.fill(usize::MAX, map_request, |stats| stats.map_requests.one())
    }

    /// After a failure: whoever is up may know better by now. If not, redirections will tell, so not
    /// everybody is asked.
    pub(crate) fn relearn(&mut self) {
        let _ = self.fill(2, map_request, |stats| stats.map_requests.one());
    }

    fn fill(
        &mut self,
        ask_at_most: usize,
        request: impl Fn(Option<i64>) -> Cmd,
        count: impl Fn(&crate::stats::Counters),
    ) -> Result<Fill, Error> {
        if !self.shared.uses_hints() {
            return Ok(Fill::Unavailable);
        }
        let candidates = self.shared.know().candidates();
        let mut last = None;
        for node in candidates.into_iter().take(ask_at_most) {
            let shared = self.shared.clone();
            let connection = match self.links.to(&node, &shared) {
                Ok(connection) => connection,
                Err(cause) => {
                    shared.know().mark_down(&node);
                    last = Some(Error::Connect { node, cause });
                    continue;
                }
            };
            count(&shared.stats);
            match ask(connection, &node, &shared, &request) {
                Ok(fill) => return Ok(fill),
                Err(Refusal::Never) => {
                    shared.remember_no_hints();
                    return Ok(Fill::Unavailable);
                }
                Err(Refusal::Unreadable(what)) => last = Some(what.into()),
                Err(Refusal::Server(error)) => last = Some(error),
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
        Err(last.unwrap_or(Error::Refused("there is no node to ask")))
    }
}

/// Why a node gave no hint.
pub(crate) enum Refusal {
    /// It has none to give, and neither have the others.
    Never,
    Server(Error),
    Unreadable(Unreadable),
    /// The connection broke.
    Broken(RedisError),
}

/// Asks one node over one connection, and tells the cache. The request is given the token of the map that
/// the cache is, if it is one.
pub(crate) fn ask(
    connection: &mut Connection,
    node: &Node,
    shared: &Shared,
    request: impl Fn(Option<i64>) -> Cmd,
) -> Result<Fill, Refusal> {
    let (asked, token) = {
        let mut knowledge = shared.know();
        (knowledge.cache.ask(), knowledge.cache.token_at(node))
    };
    let request = request(token);
    let is_map = request.args_iter().next() == Some(redis::Arg::Simple(b"SLOTHINT.MAP"));
    let reply = exchange(connection, &request).map_err(Refusal::Broken)?;
    shared.stats.round_trips.one();
    if let Value::ServerError(error) = reply {
        return Err(refusal(error));
    }
    let resolve = |host: Option<&str>, port: u16| shared.config.resolve(node, host, port);
    let hint = if is_map {
        Hint::of_map(&reply, &resolve)
    } else {
        Hint::of_keys(&reply, &resolve).map(Some)
    };
    let hint = hint.map_err(Refusal::Unreadable)?;
    let mut knowledge = shared.know();
    knowledge.mark_up(node);
    let changed = match hint {
        Some(hint) => knowledge.cache.learn(&hint, node, asked),
        None => 0,
    };
    shared.stats.hinted_slots.add(changed);
    Ok(Fill::Filled(changed))
}

/// Sends one command and reads its reply; an error reply is one.
pub(crate) fn exchange(connection: &mut Connection, command: &Cmd) -> RedisResult<Value> {
    connection.send_packed_command(&command.get_packed_command())?;
    receive(connection)
}

/// Whether asking again, or somebody else, would be any use.
pub(crate) fn refusal(error: redis::ServerError) -> Refusal {
    let details = error.details().unwrap_or_default();
    let unknown = details.starts_with("unknown command")
        || details.starts_with("This instance has cluster support disabled");
    if error.code() == "NOPERM" || (error.code() == "ERR" && unknown) {
        Refusal::Never
    } else {
        Refusal::Server(Error::Server(error))
    }
}

pub(crate) fn map_request(token: Option<i64>) -> Cmd {
    let mut request = redis::cmd("SLOTHINT.MAP");
    request.arg(token);
    request
}
