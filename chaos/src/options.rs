//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::member::Size;
use crate::system::Kind;

/// Runs real servers in a network of their own, breaks them by a seeded schedule, and checks that
/// what clients were told is true in the end.
///
/// Needs root, for namespaces. Everything is inside namespaces of this run: nothing is left behind,
/// however it ends. The exit code is 1 if a write was lost that the documentation promises to keep,
/// a server crashed, or a failover group did not promote although it can, and 2 if the lab could
/// not run, was interrupted, or a round says nothing.
#[derive(Clone, Debug, Parser)]
#[command(name = "durable-chaos", version)]
pub struct Options {
    /// The seed of all schedules; default: drawn
    #[arg(long)]
    pub seed: Option<u64>,

    /// How many rounds on each server
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,

    /// Only these scenarios, in turn, separated by commas; `list` lists them. With --failover the
    /// default is all that concern groups, `again-and-again` after every two
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub scenario: Vec<String>,

    /// The kind of system that scenarios are drawn for; default: all
    #[arg(long, value_enum, conflicts_with = "scenario")]
    pub system: Option<System>,

    /// The seed of every round, as the report shows it: repeats one round
    #[arg(long, value_name = "SEED", requires = "scenario")]
    pub round_seed: Option<u64>,

    /// The servers' binaries, separated by commas: each plays all rounds
    #[arg(
        long,
        value_name = "FILES",
        default_value = "redis-server",
        value_delimiter = ','
    )]
    pub server: Vec<PathBuf>,

    /// What the command that repeats this run calls the servers; default: their files
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub called: Vec<String>,

    /// So many servers are played at once; default: all. Each takes less than half a core
    #[arg(long, value_name = "N")]
    pub at_once: Option<usize>,

    /// The module's library
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/release/libredis_durable.so"
    )]
    pub module: PathBuf,

    /// The mistake that the module is to make, if it was built with the feature `mistakes`
    #[arg(long, value_name = "NAME")]
    pub mistake: Option<String>,

    /// The shard of a cluster is a failover group (durable.failover yes): a write that one replica
    /// has acknowledged has to survive every failover
    #[arg(long)]
    pub failover: bool,

    /// R: replicas in a failover group
    #[arg(long, value_name = "R", default_value_t = 2, requires = "failover",
        value_parser = clap::value_parser!(u8).range(2..=4))]
    pub replicas: u8,

    /// K: a write that so many replicas have acknowledged survives every failover
    #[arg(long, value_name = "K", default_value_t = 1, requires = "failover",
        value_parser = clap::value_parser!(u8).range(1..=2))]
    pub guaranteed: u8,

    /// Faults in a round of `again-and-again`
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub turns: usize,

    /// So many rounds may say nothing: on a busy machine a system may not become whole in time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub may_say_nothing: usize,

    /// Keep the servers' logs of all rounds, not only of those that say nothing or got stuck
    #[arg(long)]
    pub keep_logs: bool,

    /// End after the first round that breaks a promise
    #[arg(long)]
    pub until_broken: bool,

    /// Ends after this time, also in the middle of the rounds
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub limit: u64,

    /// Only say why the lab cannot run on this machine, if it cannot: the exit code is 0 if it can
    #[arg(long)]
    pub probe: bool,

    /// Where the report goes
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    pub report: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// Clusters, Sentinel and plain replication, in turn
    All,
    Cluster,
    Sentinel,
    Plain,
}

impl Options {
    /// The size of failover groups, if shards are to be some.
    pub fn group(&self) -> Option<Size> {
        self.failover.then_some(Size {
            replicas: self.replicas.into(),
            guaranteed: self.guaranteed.into(),
        })
    }
}

impl System {
    /// The kind of each round, repeated. A cluster has the most scenarios.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            System::All => &[
                Kind::Cluster,
                Kind::Cluster,
                Kind::Sentinel,
                Kind::Cluster,
                Kind::Cluster,
                Kind::Plain,
            ],
            System::Cluster => &[Kind::Cluster],
            System::Sentinel => &[Kind::Sentinel],
            System::Plain => &[Kind::Plain],
        }
    }
}
