//! Describes the machine, because the figures depend on it.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde::Serialize;
use testkit::server_binary;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    /// Load average of the last minute, read before anything was started. Shows other work.
    pub load_average: Option<f64>,
    pub server: String,
    pub module: String,
}

impl Machine {
    pub fn inspect() -> Result<Machine> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map_or_else(
                || std::env::consts::ARCH.into(),
                |(_, name)| name.trim().into(),
            );
        let load = read("/proc/loadavg");
        Ok(Machine {
            cores: available_parallelism().map_or(1, usize::from),
            processor,
            kernel: read("/proc/sys/kernel/osrelease").trim().into(),
            load_average: load.split(' ').next().and_then(|load| load.parse().ok()),
            server: server_version()?,
            module: format!("redis-durable {}", env!("CARGO_PKG_VERSION")),
        })
    }
}

/// For example `Redis 7.0.15`, from `Redis server v=7.0.15 sha=…`.
fn server_version() -> Result<String> {
    let binary = server_binary();
    let output = Command::new(binary)
        .arg("--version")
        .output()
        .with_context(|| format!("running {} --version", binary.display()))?;
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let product = line.split_whitespace().next().context("a version line")?;
    let version = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    Ok(format!(
        "{product} {}",
        version.unwrap_or("of an unknown version")
    ))
}
