//! `durable-docs`: executes the examples of README.md and of the book in docs/, and checks links.
//!
//! | call | effect |
//! |---|---|
//! | `durable-docs check [page …]` | executes and checks everything; with pages, only their blocks |
//! | `durable-docs fill page …` | replaces `?` by the reply that came |
//! | `durable-docs write` | writes the pages of the family anew |
//! | `durable-docs addresses` | lists the addresses on the web |
//!
//! The examples say by the word after `console` which servers they need (`setup.rs`), and show the
//! replies with `…` where they vary (`expected.rs`). It is a program of its own and not a test of
//! cargo, so that it can also write.
//!
//! It is in Rust because the test kit is: real servers that are in step, Ctrl-C, free ports.

#![forbid(unsafe_code)]

mod check;
mod clients;
mod example;
mod expected;
mod family;
mod fill;
mod fragment;
mod links;
mod log_lines;
mod page;
mod pool;
mod reply;
mod setup;
mod syntax;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail, Result};
use testkit::Workspace;

use page::Page;
use setup::{root, Kind, Setup};

const CALLS: &str = "its calls are check, fill, write and addresses";

fn main() -> ExitCode {
    match call() {
        Ok(()) => ExitCode::SUCCESS,
        // Without the backtrace that Result would print.
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn call() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (call, pages) = words.split_first().ok_or_else(|| anyhow!("{CALLS}"))?;
    Workspace::open("durable-docs-")?.run(|| match call.as_str() {
        "check" => check::check(pages),
        "fill" => fill::fill(pages),
        "write" => family::write(&root(), &Setup::start(Kind::Replicated)?),
        "addresses" => {
            let pages = all_pages()?;
            for address in links::addresses(&pages) {
                println!("{address}");
            }
            Ok(())
        }
        other => bail!("durable-docs has no {other}: {CALLS}"),
    })
}

/// All pages, and those beside README.md and in the Python package: their links are checked, their
/// examples are not run.
fn linked_pages() -> Result<Vec<Page>> {
    let mut pages = all_pages()?;
    let mut paths = vec![PathBuf::from("clients/python/README.md")];
    for entry in fs::read_dir(root())? {
        let path = PathBuf::from(entry?.file_name());
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths.retain(|path| pages.iter().all(|page| page.path != *path));
    paths.sort();
    for path in paths {
        pages.push(Page::read(&root(), &path)?);
    }
    Ok(pages)
}

/// README.md and the pages of the book.
fn all_pages() -> Result<Vec<Page>> {
    let mut paths = vec![PathBuf::from("README.md")];
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory))? {
            let path = directory.join(entry?.file_name());
            if root().join(&path).is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Page::read(&root(), path)).collect()
}
