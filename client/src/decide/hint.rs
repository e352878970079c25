//! Reads the answers to `SLOTHINT` and `SLOTHINT.MAP`. Pure.
//!
//! A faulty or malicious server may answer anything. An answer that describes more than a cluster
//! can have is refused, so reading and learning it never costs more than the largest map.

use durable_core::slot::SLOTS;
use redis::Value;

use crate::decide::host::{known_host, MAX_HOST_BYTES};
use crate::decide::node::Node;

/// No cluster has more owners, replicas or ranges than slots.
const MAX_ITEMS: usize = 16_384;

/// Some slots and who owns them, or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Names the server's whole map: another map has another token. It has no other meaning.
    pub token: i64,
    /// The owners, as the server lists them.
    pub nodes: Vec<HintNode>,
    /// Slots `first..=last` and the index of their owner in `nodes`; `None` if they have no owner.
    /// A whole map has no slot twice.
    pub ranges: Vec<(u16, u16, Option<usize>)>,
    /// Whether slots that no range names are known to have no owner.
    pub is_whole: bool,
}

/// An owner of slots, with the replicas that the server lists for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintNode {
    /// The owner.
    pub primary: Node,
    /// In the server's order.
    pub replicas: Vec<Node>,
}

/// An answer that differs from the documented one of `SLOTHINT`. Says which part was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// From an announced host and port to the node to dial. Without a host, the server means the host
/// that the client is connected to.
pub type Resolve<'r> = &'r dyn Fn(Option<&str>, u16) -> Node;

impl Hint {
    /// Reads the answer to `SLOTHINT key …`: `[token, nodes, [[slot, node index] …]]`.
    pub fn of_keys(answer: &Value, resolve: Resolve<'_>) -> Result<Hint, Unreadable> {
        Hint::read(answer, resolve, false)
    }

    /// Reads the answer to `SLOTHINT.MAP`: `[token, nodes, [[first, last, node index] …]]`. `None`
    /// if it is nil: the map is still the one whose token was sent.
    pub fn of_map(answer: &Value, resolve: Resolve<'_>) -> Result<Option<Hint>, Unreadable> {
        match answer {
            Value::Nil => Ok(None),
            answer => Hint::read(answer, resolve, true).map(Some),
        }
    }

    /// Each slot of the hint with the index of its owner. For a whole map, all slots.
    pub fn slots(&self) -> impl Iterator<Item = (u16, Option<usize>)> + '_ {
        let named = self
            .ranges
            .iter()
            .flat_map(|&(first, last, owner)| (first..=last).map(move |slot| (slot, owner)));
        let mut gaps = Vec::new();
        if self.is_whole {
            let mut told = vec![false; usize::from(SLOTS)];
            for &(first, last, _) in &self.ranges {
                let range = usize::from(first)..=usize::from(last);
                told.get_mut(range).unwrap_or_default().fill(true);
            }
            gaps = (0..SLOTS)
                .zip(told)
                .filter_map(|(slot, told)| (!told).then_some((slot, None)))
                .collect();
        }
        named.chain(gaps)
    }

    /// Whether no slot of the hint has an owner.
    pub fn names_nobody(&self) -> bool {
        self.ranges.iter().all(|(.., owner)| owner.is_none())
    }

    fn read(answer: &Value, resolve: Resolve<'_>, is_whole: bool) -> Result<Hint, Unreadable> {
        let [token, nodes, ranges] = array(answer, "the answer is not an array of three")? else {
            return Err(Unreadable("the answer is not an array of three"));
        };
        let token = integer(token, "the token")?;
        let mut hint = Hint {
            token,
            is_whole,
            ..Hint::default()
        };
        // A node without a port for this kind of connection cannot be dialled. Its slots stay
        // unknown.
        let (mut index_of, mut replicas_told) = (Vec::new(), 0_usize);
        for node in at_most(array(nodes, "the nodes")?, "more than 16384 nodes")? {
            let [host, port, _id, replicas] = array(node, "a node")? else {
                return Err(Unreadable("a node is not host, port, id and replicas"));
            };
            let mut told = Vec::new();
            let replicas = array(replicas, "the replicas")?;
            replicas_told = replicas_told.saturating_add(replicas.len());
            if replicas_told > MAX_ITEMS {
                return Err(Unreadable("more than 16384 replicas"));
            }
            for replica in replicas {
                let [host, port, ..] = array(replica, "a replica")? else {
                    return Err(Unreadable("a replica is not host, port and id"));
                };
                told.extend(address(host, port, resolve)?);
            }
            let primary = address(host, port, resolve)?;
            index_of.push(primary.map(|primary| {
                hint.nodes.push(HintNode {
                    primary,
                    replicas: told,
                });
                hint.nodes.len() - 1
            }));
        }
        let mut told = vec![false; usize::from(SLOTS)];
        let what = "more than 16384 ranges of slots";
        for range in at_most(array(ranges, "the slots")?, what)? {
            let (first, last, index) = match array(range, "a slot's line")? {
                [slot, index] if !is_whole => (slot, slot, index),
                [first, last, index] if is_whole => (first, last, index),
                _ => return Err(Unreadable("a slot's line has not the parts it should have")),
            };
            let (first, last) = (slot(first)?, slot(last)?);
            if first > last {
                return Err(Unreadable("a range of slots ends before it begins"));
            }
            if is_whole {
                // Each slot is marked once, so this loop costs no more than a map.
                let range = usize::from(first)..=usize::from(last);
                for told in told.get_mut(range).unwrap_or_default() {
                    if std::mem::replace(told, true) {
                        return Err(Unreadable("two ranges of slots overlap"));
                    }
                }
            }
            let owner = match integer(index, "a node index")? {
                -1 => None,
                index => *usize::try_from(index)
                    .ok()
                    .and_then(|index| index_of.get(index))
                    .ok_or(Unreadable("a node index is none of the nodes"))?,
            };
            hint.ranges.push((first, last, owner));
        }
        Ok(hint)
    }
}

fn array<'v>(value: &'v Value, what: &'static str) -> Result<&'v [Value], Unreadable> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Unreadable(what)),
    }
}

fn at_most<'v>(items: &'v [Value], what: &'static str) -> Result<&'v [Value], Unreadable> {
    match items.len() {
        0..=MAX_ITEMS => Ok(items),
        _ => Err(Unreadable(what)),
    }
}

fn integer(value: &Value, what: &'static str) -> Result<i64, Unreadable> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(Unreadable(what)),
    }
}

fn slot(value: &Value) -> Result<u16, Unreadable> {
    u16::try_from(integer(value, "a slot")?)
        .ok()
        .filter(|&slot| slot < SLOTS)
        .ok_or(Unreadable("a slot is not in 0 to 16383"))
}

/// The node at that host and port; `None` if the port is 0.
fn address(host: &Value, port: &Value, resolve: Resolve<'_>) -> Result<Option<Node>, Unreadable> {
    let port = u16::try_from(integer(port, "a port")?).map_err(|_| Unreadable("a port"))?;
    let host = match host {
        Value::Nil => None,
        Value::BulkString(bytes) => {
            known_host(std::str::from_utf8(bytes).map_err(|_| Unreadable("a host"))?)
        }
        Value::SimpleString(text) => known_host(text),
        _ => return Err(Unreadable("a host")),
    };
    if host.is_some_and(|host| host.len() > MAX_HOST_BYTES) {
        return Err(Unreadable("a host of more than 255 bytes"));
    }
    Ok((port != 0).then(|| resolve(host, port)))
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the slot hint cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests;
