//! Counts the instructions that a primary executes in user space for each write, and a node of a
//! cluster for each key of a slot hint.
//!
//! The primary runs in valgrind's callgrind, with replicas beside it. The load is fixed: all
//! connections send one packet each while the primary is stopped, so it reads them in one turn of
//! its event loop. The next packets follow when all replies have arrived. What the primary does by
//! the clock (`serverCron`, and news of the cluster bus) is subtracted, and its hash tables have
//! the same seed at each start. So the numbers hardly depend on the machine, and two runs differ by
//! less than 0.5 %.

mod asleep;
mod callgrind;
mod hints;
mod rows;
mod seed;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::{least_module_path, module_path};

use hints::{Batch, HintCluster};
use rows::{Row, Servers};

/// Counts the instructions of a primary for each write and of a cluster node for each key of a slot
/// hint, with callgrind.
///
/// DURABLE_TEST_SERVER names another server binary, DURABLE_TEST_MODULE another build of the
/// module, DURABLE_LEAST_MODULE another build of the least possible one.
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

    /// How many keys of slot hints are counted in each row
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    keys: u32,

    /// Count only these
    #[arg(long, value_enum)]
    only: Option<Subject>,

    /// Only these rows of writes: words of their names, separated by commas
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    rows: Vec<String>,

    /// Keep callgrind's files of writes in this directory, to be read by callgrind_annotate. It is
    /// created if it is missing
    #[arg(long, value_name = "DIRECTORY")]
    keep: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    Writes,
    Hints,
}

/// The end of a table's heading.
const IN_PARENTHESES: &str = "; in parentheses: in the module's own code";

/// A table under construction: rows of a name and a number for each column.
type Table = Vec<(String, Vec<String>)>;

impl Options {
    /// The rows of writes to count, with so many replicas.
    fn chosen(&self, replicas: u16) -> Vec<Row> {
        let is_chosen = |row: &Row| {
            let name = row.name();
            self.rows.is_empty() || self.rows.iter().any(|words| name.contains(words.as_str()))
        };
        Row::all(replicas).into_iter().filter(is_chosen).collect()
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let counts = |subject| options.only.is_none_or(|only| only == subject);
    if counts(Subject::Writes) {
        writes(&options)?;
    }
    if counts(Subject::Hints) && options.rows.is_empty() {
        hints(&options)?;
    }
    Ok(())
}

fn writes(options: &Options) -> Result<()> {
    if let Some(keep) = &options.keep {
        fs::create_dir_all(keep).with_context(|| format!("creating {}", keep.display()))?;
    }
    // Both panic if the library is missing. Called first, so that the run fails before it starts.
    module_path();
    least_module_path();
    let rows: usize = options
        .replicas
        .iter()
        .map(|&n| options.chosen(n).len())
        .sum();
    let bar = progress(rows * options.connections.len())?;
    for &replicas in &options.replicas {
        let table = table(replicas, options, &bar)?;
        bar.suspend(|| println!("{table}"));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Counts all rows on servers with this many replicas.
fn table(replicas: u16, options: &Options, bar: &ProgressBar) -> Result<String> {
    let servers = Servers::start(replicas)?;
    let heading = options.connections.iter();
    let heading = heading.map(|&count| counted(count, "connection"));
    let mut table = vec![(String::new(), heading.collect())];
    for row in options.chosen(replicas) {
        let mut cells = Vec::new();
        for &count in &options.connections {
            bar.set_message(row.name());
            let file = format!("{row:?}.{replicas}.{count}.callgrind");
            let keep = options.keep.as_ref().map(|directory| directory.join(file));
            let each = servers.count(row, usize::from(count), options.writes, keep.as_deref())?;
            cells.push(each);
            bar.inc(1);
        }
        table.push((row.name(), cells));
    }
    Ok(format!(
        "{}, instructions of the primary for each write, {}{IN_PARENTHESES}\n\n{}",
        servers.version(),
        counted(replicas, "replica"),
        text(&table)
    ))
}

fn hints(options: &Options) -> Result<()> {
    let bar = progress(hints::Row::ALL.len() * Batch::ALL.len())?;
    let cluster = HintCluster::start()?;
    let head = Batch::ALL.map(Batch::name).to_vec();
    let mut table = vec![(String::new(), head)];
    for row in hints::Row::ALL {
        let mut cells = Vec::new();
        for batch in Batch::ALL {
            bar.set_message(row.name());
            let each = cluster.count(row, batch, usize::try_from(options.keys)?)?;
            cells.push(each);
            bar.inc(1);
        }
        table.push((row.name().to_owned(), cells));
    }
    bar.finish_and_clear();
    println!(
        "{}, instructions of a cluster node for each key, three primaries{IN_PARENTHESES}\n",
        cluster.version()
    );
    println!("{}", text(&table));
    Ok(())
}

fn progress(steps: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);
    bar.set_message("starting servers in callgrind");
    bar.tick();
    Ok(bar)
}

fn counted(count: u16, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The names to the left, the numbers to the right.
fn text(table: &Table) -> String {
    let width = table
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let line = |(name, cells): &(String, Vec<String>)| {
        let cells = cells.iter().map(|cell| format!("{cell:>18}"));
        format!("{name:width$}{}\n", cells.collect::<String>())
    };
    table.iter().map(line).collect()
}
