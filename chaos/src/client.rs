//! A client: it finds the primary, keeps one connection, and sends operations one after another.
//!
//! It behaves as client libraries do. It stays with its connection while that works, also beside a
//! primary that was cut off. After an error that names no other node it asks the system again.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rand::{rngs::StdRng, RngExt};
use redis::{Connection, Value};

use crate::contender::{Answer, Contender};
use crate::node::connect;
use crate::system::{Kind, MASTER};

/// The keys of the lab have this tag. Its slot belongs to P: a test of this file checks it.
pub const TAG: &str = "{b}";
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);
/// Longer than the durable commands wait.
const READ_PATIENCE: Duration = Duration::from_millis(1000);
/// Between two searches for a primary.
const PAUSE: Duration = Duration::from_millis(50);

/// What a client knows of a system.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub kind: Kind,
    /// All nodes of a cluster, the Sentinels, or the shard: who is asked for the primary.
    pub guides: Vec<Ipv4Addr>,
}

pub struct Client {
    addresses: Arc<Addresses>,
    random: StdRng,
    connection: Option<(Ipv4Addr, Connection)>,
}

impl Client {
    pub fn new(addresses: Arc<Addresses>, random: StdRng) -> Client {
        Client {
            addresses,
            random,
            connection: None,
        }
    }

    /// Sends one command, to another node if it was redirected. The answer, and who gave it.
    pub fn send(&mut self, contender: Contender, words: &[String]) -> (Answer, Option<Ipv4Addr>) {
        let Some((mut node, mut connection)) = self.connected() else {
            thread::sleep(PAUSE);
            return (Answer::Refused, None);
        };
        let mut answer = contender.send(&mut connection, words, false);
        if let Answer::Elsewhere {
            node: other,
            asking,
        } = &answer
        {
            let Some(other) = other.parse().ok() else {
                return (Answer::Refused, Some(node));
            };
            let Ok(mut redirected) = connect(other, CONNECT_PATIENCE) else {
                return (Answer::Refused, Some(node));
            };
            let _ = redirected.set_read_timeout(Some(READ_PATIENCE));
            let asking = *asking;
            answer = contender.send(&mut redirected, words, asking);
            if asking {
                // The redirection is for this command only.
                let keeps = matches!(answer, Answer::Acked(_) | Answer::Unacked);
                self.connection = keeps.then_some((node, connection));
                return (without_redirection(answer), Some(other));
            }
            (node, connection) = (other, redirected);
        }
        match answer {
            Answer::Acked(_) | Answer::Unacked => self.connection = Some((node, connection)),
            Answer::Elsewhere { .. } => {}
            // Another node may be the primary now.
            Answer::Refused | Answer::Unknown => thread::sleep(PAUSE),
        }
        (without_redirection(answer), Some(node))
    }

    fn connected(&mut self) -> Option<(Ipv4Addr, Connection)> {
        if let Some(connected) = self.connection.take() {
            return Some(connected);
        }
        let primary = self.find_primary()?;
        let connection = connect(primary, CONNECT_PATIENCE).ok()?;
        connection.set_read_timeout(Some(READ_PATIENCE)).ok()?;
        Some((primary, connection))
    }

    /// Asks the guides in a random order. The first that knows a primary is believed.
    fn find_primary(&mut self) -> Option<Ipv4Addr> {
        let addresses = Arc::clone(&self.addresses);
        let mut guides = addresses.guides.clone();
        while !guides.is_empty() {
            let guide = guides.swap_remove(self.random.random_range(0..guides.len()));
            if let Some(found) = ask(addresses.kind, guide) {
                return Some(found);
            }
        }
        None
    }
}

/// A second redirection is not followed.
fn without_redirection(answer: Answer) -> Answer {
    match answer {
        Answer::Elsewhere { .. } => Answer::Refused,
        other => other,
    }
}

/// Whom a guide takes for the primary of the shard.
pub fn ask(kind: Kind, guide: Ipv4Addr) -> Option<Ipv4Addr> {
    let mut connection = connect(guide, CONNECT_PATIENCE).ok()?;
    match kind {
        Kind::Plain => {
            let role: Vec<Value> = redis::cmd("ROLE").query(&mut connection).ok()?;
            (role.first() == Some(&Value::BulkString(b"master".to_vec()))).then_some(guide)
        }
        Kind::Sentinel => {
            let mut command = redis::cmd("SENTINEL");
            command.arg("get-master-addr-by-name").arg(MASTER);
            let address: Vec<String> = command.query(&mut connection).ok()?;
            address.first()?.parse().ok()
        }
        Kind::Cluster => {
            let mut command = redis::cmd("CLUSTER");
            let rows: Vec<Vec<Value>> = command.arg("SLOTS").query(&mut connection).ok()?;
            rows.iter().find_map(|row| owner(row))
        }
    }
}

/// The owner in a row of CLUSTER SLOTS, if the row has the slot of the lab's keys.
fn owner(row: &[Value]) -> Option<Ipv4Addr> {
    let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = row else {
        return None;
    };
    let slot = i64::from(slot());
    let Some(Value::BulkString(address)) = node.first() else {
        return None;
    };
    (*first <= slot && slot <= *last)
        .then(|| String::from_utf8_lossy(address).parse().ok())
        .flatten()
}

/// The slot of the lab's keys.
pub fn slot() -> u16 {
    durable_core::slot::of_key(TAG.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_the_keys_belongs_to_the_shard() {
        assert!(slot() <= 5460, "{}", slot());
    }

    #[test]
    fn the_owner_is_read_from_a_row_of_cluster_slots() {
        let text = |word: &str| Value::BulkString(word.as_bytes().to_vec());
        let node = Value::Array(vec![text("10.77.0.11"), Value::Int(6379), text("id")]);
        let row = [Value::Int(0), Value::Int(16383), node];
        assert_eq!(owner(&row), Some(Ipv4Addr::new(10, 77, 0, 11)));
        assert_eq!(owner(&[Value::Int(0), Value::Int(0), row[2].clone()]), None);
    }
}
