//! The module's data of each wait in the coordinator: the blocked client, and the kind of its
//! reply.

use durable_core::common_reply::CommonReply;

use crate::ffi::Blocked;

/// A waiting client.
#[derive(Debug)]
pub struct Waiter {
    pub handle: Blocked,
    pub answer: Answer,
}

/// The reply to a client whose wait is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply of the inner command, which the server holds.
    Held,
    /// The reply of the inner command, which is made when the wait is released.
    Common(CommonReply),
    /// How many replicas have acknowledged.
    Count,
}
