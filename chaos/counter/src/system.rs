//! Which server to send an increment to: a fixed one, the one that Sentinel names, or a node of a
//! cluster.
//!
//! The redis crate has clients for Sentinel and clusters. They are not used, because the cluster
//! client sends a command again by itself when a connection breaks. The test must know of each time
//! that a command is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use redis::{cmd, Connection, RedisError, Value};

use crate::address::Address;
use crate::door::Door;
use crate::options::Options;

/// The user's servers. All clients share it.
pub struct System {
    kind: Kind,
    door: Door,
    sentinels: Door,
    /// What the user wrote. It is never forgotten: it may be a name that always leads to a server
    /// that is up.
    given: Vec<Address>,
    /// The other Sentinels, or the other nodes, as one of them named them last.
    learnt: Mutex<Vec<Address>>,
    /// Whom to ask next. A server that answers may still be cut off from the others.
    turn: AtomicUsize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Sentinel(String),
    Cluster,
}

impl System {
    pub fn new(options: &Options, door: Door, sentinels: Door) -> System {
        let kind = match (&options.sentinel, options.cluster) {
            (Some(name), _) => Kind::Sentinel(name.clone()),
            (None, true) => Kind::Cluster,
            (None, false) => Kind::Plain,
        };
        System {
            kind,
            door,
            sentinels,
            given: options.addresses.clone(),
            learnt: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The addresses that the user named.
    pub fn given(&self) -> &[Address] {
        &self.given
    }

    pub fn tls(&self) -> bool {
        self.door.tls()
    }

    pub fn open(&self, address: &Address) -> Result<Connection, String> {
        self.door.open(address)
    }

    /// An error of a command on a connection to a server.
    pub fn words(&self, error: &RedisError) -> String {
        self.door.words(error)
    }

    /// A server to try. In a cluster it may be any node: MOVED then leads to the owner.
    pub fn locate(&self) -> Result<Address, String> {
        let mut places = self.given.clone();
        for place in self.learnt().iter() {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        if self.kind == Kind::Plain {
            let place = places.get(first % places.len().max(1));
            return place.cloned().ok_or_else(|| "no server is named".into());
        }
        let mut last = String::from("no server is named");
        for offset in 0..places.len() {
            let Some(place) = places.get(first.wrapping_add(offset) % places.len()) else {
                continue;
            };
            match self.ask(place) {
                Ok(found) => return Ok(found),
                Err(error) => last = format!("{place}: {error}"),
            }
        }
        Err(last)
    }

    /// Asks a Sentinel for the primary, or a node for the other nodes.
    fn ask(&self, place: &Address) -> Result<Address, String> {
        match &self.kind {
            Kind::Plain => Ok(place.clone()),
            Kind::Sentinel(name) => {
                let mut connection = self.sentinels.open(place)?;
                let words = |error| self.sentinels.words(&error);
                let found = primary_by_sentinel(&mut connection, name, words)?;
                self.learn(other_sentinels(&mut connection, name).map_err(words)?);
                Ok(found)
            }
            Kind::Cluster => {
                let mut connection = self.door.open(place)?;
                let nodes = nodes_of_cluster(&mut connection, place);
                self.learn(nodes.map_err(|error| self.words(&error))?);
                Ok(place.clone())
            }
        }
    }

    fn learn(&self, places: Vec<Address>) {
        *self.learnt() = places;
    }

    fn learnt(&self) -> std::sync::MutexGuard<'_, Vec<Address>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn primary_by_sentinel(
    connection: &mut Connection,
    name: &str,
    words: impl Fn(RedisError) -> String,
) -> Result<Address, String> {
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let found: Option<(String, u16)> =
        question
            .query(connection)
            .map_err(|error| match words(error) {
                unknown if unknown.contains("unknown command") => "this is not a Sentinel".into(),
                other => other,
            })?;
    match found {
        Some((host, port)) => Ok(Address::new(host, port)),
        None => {
            let all = cmd("SENTINEL").arg("MASTERS").query(connection);
            let all: Vec<HashMap<String, String>> = all.map_err(words)?;
            let names: Vec<&str> = all
                .iter()
                .filter_map(|primary| primary.get("name").map(String::as_str))
                .collect();
            let names = names.join(", ");
            Err(format!(
                "this Sentinel knows no primary named {name}, but: {names}"
            ))
        }
    }
}

fn other_sentinels(connection: &mut Connection, name: &str) -> Result<Vec<Address>, RedisError> {
    let mut question = cmd("SENTINEL");
    question.arg("SENTINELS").arg(name);
    let others: Vec<HashMap<String, String>> = question.query(connection)?;
    let place = |other: HashMap<String, String>| {
        Some(Address::new(
            other.get("ip")?,
            other.get("port")?.parse().ok()?,
        ))
    };
    Ok(others.into_iter().filter_map(place).collect())
}

fn nodes_of_cluster(
    connection: &mut Connection,
    asked: &Address,
) -> Result<Vec<Address>, RedisError> {
    let ranges: Vec<Vec<Value>> = cmd("CLUSTER").arg("SLOTS").query(connection)?;
    let mut nodes = Vec::new();
    // A range is: first slot, last slot, then its nodes as host, port and more.
    for node in ranges
        .into_iter()
        .flat_map(|range| range.into_iter().skip(2))
    {
        let Value::Array(parts) = node else { continue };
        let mut parts = parts.into_iter();
        let (Some(host), Some(port)) = (parts.next(), parts.next()) else {
            continue;
        };
        let host: Option<String> = redis::from_redis_value(host)?;
        let host = host.filter(|host| !host.is_empty() && host != "?");
        let host = host.unwrap_or_else(|| asked.host.clone());
        let place = Address::new(host, redis::from_redis_value(port)?);
        if !nodes.contains(&place) {
            nodes.push(place);
        }
    }
    Ok(nodes)
}
