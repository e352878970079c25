//! Reads `CLUSTER NODES`: the slots of each node, and the primary of each replica.
//!
//! The reply is a string with a line for each node:
//! `id ip:port@bus[,name] flags primary ping pong epoch link [slot | first-last | [migrating]]…`

use super::shards::ShardNode;
use super::{Health, PreferredEndpoint, Unreadable};
use crate::resp::{number, Cursor};
use crate::slot::SLOTS;

/// The line of one node.
#[derive(Debug)]
pub(super) struct NodeLine<'a> {
    pub id: &'a [u8],
    /// `ip:port@bus[,name]`
    address: &'a [u8],
    /// Separated by commas.
    flags: &'a [u8],
    pub primary: Option<&'a [u8]>,
    /// Of the node's configuration; a replica's is its primary's.
    epoch: &'a [u8],
    /// The last words of the line. `None` for a node without slots.
    slots: Option<&'a [u8]>,
}

/// Reads the raw reply. The lines are returned sorted by id, each id once.
pub(super) fn read(reply: &[u8]) -> Result<Vec<NodeLine<'_>>, Unreadable> {
    let text = Cursor(reply).string()?;
    let lines = text.split(|&byte| byte == b'\n');
    let mut lines = lines
        .filter(|line| !line.is_empty())
        .map(node_line)
        .collect::<Result<Vec<_>, _>>()?;
    lines.sort_by_key(|line| line.id);
    // Servers print each node once. If not, its first line counts.
    lines.dedup_by_key(|line| line.id);
    Ok(lines)
}

/// The epoch of each node, by id, in the raw reply to `CLUSTER NODES`. The higher epoch wins a slot
/// that two nodes claim.
///
/// # Errors
/// The reply is something else.
pub fn epochs(reply: &[u8]) -> Result<Vec<(&[u8], u64)>, Unreadable> {
    let lines = read(reply)?.into_iter();
    let epochs = lines.map(|line| Ok((line.id, number(line.epoch)?)));
    epochs.collect()
}

fn node_line(line: &[u8]) -> Result<NodeLine<'_>, Unreadable> {
    let mut rest = Some(line);
    let mut word = || {
        let line = rest.ok_or(Unreadable("a line of CLUSTER NODES is cut off"))?;
        let end = line.iter().position(|&byte| byte == b' ');
        let (word, after) = line
            .split_at_checked(end.unwrap_or(line.len()))
            .unwrap_or((line, &[]));
        rest = after.get(1..);
        Ok(word)
    };
    let (id, address, flags, primary) = (word()?, word()?, word()?, word()?);
    let (_ping, _pong, epoch, _link) = (word()?, word()?, word()?, word()?);
    Ok(NodeLine {
        id,
        address,
        flags,
        primary: (primary != b"-").then_some(primary),
        epoch,
        slots: rest,
    })
}

impl<'a> NodeLine<'a> {
    /// What `CLUSTER SHARDS` would print for the node, with one of the two ports. `None` for a node
    /// that is still in the handshake.
    pub fn as_shard_node(
        &self,
        preferred: PreferredEndpoint,
        has_tls_port: bool,
    ) -> Option<ShardNode<'a>> {
        let has = |flag: &[u8]| {
            self.flags
                .split(|&byte| byte == b',')
                .any(|own| own == flag)
        };
        if has(b"handshake") {
            return None;
        }
        let mut parts = self.address.splitn(2, |&byte| byte == b',');
        let (address, name) = (parts.next()?, parts.next().unwrap_or_default());
        // Later servers add fields after the name.
        let name = name.split(|&byte| byte == b',').next().unwrap_or_default();
        let address = address.split(|&byte| byte == b'@').next()?;
        let colon = address.iter().rposition(|&byte| byte == b':')?;
        let (ip, port) = address.split_at_checked(colon)?;
        let port = number(port.get(1..)?).ok().filter(|&port| port != 0);
        Some(ShardNode {
            id: self.id,
            ip,
            endpoint: match preferred {
                PreferredEndpoint::Ip => ip,
                PreferredEndpoint::HostName if name.is_empty() => b"?",
                PreferredEndpoint::HostName => name,
                PreferredEndpoint::Unknown => b"",
            },
            hostname: name,
            port: port.filter(|_| !has_tls_port),
            tls_port: port.filter(|_| has_tls_port),
            health: if has(b"fail") {
                Health::Failed
            } else {
                Health::Online
            },
        })
    }

    /// First and last slot of each range, both in `0..SLOTS`.
    pub fn slots(&self) -> impl Iterator<Item = Result<(u16, u16), Unreadable>> + 'a {
        // The answering node adds `[slot->-id]` for a slot that is migrating. The source owns it
        // until the end.
        let words = self.slots.map(|slots| slots.split(|&byte| byte == b' '));
        words
            .into_iter()
            .flatten()
            .filter(|word| !word.starts_with(b"["))
            .map(range)
    }
}

/// Reads `7` or `5-9`.
fn range(word: &[u8]) -> Result<(u16, u16), Unreadable> {
    let mut ends = word.splitn(2, |&byte| byte == b'-').map(number::<u16>);
    let first = ends.next().ok_or(Unreadable("a slot was expected"))??;
    let last = ends.next().transpose()?.unwrap_or(first);
    if first <= last && last < SLOTS {
        Ok((first, last))
    } else {
        Err(Unreadable("a slot is out of range"))
    }
}
