//! The pages of the family: DURABLE.INCR and the others that run one command of the server.
//!
//! `table.rs` says what each command does. The rest comes from a running server: syntax, complexity
//! and categories from its documentation, replies and examples by executing them. `durable-docs
//! write` writes the pages, and each run of `durable-docs check` compares them.

mod page;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::setup::Setup;

const DIRECTORY: &str = "docs/commands";

/// Writes every page anew.
pub fn write(root: &Path, setup: &Setup) -> Result<()> {
    for row in &table::ROWS {
        let path = root.join(path_of(row.name));
        fs::write(&path, page::text(setup, row)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Whether the pages are as they would be written now. The servers differ in what they tell of
/// their own commands (syntax, complexity), which is above the first heading of the second level.
/// That part is compared on the server for which the pages were written.
pub fn check(root: &Path, setup: &Setup) -> Result<()> {
    for row in &table::ROWS {
        let path = path_of(row.name);
        let found = fs::read_to_string(root.join(&path))
            .with_context(|| format!("reading {}", path.display()))?;
        let wanted = page::text(setup, row)?;
        let is_same = if page::is_written_for(&setup.first().version().to_string()) {
            found == wanted
        } else {
            below(&found) == below(&wanted)
        };
        ensure!(
            is_same,
            "{} is not up to date: `make docs-write` writes it\n{}",
            path.display(),
            first_difference(&found, &wanted)
        );
    }
    Ok(())
}

/// The names of the commands whose pages are written.
pub fn names() -> Vec<String> {
    table::ROWS
        .iter()
        .map(|row| format!("DURABLE.{}", row.name))
        .collect()
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("durable.{}.md", name.to_ascii_lowercase()))
}

fn below(text: &str) -> &str {
    text.split_once("\n## ").map_or("", |(_, below)| below)
}

fn first_difference(found: &str, wanted: &str) -> String {
    let mut lines = found.lines().zip(wanted.lines());
    match lines.find(|(found, wanted)| found != wanted) {
        Some((found, wanted)) => format!("it has:    {found}\nwanted is: {wanted}"),
        None => "one of the texts goes on where the other ends".into(),
    }
}
