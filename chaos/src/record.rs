//! Everything that one run found: what the report shows, and what `run.json` holds.
//!
//! Times are in milliseconds since the start of the round, by a monotonic clock.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// One run: some rounds on one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// As `--version` prints it: `Redis server v=7.0.15 …`. Several are separated by `, `.
    pub server: String,
    /// The module's `durable_build`: version and commit.
    pub module: String,
    /// The seed of all schedules.
    pub seed: u64,
    /// The command that repeats this run.
    pub command: String,
    /// When the run began, in seconds since 1970.
    pub started: u64,
    pub rounds: Vec<Round>,
}

/// One scenario on one system. The keys of a round are its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub number: usize,
    /// Its name, as `--scenario` takes it.
    pub scenario: String,
    /// One sentence: what happens in it.
    pub about: String,
    /// `cluster`, `sentinel` or `plain`.
    pub system: String,
    /// The seed of this round's schedule.
    pub seed: u64,
    pub duration_ms: u64,
    /// The server's version, as in [`Run`].
    pub server: String,
    /// Names of the nodes of the shard, then of the other nodes.
    pub nodes: Vec<String>,
    /// In order of time.
    pub events: Vec<Event>,
    /// What each node of the shard was over time. The spans of a node do not overlap.
    pub spans: Vec<Span>,
    /// How often another node became the primary.
    pub failovers: usize,
    /// In a failover group: the faults, one after another, each until the group was whole again.
    pub turns: Vec<Turn>,
    /// In a failover group: what it did not do although it can, such as a promotion.
    pub stuck: Option<String>,
    /// In a failover group: the members that an operator opened, because the rest could not vote.
    pub operator: Vec<String>,
    /// In the order of the table's columns.
    pub contenders: Vec<Contender>,
    /// Why the round says nothing, if so: the system did not become whole again, say.
    pub inconclusive: Option<String>,
    /// Servers that ended although nobody ended them, or whose module panicked.
    pub crashed: Vec<String>,
}

impl Round {
    /// Whether the final state contradicts an answer that the documentation promises.
    pub fn breaks_a_promise(&self) -> bool {
        let mut contenders = self.contenders.iter();
        contenders.any(|one| one.promised && one.is_violated())
    }
}

/// One fault of a failover group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// Its name.
    pub fault: String,
    pub at_ms: u64,
    /// When the group was whole again.
    pub until_ms: u64,
    /// How often another member became the confirmed primary.
    pub failovers: usize,
    /// The longest time in which no write was acknowledged by K replicas.
    pub without_ms: u64,
}

/// Something that the lab did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub at_ms: u64,
    pub kind: EventKind,
    /// `kill -9 P`, `cut {P, A} from {B, Q, R}`.
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Fault,
    Heal,
    Note,
}

/// What a node was for some time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Span {
    pub node: String,
    pub from_ms: u64,
    pub to_ms: u64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Primary,
    Replica,
    /// A primary of a failover group that the group has not voted for: it acknowledges nothing.
    Closed,
    /// It does not answer: frozen, or it has ended.
    Silent,
}

/// What one way to write did in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contender {
    /// `SET`, `SET + WAIT 1`, `DURABLE.SET REPLICAS ALL`.
    pub name: String,
    /// Whether the documentation promises that it loses nothing in this scenario.
    pub promised: bool,
    #[serde(flatten)]
    pub counts: Counts,
    /// One for each tenth of a second.
    pub tenths: Vec<Tenth>,
    /// The first few of everything that is wrong.
    pub violations: Vec<Violation>,
}

impl Contender {
    /// Whether the final state contradicts an answer.
    pub fn is_violated(&self) -> bool {
        self.counts.contradict()
    }
}

/// What was answered, and what of it the final state contradicts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Writes of keys of their own. The unit of `lost`.
    pub acked: u64,
    /// Acknowledged writes that are not in the final state.
    pub lost: u64,
    /// Writes that were answered UNACKED.
    pub unacked: u64,
    /// Writes that were not executed: an error says so, or no primary was found.
    pub refused: u64,
    /// Writes without an answer: broken connections, UNBLOCKED, CLUSTERDOWN.
    pub unknown: u64,
    /// Durable reads, and those of a value that is not in the final state.
    pub reads: u64,
    pub reads_lost: u64,
    /// Acknowledged increments, with those by DURABLE.ONCE, and those that the counters do not
    /// contain.
    pub increments: u64,
    pub increments_lost: u64,
    /// Of these by DURABLE.ONCE, and how many of them were executed twice.
    pub once: u64,
    pub once_twice: u64,
    /// Histories of keys with an acknowledged operation that the checker looked at; how many of
    /// them have answers of several nodes; how many it rejected, and on how many it gave up.
    pub histories: u64,
    pub histories_of_several: u64,
    pub histories_illegal: u64,
    pub histories_undecided: u64,
}

impl Counts {
    /// Whether the final state contradicts an answer.
    pub fn contradict(&self) -> bool {
        self.lost > 0
            || self.reads_lost > 0
            || self.increments_lost > 0
            || self.once_twice > 0
            || self.histories_illegal > 0
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.acked += other.acked;
        self.lost += other.lost;
        self.unacked += other.unacked;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.reads += other.reads;
        self.reads_lost += other.reads_lost;
        self.increments += other.increments;
        self.increments_lost += other.increments_lost;
        self.once += other.once;
        self.once_twice += other.once_twice;
        self.histories += other.histories;
        self.histories_of_several += other.histories_of_several;
        self.histories_illegal += other.histories_illegal;
        self.histories_undecided += other.histories_undecided;
    }
}

/// The writes that were answered in one tenth of a second.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tenth {
    pub acked: u32,
    pub unacked: u32,
    /// Of those acknowledged.
    pub lost: u32,
}

/// An answer that the final state contradicts, with the few operations that show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// One sentence.
    pub what: String,
    /// In order of their call.
    pub operations: Vec<Operation>,
    /// The name of the checker's own page, beside the report.
    pub picture: Option<String>,
}

/// One operation of a violation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    pub client: u32,
    pub called_ms: f64,
    /// `None`: there was no answer.
    pub returned_ms: Option<f64>,
    /// `DURABLE.SET k 17 REPLICAS 1 -> OK from A`.
    pub text: String,
}
