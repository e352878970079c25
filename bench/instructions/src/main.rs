//! Counts the instructions that a primary executes in user space for each write.
//!
//! The primary runs in valgrind's callgrind, with one replica beside it. The load is fixed: all
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

fn main() -> Result<()> {
    let options = Options::parse();
    let rows: Vec<Row> = Row::ALL
        .into_iter()
        .filter(|row| {
            options.rows.is_empty() || options.rows.iter().any(|w| row.name().contains(w))
        })
        .collect();
    let steps = rows.len() * options.connections.len();
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);
    bar.set_message("starting servers in callgrind");
    bar.tick();
    let servers = Servers::start()?;
    let mut table = vec![(String::new(), Vec::new())];
    table[0].1 = options
        .connections
        .iter()
        .map(|&count| connections(count))
        .collect();
    for row in rows {
        let mut cells = Vec::new();
        for &count in &options.connections {
            bar.set_message(row.name());
            let file = format!("{row:?}.{count}.callgrind");
            let keep = options.keep.as_ref().map(|directory| directory.join(file));
            let each = servers.count(row, usize::from(count), options.writes, keep.as_deref())?;
            cells.push(format!("{each:.0}"));
            bar.inc(1);
        }
        table.push((row.name().to_owned(), cells));
    }
    bar.finish_and_clear();
    println!(
        "{}, instructions of the primary for each write, one replica\n",
        servers.version()
    );
    print!("{}", text(&table));
    Ok(())
}

fn connections(count: u16) -> String {
    format!("{count} connection{}", if count == 1 { "" } else { "s" })
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
