//! Counts the instructions that a primary executes in user space for each write.
//!
//! The primary runs in valgrind's callgrind, with replicas beside it. The load is fixed: all
//! connections send one packet each while the primary is stopped, so it reads them in one turn of
//! its event loop. The next packets follow when all replies have arrived. What the primary does by
//! the clock (`serverCron`) is subtracted. So the numbers hardly depend on the machine.

mod callgrind;
mod rows;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use rows::{Row, Servers};

/// Counts the instructions that a primary executes for each write, with callgrind.
///
/// DURABLE_TEST_SERVER names another server binary, DURABLE_TEST_MODULE another build of the
/// module.
#[derive(Parser)]
#[command(name = "durable-instructions", version)]
struct Options {
    /// Numbers of connections, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 50], value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: Vec<u16>,

    /// Numbers of replicas, separated by commas: a table for each
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1], value_parser = clap::value_parser!(u16).range(1..=100))]
    replicas: Vec<u16>,

    /// How many writes are counted in each row
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    writes: u64,

    /// Only these rows: words of their names, separated by commas
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    rows: Vec<String>,

    /// Keep callgrind's files in this directory, to be read by callgrind_annotate
    #[arg(long, value_name = "DIRECTORY")]
    keep: Option<PathBuf>,
}

impl Options {
    fn chooses(&self, row: Row) -> bool {
        let name = row.name();
        self.rows.is_empty() || self.rows.iter().any(|words| name.contains(words.as_str()))
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let chosen = |n| {
        Row::all(n)
            .into_iter()
            .filter(|row| options.chooses(*row))
            .count()
    };
    let rows: usize = options.replicas.iter().map(|&n| chosen(n)).sum();
    let bar = ProgressBar::new((rows * options.connections.len()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);
    for &replicas in &options.replicas {
        let table = table(replicas, &options, &bar)?;
        bar.suspend(|| println!("{table}"));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Counts all rows on servers with this many replicas.
fn table(replicas: u16, options: &Options, bar: &ProgressBar) -> Result<String> {
    bar.set_message("starting servers in callgrind");
    bar.tick();
    let servers = Servers::start(replicas)?;
    let heading = options.connections.iter();
    let heading = heading.map(|&count| counted(count, "connection"));
    let mut table = vec![(String::new(), heading.collect())];
    let rows = Row::all(replicas).into_iter();
    for row in rows.filter(|row| options.chooses(*row)) {
        let mut cells = Vec::new();
        for &count in &options.connections {
            bar.set_message(row.name());
            let file = format!("{row:?}.{replicas}.{count}.callgrind");
            let keep = options.keep.as_ref().map(|directory| directory.join(file));
            let each = servers.count(row, usize::from(count), options.writes, keep.as_deref())?;
            cells.push(format!("{each:.0}"));
            bar.inc(1);
        }
        table.push((row.name(), cells));
    }
    Ok(format!(
        "{}, instructions of the primary for each write, {}\n\n{}",
        servers.version(),
        counted(replicas, "replica"),
        text(&table)
    ))
}

fn counted(count: u16, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The names to the left, the numbers to the right.
fn text(table: &[(String, Vec<String>)]) -> String {
    let width = table.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, cells): &(String, Vec<String>)| {
        let cells = cells.iter().map(|cell| format!("{cell:>16}"));
        format!("{name:width$}{}\n", cells.collect::<String>())
    };
    table.iter().map(line).collect()
}
