//! Sends one command to the server that it belongs to, once. Follows redirections, and goes on to
//! the next address that the user named after a replica or a server that is down, because such a
//! command was not executed.

use std::collections::HashMap;

use redis::{cmd, Cmd, Connection, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};

use crate::address::Address;
use crate::failure::{after_sending, Failure};
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
    /// Where to begin.
    start: Option<Address>,
    /// The server that the last answer or error is of.
    asked: Option<Address>,
}

impl<'s> Caller<'s> {
    pub fn new(system: &'s System) -> Caller<'s> {
        Caller {
            system,
            connections: HashMap::new(),
            owners: HashMap::new(),
            start: None,
            asked: None,
        }
    }

    /// Begins at a server that the system has named already. Asking again may name another.
    pub fn at(system: &'s System, start: Address) -> Caller<'s> {
        Caller {
            start: Some(start),
            ..Caller::new(system)
        }
    }

    /// The server that the last answer or error is of.
    pub fn asked(&self) -> Option<&Address> {
        self.asked.as_ref()
    }

    /// Asks again where the counter is.
    pub fn forget(&mut self, counter: usize) {
        self.owners.remove(&counter);
    }

    pub fn call<T: FromRedisValue>(&mut self, counter: usize, command: &Cmd) -> Result<T, Failure> {
        let mut place = match (self.owners.get(&counter), self.start.take()) {
            (Some(owner), _) => owner.clone(),
            (None, Some(start)) => start,
            (None, None) => self.system.locate().map_err(Failure::Refused)?,
        };
        let mut asking = false;
        let mut tried = Vec::new();
        let mut noted: Option<(Address, Failure)> = None;
        loop {
            self.owners.insert(counter, place.clone());
            let unanswered = match self.send(&place, asking, command) {
                Ok(answer) => {
                    self.asked = Some(place);
                    return Ok(answer);
                }
                Err(unanswered) => unanswered,
            };
            tried.push(place.clone());
            let next = self.next(&unanswered, &place, &tried);
            // What a server says is of more use than that another is down.
            let told = match noted.take() {
                Some(earlier) if unanswered.error.is_none() => earlier,
                _ => (place, unanswered.failure),
            };
            let Some((target, ask)) = next else {
                self.owners.remove(&counter);
                self.asked = Some(told.0);
                return Err(told.1);
            };
            (place, asking) = (target, ask);
            noted = Some(told);
        }
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
                failure: Failure::Refused(format!("cannot connect to {place}: {error}")),
                error: None,
            })?,
        };
        if asking {
            let asked: Result<(), RedisError> = cmd("ASKING").query(&mut connection);
            asked.map_err(|error| Unanswered {
                failure: Failure::Refused(format!("{place}: {}", self.system.words(&error))),
                error: Some(error),
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
            failure: after_sending(&error, self.system.words(&error)),
            error: Some(error),
        })
    }

    /// Where to send a command that was not executed, and whether it needs ASKING there.
    fn next(
        &self,
        unanswered: &Unanswered,
        asked: &Address,
        tried: &[Address],
    ) -> Option<(Address, bool)> {
        match self.system.kind() {
            Kind::Plain => {
                let error = unanswered.error.as_ref();
                let elsewhere = error.is_none_or(|error| error.code() == Some("READONLY"));
                let mut given = self.system.given().iter();
                let next = given.find(|place| !tried.contains(place));
                next.filter(|_| elsewhere)
                    .map(|place| (place.clone(), false))
            }
            Kind::Sentinel(_) => None,
            Kind::Cluster => {
                let error = unanswered.error.as_ref()?;
                let (target, _) = error.redirect_node()?;
                let ask = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
                let target = Address::redirected(target, asked)?;
                (tried.len() < REDIRECTIONS).then_some((target, ask))
            }
        }
    }
}

struct Unanswered {
    failure: Failure,
    /// None if there was no connection.
    error: Option<RedisError>,
}

fn redirects(error: &RedisError) -> bool {
    error.redirect_node().is_some()
}
