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
/// Has at most one connection to each node of the cluster. It is for one thread at a time, and may
/// be moved from one thread to another. It starts threads only to make several connections at a
/// time. They end when the connections are made.
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
    /// See [`Error`]. Redirections are followed. A command that was turned away before it was
    /// executed is tried again.
    pub fn run(&mut self, command: &Command) -> Result<Value, Error> {
        let mut results = self.batch(std::slice::from_ref(command));
        results.pop().unwrap_or(Err(Error::Refused("no command")))
    }

    /// Sends one command and returns its reply as a `T`.
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::Conversion`] if the reply is not a `T`.
    pub fn query<T: FromRedisValue>(&mut self, command: &Command) -> Result<T, Error> {
        Ok(redis::from_redis_value(self.run(command)?)?)
    }

    /// Sends many commands, of any slots, and returns their results in the same order.
    ///
    /// One pipeline goes to each node. The first window of each (below) is sent before the first
    /// reply is read, so a batch takes about as long as its slowest node. An error concerns one
    /// command and no other. Commands that are redirected or turned away go again together, when
    /// the others have their replies.
    ///
    /// # Order
    /// Commands of one slot are sent in the order of the batch. If one of them has to go again, no
    /// unsent one overtakes it, whatever the reason: a redirection, `TRYAGAIN`, `CLUSTERDOWN`, a
    /// node that cannot be reached. After one was turned away, they go one at a time until one is
    /// executed, so a failover does not disturb their order.
    ///
    /// So the servers execute them in this order. The exceptions are within one window (below):
    ///
    /// - A command that alone is turned away or redirected is executed after later ones that were
    ///   under way with it. This happens to commands of several keys while their slot is being
    ///   moved, to commands of keys that have been moved already (`ASK`), and if a node begins or
    ///   ends to serve the slot in the middle of the window.
    /// - A read whose connection broke is repeated. It may see later writes that were under way
    ///   with it.
    ///
    /// Commands without a key count as one slot. There is no order between slots. Name keys by
    /// [`Command::key`]: this crate does not know a key that is given by [`Command::arg`], and such
    /// commands are redirected one after another.
    ///
    /// # What is under way
    /// A window is at most 1,000 commands or 256 KiB, over TLS 16 KiB, and at least one command. A
    /// node gets the next window when the replies to this one have been read. So each window is a
    /// round trip.
    ///
    /// The calling thread sends to one node after another. Nodes without a connection come last,
    /// and these connections are made at the same time. A node that does not take what it is sent
    /// holds up the others, for the response timeout at most.
    pub fn batch(&mut self, commands: &[Command]) -> Vec<Result<Value, Error>> {
        batch::run(&mut self.connections, &mut self.fences, commands)
    }

    /// The values of these keys in the order of the keys, by one `GET` each. `None` for a key that
    /// does not exist.
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
    /// is not in the cache. Every node knows all slots, so this is one round trip whatever the
    /// keys. If a node gives no hint, the next one is asked.
    ///
    /// [`Session::batch`] does this by itself, unless [`crate::ClientBuilder::hint_batches`] is
    /// off, and asks two nodes at most.
    ///
    /// # Errors
    /// If no node gives a hint, and a node could not be reached, answered with an error other than
    /// a refusal, or gave an answer that is not a hint or names no owner. The error is the last of
    /// these. The cache is unchanged.
    pub fn prefill<K: AsRef<[u8]>>(
        &mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Fill, Error> {
        // The caller's code must not run while the knowledge is locked.
        let keys: Vec<K> = keys.into_iter().collect();
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        let shared = &self.connections.shared;
        let limits = Limits::for_the_caller(&shared.settings);
        let inquiry = Inquiry::for_keys(keys, limits, &mut shared.know());
        match inquiry {
            Some(inquiry) => hints::ask(&mut self.connections, inquiry),
            None => Ok(Fill::Known),
        }
    }

    /// Fills the cache with every slot, by one `SLOTHINT.MAP`. If the cache is still equal to the
    /// map of the same server, the server answers nil and does not send the map again. A map in
    /// which no slot has an owner does not count: a node that has left the cluster gives such a
    /// map. The next node is asked then.
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
