//! A session: sends commands, one or many, each to its node.

use std::collections::HashSet;
use std::sync::Arc;

use redis::{FromRedisValue, ToSingleRedisArg, Value};

use crate::decide::asking::fill::Fill;
use crate::decide::asking::inquiry::{Inquiry, Limits};
use crate::decide::batch::fences::Fences;
use crate::decide::command::Command;
use crate::decide::error::Error;
use crate::drive::connections::Connections;
use crate::drive::shared::Shared;
use crate::drive::{batch, hints};

/// Sends commands to the nodes of the cluster. Made by [`crate::Client::session`].
///
/// Has one connection for each node it talked to, of those that are still in the cluster. It is for one thread at a
/// time, and may be handed from one to another. Several connections are made at a time, on threads that end with
/// that; otherwise it has none.
pub struct Session {
    connections: Connections,
    fences: Fences,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Session {
        Session {
            connections: Connections::new(shared),
            fences: Fences::default(),
        }
    }

    /// Sends one command and returns its reply as it came.
    ///
    /// # Errors
    /// See [`Error`]. Redirections are followed, and what was turned away before it was executed is tried again.
    pub fn run(&mut self, command: &Command) -> Result<Value, Error> {
        let mut results = self.batch(std::slice::from_ref(command));
        results.pop().unwrap_or(Err(Error::Refused("no command")))
    }

    /// Sends one command and returns its reply as a `T`.
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::Conversion`] where the reply is no `T`.
    pub fn query<T: FromRedisValue>(&mut self, command: &Command) -> Result<T, Error> {
        Ok(redis::from_redis_value(self.run(command)?)?)
    }

    /// Sends many commands, of any slots, and returns their results in the same order.
    ///
    /// One pipeline goes to each node, and all are sent to before the first reply is read, so that a batch takes about
    /// as long as its slowest node. An error is the error of one command; the others are not touched by
    /// it. Commands that are redirected or turned away go again, together, while the others have their replies
    /// already.
    ///
    /// # Order
    /// Commands of one slot are sent in the order of the batch, and one that was not sent yet waits while an earlier
    /// one of its slot has no result, whatever that has met: a redirection, `TRYAGAIN`, `CLUSTERDOWN`, a node that
    /// cannot be reached. After one was turned away, they go one at a time until one is executed, so that a failover
    /// does not disturb their order. So the servers execute them in this order, but for those of one window (below)
    /// that they treat differently:
    ///
    /// - A command that is turned away or redirected by itself comes after the later ones that were under way with it
    ///   and were executed. So it is with commands of several keys while their slot is being moved, with those of
    ///   keys that have been moved already (`ASK`), and when a node begins or ends to serve the slot in the middle
    ///   of the window.
    /// - A read whose connection broke is repeated, and may then see later writes that were under way with it.
    ///
    /// Commands without a key count as one slot. Nothing is promised between slots. Where a key is given by
    /// [`Command::arg`], so that this crate does not know it, such commands are redirected one after another: name keys by
    /// [`Command::key`].
    ///
    /// # What is under way
    /// A node is sent at most 1,000 commands or 256 KiB at a time, over TLS 16 KiB, and one command always. What is more
    /// is sent when the replies to these have been read, which is a round trip for each window.
    ///
    /// Sending is done in turn by the calling thread; nodes that are not connected yet come last, and are connected to
    /// at the same time. What makes it wait is a node that does not take what it is sent, for as long as the response
    /// timeout.
    pub fn batch(&mut self, commands: &[Command]) -> Vec<Result<Value, Error>> {
        batch::run(&mut self.connections, &mut self.fences, commands)
    }

    /// The values of these keys, `None` where there is none, in the order of the keys: one `GET` each.
    pub fn get_many<K: ToSingleRedisArg>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Vec<u8>>, Error>> {
        let commands: Vec<Command> = keys.into_iter().map(Command::get).collect();
        let convert = |reply| Ok(redis::from_redis_value(reply?)?);
        self.batch(&commands).into_iter().map(convert).collect()
    }

    /// Sets these keys, one `SET` each; the results are in the order of the keys.
    pub fn set_many<K: ToSingleRedisArg, V: ToSingleRedisArg>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Vec<Result<(), Error>> {
        let set = |(key, value)| Command::set(key, value);
        let commands: Vec<Command> = pairs.into_iter().map(set).collect();
        let convert = |reply: Result<Value, Error>| reply.map(|_| ());
        self.batch(&commands).into_iter().map(convert).collect()
    }

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
        // The caller's iterator must not run while the knowledge is locked.
        let keys: Vec<K> = keys.into_iter().collect();
        let shared = &self.connections.shared;
        let limits = Limits::for_the_caller(&shared.settings);
        let inquiry = Inquiry::for_keys(keys, limits, &mut shared.know());
        match inquiry {
            Some(inquiry) => hints::ask(&mut self.connections, inquiry),
            None => Ok(Fill::Known),
        }
    }

    /// Fills the cache with every slot, by one `SLOTHINT.MAP`. Where nothing has changed since the
    /// last time, the server answers nil and nothing is sent twice. A map in which no slot has an
    /// owner, as a node gives that has left the cluster, is no answer: the next node is asked.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub fn prefill_all(&mut self) -> Result<Fill, Error> {
        let shared = &self.connections.shared;
        let limits = Limits::for_the_caller(&shared.settings);
        let inquiry = Inquiry::for_map(&HashSet::new(), limits, &mut shared.know());
        hints::ask(&mut self.connections, inquiry)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").finish_non_exhaustive()
    }
}
