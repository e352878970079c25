//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::address::Address;

/// Counts while you kill and restart servers, and tells whether the count is right.
///
/// Several clients increment a counter on your Redis or Valkey servers with the redis-durable
/// module. Meanwhile kill and restart what you like. At the end the counter is compared with the
/// acknowledged increments. The exit code is 0 for PASS, 1 for FAIL, and 2 if there is no verdict.
///
/// The password is read from the environment variable PASSWORD, and the Sentinels' own from
/// SENTINEL_PASSWORD (default: the same).
#[derive(Clone, Debug, Parser)]
#[command(name = "durable-counter-test", version)]
pub struct Options {
    /// Servers: the primary, or with --sentinel a Sentinel, or with --cluster a node. Several are
    /// tried in turn
    #[arg(value_name = "HOST:PORT", required = true)]
    pub addresses: Vec<Address>,

    /// Ask the Sentinels for the primary of this name
    #[arg(long, value_name = "NAME", conflicts_with = "cluster")]
    pub sentinel: Option<String>,

    /// The servers are a cluster: count on several keys, spread over its shards
    #[arg(long)]
    pub cluster: bool,

    /// How to count
    #[arg(long, value_enum, default_value_t = Form::Once)]
    pub command: Form,

    /// How many replicas must acknowledge: a number, majority or all. Default: the server's
    /// durable.replicas
    #[arg(long, value_name = "N", value_parser = replicas)]
    pub replicas: Option<String>,

    /// How long to count
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// How many clients count
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clients: u16,

    /// Increments per second of all clients together. Each DURABLE.ONCE leaves a record of about
    /// 200 bytes until it expires
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,

    /// How long the servers may take at the end until they answer again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub settle: u32,

    /// How long a client waits for an answer before it connects again
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub patience: u32,

    /// The ACL user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Connect with TLS
    #[arg(long)]
    pub tls: bool,

    /// Trust this certificate authority (PEM) instead of the system's
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub tls_ca: Option<PathBuf>,
}

/// The form of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// DURABLE.ONCE id INCR, sent again with the same id until it is answered: exactly once
    Once,
    /// DURABLE.INCR, never sent again when its outcome is unknown
    Durable,
    /// INCR, for comparison: works without the module
    Plain,
}

impl Form {
    pub fn shown(self) -> &'static str {
        match self {
            Form::Once => "DURABLE.ONCE id INCR",
            Form::Durable => "DURABLE.INCR",
            Form::Plain => "INCR",
        }
    }
}

fn replicas(text: &str) -> Result<String, String> {
    let named = ["majority", "all"].contains(&text.to_ascii_lowercase().as_str());
    let counted = text.parse::<u16>().is_ok_and(|number| number <= 1000);
    if named || counted {
        Ok(text.to_string())
    } else {
        Err("accepted are 0 to 1000, majority and all".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn a_requirement_is_a_number_or_a_word_of_the_module() {
        for accepted in ["0", "1000", "majority", "ALL"] {
            assert_eq!(replicas(accepted).as_deref(), Ok(accepted));
        }
        for refused in ["1001", "-1", "most", ""] {
            assert!(replicas(refused).is_err(), "{refused}");
        }
    }
}
