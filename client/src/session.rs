//! A session: sends commands, one or many, each to its node.

use std::sync::Arc;

use redis::{FromRedisValue, ToSingleRedisArg, Value};

use crate::batch::Batch;
use crate::client::Shared;
use crate::command::Command;
use crate::error::Error;
use crate::links::Links;

/// Sends commands to the nodes of the cluster. Made by [`crate::Client::session`].
///
/// Has one connection for each node it talked to, and no thread. It is for one thread at a time, and may be handed
/// from one to another.
pub struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) links: Links,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Session {
        Session {
            shared,
            links: Links::default(),
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
    /// One pipeline goes to each node, and all are sent before the first reply is read, so that a batch takes about
    /// as long as its slowest node. An error is the error of one command; the others are not touched by
    /// it. Commands that are redirected or turned away go again, together, while the others have their replies
    /// already.
    ///
    /// Commands of one slot are executed in the order of the batch, except for one that was turned away by
    /// itself (a command of several keys while its slot is being moved, a read on a connection that broke): it
    /// comes later than those after it.
    ///
    /// The sending is done in turn by the calling thread; nodes that are not connected yet come last. What
    /// makes it wait is a node that does not take what it is sent, for as long as the response timeout. A pipeline has
    /// at most 10,000 commands or 16 MiB; what is more is sent when the replies to that have been read.
    pub fn batch(&mut self, commands: &[Command]) -> Vec<Result<Value, Error>> {
        Batch::new(self, commands).run()
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
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").finish_non_exhaustive()
    }
}
