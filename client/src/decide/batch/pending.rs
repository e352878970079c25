//! A command of a batch that has no result yet. Pure.

use std::time::Instant;

use crate::decide::command::Command;
use crate::decide::node::Node;

#[derive(Debug)]
pub(crate) struct Pending<'c> {
    /// Its place in the batch.
    pub(crate) place: usize,
    pub(crate) command: &'c Command,
    pub(crate) target: Target,
    /// The node of the present attempt is the primary of its slot, as far as the cache knows.
    pub(crate) at_owner: bool,
    /// It has been counted as a hit or a miss.
    pub(crate) counted: bool,
    pub(crate) redirects: u32,
    pub(crate) attempts: u32,
    /// When it was first turned away. If it waited behind an earlier command of its slot: when that
    /// one was first turned away.
    pub(crate) since: Option<Instant>,
    /// An attempt may have been executed: it ended without a reply, or while it waited for
    /// replicas.
    pub(crate) in_doubt: bool,
    /// Its last attempt got no reply in time. It goes last in its pipeline, so that commands of
    /// other slots do not wait behind it again.
    pub(crate) was_silent: bool,
}

/// The node that a command goes to next.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// To the node that the cache names.
    Cached,
    /// To the node that `MOVED` named.
    Node(Node),
    /// To the node that `ASK` named, with `ASKING` before it.
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
            was_silent: false,
        }
    }

    pub(crate) fn slot(&self) -> Option<u16> {
        self.command.slot()
    }
}
