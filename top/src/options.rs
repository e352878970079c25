//! The command line. Names and meanings are those of redis-cli where it has the option.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

/// Shows the durable writes of a Redis or Valkey server: replicas, waiting clients, rates.
///
/// The password is read from -a, from the terminal (--askpass), or from the environment variable
/// REDISCLI_AUTH, in this order.
///
/// The exit code of --once and --prometheus is 0 if the server answered, and 1 if it did not.
#[derive(Clone, Debug, Parser)]
#[command(name = "durable-top", version, disable_help_flag = true)]
pub struct Options {
    /// Server host
    #[arg(short = 'h', value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// Server port
    #[arg(short = 'p', value_name = "PORT", default_value_t = 6379)]
    pub port: u16,

    /// Server socket, instead of host and port
    #[arg(short = 's', value_name = "SOCKET", conflicts_with_all = ["host", "port", "tls"])]
    pub socket: Option<PathBuf>,

    /// Server URL, instead of host and port: redis://user:password@host:port, rediss:// for TLS
    #[arg(short = 'u', long, value_name = "URL", conflicts_with_all = ["host", "port", "socket", "tls"])]
    pub url: Option<String>,

    /// ACL user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Password. Other users of this machine may see it in the list of processes
    #[arg(short = 'a', long = "pass", value_name = "PASSWORD")]
    pub password: Option<String>,

    /// Ask for the password on the terminal
    #[arg(long, conflicts_with = "password")]
    pub askpass: bool,

    /// Connect with TLS
    #[arg(long)]
    pub tls: bool,

    /// Trust this certificate authority (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Do not verify the server's certificate
    #[arg(long)]
    pub insecure: bool,

    /// Client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,

    /// Look once, print and end
    #[arg(long)]
    pub once: bool,

    /// Print JSON: one object a line for each look, or a single one with --once
    #[arg(long)]
    pub json: bool,

    /// Look once and print metrics in the text format of Prometheus
    #[arg(long, conflicts_with_all = ["json", "once"])]
    pub prometheus: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    match seconds {
        Some(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("accepted are 0.1 to 3600 seconds".into()),
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
    fn h_is_the_host_as_in_redis_cli() {
        let options = Options::parse_from(["durable-top", "-h", "redis.example", "-p", "7000"]);
        assert_eq!(
            (options.host.as_str(), options.port),
            ("redis.example", 7000)
        );
    }

    #[test]
    fn an_interval_is_a_tenth_of_a_second_to_an_hour() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for refused in ["0", "-1", "3601", "NaN", "soon"] {
            assert!(interval(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_url_stands_alone() {
        let both = ["durable-top", "-h", "a", "--url", "redis://b"];
        assert!(Options::try_parse_from(both).is_err());
    }
}
