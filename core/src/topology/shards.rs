//! The addresses and the health of the nodes, from `CLUSTER SHARDS`.

use super::resp::Cursor;
use super::{Health, Unreadable};

/// Where a node is to be found, and how it is.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub id: &'a [u8],
    pub ip: &'a [u8],
    pub endpoint: &'a [u8],
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    pub health: Health,
}

/// Reads the raw reply: an array of shards, each a map whose `nodes` is an array of maps, one a node.
/// The shards themselves, and their slots, are of no interest here (see [`super`]). Sorted by id, each id once.
pub(super) fn read(reply: &[u8]) -> Result<Vec<Place<'_>>, Unreadable> {
    let mut reply = Cursor(reply);
    let mut places = Vec::new();
    for _ in 0..reply.array()? {
        for _ in 0..reply.map()? {
            if reply.string()? != b"nodes" {
                reply.skip()?;
                continue;
            }
            for _ in 0..reply.array()? {
                places.push(node(&mut reply)?);
            }
        }
    }
    places.sort_by_key(|place| place.id);
    // A node stands there once; should it not, its first entry counts.
    places.dedup_by_key(|place| place.id);
    Ok(places)
}

fn node<'a>(reply: &mut Cursor<'a>) -> Result<Place<'a>, Unreadable> {
    let (mut id, mut ip, mut endpoint, mut health) = (None, None, None, None);
    let (mut port, mut tls_port) = (None, None);
    for _ in 0..reply.map()? {
        match reply.string()? {
            b"id" => id = Some(reply.string()?),
            b"ip" => ip = Some(reply.string()?),
            b"endpoint" => endpoint = Some(reply.string()?),
            b"port" => port = Some(port_number(reply)?),
            b"tls-port" => tls_port = Some(port_number(reply)?),
            b"health" => health = Some(reply.string()?),
            _ => reply.skip()?,
        }
    }
    Ok(Place {
        id: id.ok_or(Unreadable("a node has no id"))?,
        ip: ip.ok_or(Unreadable("a node has no ip"))?,
        endpoint: endpoint.ok_or(Unreadable("a node has no endpoint"))?,
        port,
        tls_port,
        health: match health.ok_or(Unreadable("a node has no health"))? {
            b"online" => Health::Online,
            b"loading" => Health::Loading,
            // A word that is not known yet must not promise more than the server does.
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
