//! The slots that each node owns, and whom it replicates, from `CLUSTER NODES`.

use super::resp::{number, Cursor};
use super::shards::Place;
use super::{Endpoints, Health, Preferred, Unreadable};
use crate::slot::SLOTS;

/// A node's slots and, for a replica, its primary.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub id: &'a [u8],
    /// `ip:port@bus[,name]`
    address: &'a [u8],
    flags: &'a [u8],
    pub primary: Option<&'a [u8]>,
    /// The words of its line that tell the slots; none for a node without any.
    slots: Option<&'a [u8]>,
}

/// Reads the raw reply: a string with a line for each node,
/// `id ip:port@bus[,name] flags primary ping pong epoch link [slot | first-last | [migrating]]…`.
/// Sorted by id, each id once.
pub(super) fn read(reply: &[u8]) -> Result<Vec<Claim<'_>>, Unreadable> {
    let text = Cursor(reply).string()?;
    let lines = text.split(|&byte| byte == b'\n');
    let mut claims = lines
        .filter(|line| !line.is_empty())
        .map(claim)
        .collect::<Result<Vec<_>, _>>()?;
    claims.sort_by_key(|claim| claim.id);
    // A node stands there once; should it not, its first line counts.
    claims.dedup_by_key(|claim| claim.id);
    Ok(claims)
}

fn claim(line: &[u8]) -> Result<Claim<'_>, Unreadable> {
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
    let (_ping, _pong, _epoch, _link) = (word()?, word()?, word()?, word()?);
    Ok(Claim {
        id,
        address,
        flags,
        primary: (primary != b"-").then_some(primary),
        slots: rest,
    })
}

impl<'a> Claim<'a> {
    /// Where the node is to be found as far as its line tells, for one that `CLUSTER SHARDS` leaves out.
    pub fn place(&self, endpoints: Endpoints) -> Option<Place<'a>> {
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
        Some(Place {
            id: self.id,
            ip,
            endpoint: match endpoints.preferred {
                Preferred::Ip => ip,
                Preferred::HostName if name.is_empty() => b"?",
                Preferred::HostName => name,
                Preferred::Unknown => b"",
            },
            port: port.filter(|_| !endpoints.tls),
            tls_port: port.filter(|_| endpoints.tls),
            health: if has(b"fail") {
                Health::Failed
            } else {
                Health::Online
            },
        })
    }

    /// First and last slot of each range, both in `0..SLOTS`.
    pub fn slots(&self) -> impl Iterator<Item = Result<(u16, u16), Unreadable>> + 'a {
        // The node that answers adds `[slot->-id]` for a slot under migration. Until the end it is the source's.
        let words = self.slots.map(|slots| slots.split(|&byte| byte == b' '));
        words
            .into_iter()
            .flatten()
            .filter(|word| !word.starts_with(b"["))
            .map(range)
    }
}

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
