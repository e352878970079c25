//! Sends one command to the server that it belongs to, once. Follows redirections, because a
//! redirected command was not executed.

use std::collections::HashMap;

use redis::{cmd, Cmd, Connection, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};

use crate::address::Address;
use crate::failure::{after_sending, words, Failure};
use crate::system::{Kind, System};

/// More redirections in a row mean that nodes disagree. The next try may find them agreed.
const REDIRECTIONS: usize = 5;

/// The connections of one client. After a failure it forgets the connection, and asks again where
/// the primary is.
pub struct Caller<'s> {
    system: &'s System,
    connections: HashMap<Address, Connection>,
    /// Where each counter was last.
    owners: HashMap<usize, Address>,
}

impl<'s> Caller<'s> {
    pub fn new(system: &'s System) -> Caller<'s> {
        Caller {
            system,
            connections: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    /// The server that was last asked about a counter.
    pub fn owner(&self, counter: usize) -> Option<&Address> {
        self.owners.get(&counter)
    }

    /// Asks again where the counter is.
    pub fn forget(&mut self, counter: usize) {
        self.owners.remove(&counter);
    }

    pub fn call<T: FromRedisValue>(&mut self, counter: usize, command: &Cmd) -> Result<T, Failure> {
        let mut place = match self.owners.get(&counter) {
            Some(owner) => owner.clone(),
            None => self.system.locate().map_err(Failure::Refused)?,
        };
        let mut asking = false;
        for _ in 0..REDIRECTIONS {
            self.owners.insert(counter, place.clone());
            let error = match self.send(&place, asking, command) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match self.redirection(&error, &place) {
                Some((target, ask)) => (place, asking) = (target, ask),
                None => {
                    self.owners.remove(&counter);
                    return Err(error.failure);
                }
            }
        }
        self.owners.remove(&counter);
        Err(Failure::Refused(format!("{place} redirects in a circle")))
    }

    fn send<T: FromRedisValue>(
        &mut self,
        place: &Address,
        asking: bool,
        command: &Cmd,
    ) -> Result<T, Unanswered> {
        let mut connection = match self.connections.remove(place) {
            Some(connection) => connection,
            None => self.system.open(place).map_err(|error| Unanswered {
                failure: Failure::Refused(format!("cannot connect to {place}: {}", words(&error))),
                error,
            })?,
        };
        if asking {
            let asked: Result<(), RedisError> = cmd("ASKING").query(&mut connection);
            asked.map_err(|error| Unanswered {
                failure: Failure::Refused(format!("{place}: {}", words(&error))),
                error,
            })?;
        }
        let answer = command.query(&mut connection);
        // After any other failure the connection may still get the answer to this command.
        let usable = match &answer {
            Ok(_) => true,
            Err(error) => redirects(error),
        };
        if usable {
            self.connections.insert(place.clone(), connection);
        }
        answer.map_err(|error| Unanswered {
            failure: after_sending(&error),
            error,
        })
    }

    /// Where the cluster says that the key is, and whether it needs ASKING there.
    fn redirection(&self, unanswered: &Unanswered, asked: &Address) -> Option<(Address, bool)> {
        if *self.system.kind() != Kind::Cluster {
            return None;
        }
        let (target, _) = unanswered.error.redirect_node()?;
        let ask = unanswered.error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
        Some((Address::redirected(target, asked)?, ask))
    }
}

struct Unanswered {
    failure: Failure,
    error: RedisError,
}

fn redirects(error: &RedisError) -> bool {
    error.redirect_node().is_some()
}
