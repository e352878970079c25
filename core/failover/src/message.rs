//! What members say to each other.

use serde::{Deserialize, Serialize};

use super::member::Position;
use super::{Ballot, Configuration, Credentials, Generation, Membership, Start};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A candidate asks for a vote.
    Request {
        /// The election.
        ballot: Ballot,
        /// The term in which the candidate's data were confirmed.
        log_term: Ballot,
        /// The candidate's position.
        position: Position,
    },
    /// The sender votes for this ballot.
    Vote {
        /// The election.
        ballot: Ballot,
        /// What the sender has.
        credentials: Credentials,
    },
    /// The sender does not vote.
    Refuse {
        /// The election.
        ballot: Ballot,
        /// Why.
        refusal: Refusal,
    },
    /// The term holder asks a replica to confirm that it has everything up to a position.
    Challenge {
        /// The sender's term.
        term: Ballot,
        /// The sender's count of changes of the receiver's link.
        generation: Generation,
        /// The end of the sender's stream.
        position: Position,
        /// The sender's latest configuration in this term, for the receiver to keep.
        configuration: Option<Configuration>,
        /// The start of the receiver that is asked. After a restart it may lack what it has
        /// acknowledged since, and still have everything up to the position.
        start: Start,
    },
    /// The sender confirms it.
    Grant {
        /// The term.
        term: Ballot,
        /// As in the challenge.
        generation: Generation,
        /// The number of the configuration in the challenge, which is on the sender's disk. 0 if
        /// there was none.
        number: u32,
    },
    /// The term holder asks whether it may replace the receiver's data by its own.
    AskAdmission {
        /// The sender's term.
        term: Ballot,
    },
    /// It may, while the sender's data end at this position.
    Admit {
        /// The term.
        term: Ballot,
        /// The sender's position.
        position: Position,
    },
    /// The sender goes by this list of members.
    Change {
        /// The list.
        list: Membership,
        /// The term in which the list was confirmed.
        confirmed_in: Ballot,
    },
    /// The receiver is a member from now on.
    Join {
        /// The sender's term, for the receiver to promise.
        term: Ballot,
        /// The list.
        list: Membership,
    },
}

/// Why a member does not vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// It has promised this ballot, which is not lower.
    Promised(Ballot),
    /// It has more of the stream.
    Ahead,
    /// It holds a term in which it can release waits.
    Reigns,
}
