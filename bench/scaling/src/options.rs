//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Computes what durable writes and slot maps cost with far replicas, many clients and many shards.
///
/// Measures the costs of single steps on real servers that it starts and ends (a few minutes), and
/// plays the protocol with them. DURABLE_TEST_SERVER names another server binary,
/// DURABLE_TEST_MODULE another build of the module.
#[derive(Clone, Debug, Parser)]
#[command(name = "durable-scaling", version)]
pub struct Options {
    /// Take the measured costs from this file, and start no server
    #[arg(long, value_name = "FILE.json")]
    pub inputs: Option<PathBuf>,

    /// Write the measured costs to this file
    #[arg(long, value_name = "FILE.json")]
    pub save: Option<PathBuf>,

    /// Draw the durable writes to this SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,

    /// Write the tables into this page, where its comments name them, instead of standard output
    #[arg(long, value_name = "FILE.md")]
    pub page: Option<PathBuf>,

    /// The seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Round trips between the primary and its replica in milliseconds, separated by commas
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [0.1, 1.0, 5.0, 50.0])]
    pub replica_ms: Vec<f64>,

    /// Numbers of clients, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 10, 100, 1000, 10000], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: Vec<u32>,

    /// The round trip between a client and the primary in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0.1)]
    pub client_ms: f64,
}
