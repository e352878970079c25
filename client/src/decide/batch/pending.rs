//! A command of a batch that has no result yet.

use std::time::Instant;

use crate::decide::command::Command;
use crate::decide::node::Node;

#[derive(Debug)]
pub(crate) struct Pending<'c> {
    /// Its place in the batch.
    pub(crate) place: usize,
    pub(crate) command: &'c Command,
    pub(crate) target: Target,
    /// The cache says that it goes to the primary of its slot.
    pub(crate) at_owner: bool,
    /// It is among the hits or the misses.
    pub(crate) counted: bool,
    pub(crate) redirects: u32,
    pub(crate) attempts: u32,
    /// When it was turned away first, or an earlier command of its slot that it waited for.
    pub(crate) since: Option<Instant>,
    /// An attempt may have been executed: it ended without a reply, or while it waited for replicas.
    pub(crate) in_doubt: bool,
}

/// Where a command goes next.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Where the cache says.
    Cached,
    /// Where a `MOVED` said.
    Node(Node),
    /// Where an `ASK` said: with `ASKING` before it.
    Ask(Node),
}

impl<'c> Pending<'c> {
    pub(crate) fn new(place: usize, command: &'c Command) -> Pending<'c> {
        Pending {
            place,
            command,
            target: Target::Cached,
            at_owner: false,
            counted: false,
            redirects: 0,
            attempts: 0,
            since: None,
            in_doubt: false,
        }
    }

    pub(crate) fn slot(&self) -> Option<u16> {
        self.command.slot()
    }
}
