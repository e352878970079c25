//! What a round brings back for one command.

use redis::RedisError;

use crate::decide::batch::pending::Pending;
use crate::decide::batch::verdict::Verdict;
use crate::decide::cache::Asked;
use crate::decide::links::ConnectionId;
use crate::decide::node::Node;

/// One attempt to have a command executed, and how it ended.
#[derive(Debug)]
pub(crate) struct Attempt<'c> {
    pub(crate) pending: Pending<'c>,
    /// The node that it was sent to, or was to be sent to.
    pub(crate) node: Node,
    /// The number from `SlotCache::ask` for the last window that was sent to the node. It is also
    /// set on commands that were not sent.
    pub(crate) asked: Option<Asked>,
    /// The connection to the node, if there was one.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Verdict),
    /// There was no connection: it was certainly not executed.
    NotSent(RedisError),
    /// The connection failed while it was sent or before it was answered: it may have been
    /// executed.
    Lost(RedisError),
    /// As `Lost`, for the command whose reply was waited for and did not come in time.
    Silent(RedisError),
    /// A fence that was not sent, because the writes before it were sent on another connection.
    Severed,
    /// It was not sent and goes in the next round.
    Postponed,
}
