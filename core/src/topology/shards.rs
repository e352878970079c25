//! Reads `CLUSTER SHARDS`: the addresses and the health of the nodes.
//!
//! The reply is an array of shards. Each shard is a map, whose `nodes` is an array with a map for
//! each node. The shards themselves and their slots are not used: [`super`] has the reason.

use super::{Health, Unreadable};
use crate::resp::Cursor;

/// The addresses and the health of one node.
#[derive(Debug)]
pub(super) struct ShardNode<'a> {
    pub id: &'a [u8],
    pub ip: &'a [u8],
    pub endpoint: &'a [u8],
    /// Empty if there is none.
    pub hostname: &'a [u8],
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    pub health: Health,
}

/// Reads the raw reply. The nodes are returned sorted by id, each id once.
pub(super) fn read(reply: &[u8]) -> Result<Vec<ShardNode<'_>>, Unreadable> {
    let mut reply = Cursor(reply);
    let mut nodes = Vec::new();
    for _ in 0..reply.array()? {
        for _ in 0..reply.map()? {
            if reply.string()? != b"nodes" {
                reply.skip()?;
                continue;
            }
            for _ in 0..reply.array()? {
                nodes.push(node(&mut reply)?);
            }
        }
    }
    nodes.sort_by_key(|node| node.id);
    // Servers print each node once. If not, its first entry counts.
    nodes.dedup_by_key(|node| node.id);
    Ok(nodes)
}

fn node<'a>(reply: &mut Cursor<'a>) -> Result<ShardNode<'a>, Unreadable> {
    let (mut id, mut ip, mut endpoint, mut health) = (None, None, None, None);
    let (mut port, mut tls_port, mut hostname) = (None, None, None);
    for _ in 0..reply.map()? {
        match reply.string()? {
            b"id" => id = Some(reply.string()?),
            b"ip" => ip = Some(reply.string()?),
            b"endpoint" => endpoint = Some(reply.string()?),
            b"hostname" => hostname = Some(reply.string()?),
            b"port" => port = Some(port_number(reply)?),
            b"tls-port" => tls_port = Some(port_number(reply)?),
            b"health" => health = Some(reply.string()?),
            _ => reply.skip()?,
        }
    }
    Ok(ShardNode {
        id: id.ok_or(Unreadable("a node has no id"))?,
        ip: ip.ok_or(Unreadable("a node has no ip"))?,
        endpoint: endpoint.ok_or(Unreadable("a node has no endpoint"))?,
        hostname: hostname.unwrap_or_default(),
        port,
        tls_port,
        health: match health.ok_or(Unreadable("a node has no health"))? {
            b"online" => Health::Online,
            b"loading" => Health::Loading,
            // An unknown word must not count as online.
            _ => Health::Failed,
        },
    })
}

fn port_number(reply: &mut Cursor<'_>) -> Result<u16, Unreadable> {
    reply
        .integer()?
        .try_into()
        .map_err(|_| Unreadable("a port is out of range"))
}
