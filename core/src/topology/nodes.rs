//! The slots that each node owns, and whom it replicates, from `CLUSTER NODES`.

use super::resp::{number, Cursor};
use super::{NodeId, Unreadable};
use crate::slot::SLOTS;
use std::collections::BTreeMap;

/// A node's slots and, for a replica, its primary.
#[derive(Debug)]
pub(super) struct Claim {
    pub primary: Option<NodeId>,
    /// First and last slot of each range, both in `0..SLOTS`.
    pub slots: Vec<(u16, u16)>,
}

/// Reads the raw reply: a string with a line for each node,
/// `id ip:port@bus[,name] flags primary ping pong epoch link [slot | first-last | [migrating]]…`.
pub(super) fn read(reply: &[u8]) -> Result<BTreeMap<NodeId, Claim>, Unreadable> {
    let text = Cursor(reply).string()?;
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(claim)
        .collect()
}

fn claim(line: &[u8]) -> Result<(NodeId, Claim), Unreadable> {
    let mut words = line.split(|&byte| byte == b' ');
    let mut word = || {
        words
            .next()
            .ok_or(Unreadable("a line of CLUSTER NODES is cut off"))
    };
    let (id, _address, _flags, primary) = (word()?, word()?, word()?, word()?);
    let (_ping, _pong, _epoch, _link) = (word()?, word()?, word()?, word()?);
    // The node that answers adds `[slot->-id]` for a slot under migration. Until the end it is the source's.
    let slots = words
        .filter(|word| !word.starts_with(b"["))
        .map(range)
        .collect::<Result<_, _>>()?;
    let primary = (primary != b"-").then(|| primary.into());
    Ok((id.into(), Claim { primary, slots }))
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
