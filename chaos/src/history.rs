//! What the clients of one contender did: each operation with the times of its call and answer.

use std::net::Ipv4Addr;
use std::time::Duration;

/// One operation of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    pub client: u32,
    /// Since the start of the round, by a monotonic clock.
    pub called: Duration,
    pub returned: Duration,
    pub action: Action,
    pub outcome: Outcome,
    /// Who answered.
    pub node: Option<Ipv4Addr>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A write to a key that is written once.
    Write { key: String },
    /// A read of such a key.
    Read { key: String },
    /// A write to a register that returns the value before it.
    Swap { key: String, value: i64 },
    /// An increment.
    Add { key: String },
    /// An increment that is sent again with the same id until it is answered.
    AddOnce { key: String },
}

impl Action {
    pub fn key(&self) -> &str {
        match self {
            Action::Write { key }
            | Action::Read { key }
            | Action::Swap { key, .. }
            | Action::Add { key }
            | Action::AddOnce { key } => key,
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged. The number is in the reply: a read value, the value before a swap, a counter.
    /// `None`: nil, or a reply without a number.
    Acked(Option<i64>),
    /// Executed on a primary. It may be lost.
    Unacked,
    /// Not executed.
    Refused,
    /// It may have been executed, and may still be.
    Unknown,
}

impl Outcome {
    pub fn is_acked(self) -> bool {
        matches!(self, Outcome::Acked(_))
    }

    /// It may take effect at any time after its call, or never.
    pub fn is_open(self) -> bool {
        matches!(self, Outcome::Unacked | Outcome::Unknown)
    }
}
