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

mod example;
mod expected;
mod family;
mod fragment;
mod links;
mod log_lines;
mod page;
mod reply;
mod setup;
mod syntax;
mod workspace;

use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{anyhow, bail, ensure, Result};

use page::{Block, Mark, Page};
use setup::{root, Kind, Setup, Wanted};
use workspace::Workspace;

/// How many pages are checked at once.
const WORKERS: usize = 3;

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
    let (call, pages) = words.split_first().ok_or_else(|| anyhow!("check, fill, write or addresses?"))?;
    Workspace::open()?.run(|| match call.as_str() {
        "check" => check(pages),
        "fill" => fill(pages),
        "write" => family::write(&root(), &Setup::start(Kind::Replicated)?),
        "addresses" => {
            let pages = all_pages()?;
            for address in links::addresses(&pages) {
                println!("{address}");
            }
            Ok(())
        }
        other => bail!("durable-docs has no {other}: check, fill, write, addresses"),
    })
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

fn check(chosen: &[String]) -> Result<()> {
    let pages = all_pages()?;
    let mut problems = Vec::new();
    let is_chosen = |page: &&Page| chosen.is_empty() || chosen.iter().any(|name| page.path == Path::new(name));
    let wanted: Vec<&Page> = pages.iter().filter(is_chosen).collect();
    let counts = Counts::default();
    let next = AtomicUsize::new(0);
    // Mostly they wait for servers.
    std::thread::scope(|scope| {
        let worker = || {
            let mut servers = Pool::default();
            let mut problems = Vec::new();
            while let Some(page) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                problems.extend(check_page(&mut servers, page, &counts));
                servers.page_ends();
            }
            problems
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            match worker.join() {
                Ok(found) => problems.extend(found),
                Err(_) => problems.push("a worker panicked".into()),
            }
        }
    });
    let mut servers = Pool::default();
    if chosen.is_empty() {
        problems.extend(links::problems(&root(), &pages));
        problems.extend(links::unlisted(&pages));
        problems.extend(log_lines::check(&root()).err().map(|error| format!("{error:#}")));
        let replicated = servers.with(Kind::Replicated)?;
        problems.extend(family::check(&root(), replicated).err().map(|error| format!("{error:#}")));
        problems.extend(missing_pages(replicated, &pages));
    }
    problems.sort();
    for problem in &problems {
        println!("{problem}\n");
    }
    ensure!(problems.is_empty(), "{} problems in the documentation", problems.len());
    let (executed, not_here) = (counts.executed.into_inner(), counts.not_here.into_inner());
    let not_here = match not_here {
        0 => String::new(),
        count => format!(", {count} not executed because this server lacks what they show"),
    };
    println!("{} pages, {executed} examples executed{not_here}", pages.len());
    Ok(())
}

#[derive(Default)]
struct Counts {
    executed: AtomicUsize,
    not_here: AtomicUsize,
}

fn check_page(servers: &mut Pool, page: &Page, counts: &Counts) -> Vec<String> {
    let mut problems = Vec::new();
    for block in &page.blocks {
        match check_block(servers, block) {
            Ok(Checked::Executed) => drop(counts.executed.fetch_add(1, Ordering::Relaxed)),
            Ok(Checked::Otherwise) => {}
            Ok(Checked::NotOnThisServer) => drop(counts.not_here.fetch_add(1, Ordering::Relaxed)),
            Err(error) => {
                problems.push(format!("{}:{}: {error:#}", page.path.display(), block.line));
            }
        }
    }
    problems
}

/// Each command of the module has a page.
fn missing_pages(setup: &Setup, pages: &[Page]) -> Vec<String> {
    let names = syntax::module_commands(setup.first());
    let path = |name: &str| PathBuf::from(format!("docs/commands/{}.md", name.to_ascii_lowercase()));
    let written = family::names();
    let wanted = names.iter().chain(&written).map(|name| path(name));
    let missing = wanted.filter(|path| !pages.iter().any(|page| page.path == *path));
    missing.map(|path| format!("there is no {}", path.display())).collect()
}

enum Checked {
    Executed,
    Otherwise,
    NotOnThisServer,
}

fn check_block(servers: &mut Pool, block: &Block) -> Result<Checked> {
    match &block.mark {
        Some(Mark::NotRun(why)) => {
            ensure!(why.len() > 8, "the reason is missing: <!-- not run: why -->");
            return Ok(Checked::Otherwise);
        }
        Some(Mark::RunBy(place)) => {
            ensure!(root().join(place).exists(), "there is no {place}");
            return Ok(Checked::Otherwise);
        }
        None => {}
    }
    let (language, words) = block.words.split_first().ok_or_else(|| anyhow!("a block without a language"))?;
    match language.as_str() {
        "console" => {
            let wanted = Wanted::parse(words)?;
            let asks = block.code.lines().any(|line| line == "?" || line.ends_with("< ?"));
            ensure!(!asks, "`?` instead of a reply: `make docs-fill` writes it");
            match run(servers, wanted, &block.code)? {
                Some(_) => Ok(Checked::Executed),
                None => Ok(Checked::NotOnThisServer),
            }
        }
        "syntax" => {
            check_syntax(servers.with(Kind::Replicated)?, &block.code)?;
            Ok(Checked::Executed)
        }
        other => {
            guarded(|| fragment::check(&root(), other, &block.code))?;
            Ok(Checked::Otherwise)
        }
    }
}

/// The lines of the page are those that COMMAND DOCS gives. What SET and the family take differs
/// between servers: their pages have the words of one of them.
fn check_syntax(setup: &Setup, code: &str) -> Result<()> {
    for line in code.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let wanted = guarded(|| Ok(syntax::of(setup.first(), name)?.syntax))?;
        let differs = name == "DURABLE.SET" || family::names().iter().any(|known| known == name);
        if differs && !setup.first().version().to_string().starts_with("Redis 7.0.") {
            continue;
        }
        ensure!(line == wanted, "the syntax is\n{wanted}");
    }
    Ok(())
}

fn run(servers: &mut Pool, wanted: Wanted, code: &str) -> Result<Option<example::Outcome>> {
    let setup = servers.with(wanted.kind)?;
    if wanted.kind == Kind::Fsync && !setup.reports_fsyncs() {
        return Ok(None);
    }
    let outcome = guarded(|| example::run(setup, code, wanted.resp3));
    setup.resume();
    let (changed, broke) = match &outcome {
        Ok(outcome) => (outcome.changed_servers, outcome.broke_servers),
        Err(_) => (true, true),
    };
    servers.changed |= changed;
    if broke {
        servers.running.retain(|setup| setup.kind != wanted.kind);
    }
    outcome.map(Some)
}

fn fill(chosen: &[String]) -> Result<()> {
    ensure!(!chosen.is_empty(), "which pages?");
    let mut servers = Pool::default();
    for name in chosen {
        let page = Page::read(&root(), Path::new(name))?;
        let mut text = page.text.clone();
        // From the end, so that the places of earlier blocks stay right; executed from the start.
        let mut filled = Vec::new();
        for block in page.blocks.iter().filter(|block| block.mark.is_none()) {
            let language = block.words.first().map_or("", String::as_str);
            if language == "syntax" && block.code == "?\n" {
                let command = page.path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
                let server = servers.with(Kind::Replicated)?.first();
                filled.push((block.span.clone(), syntax::of(server, &command)?.syntax + "\n"));
            }
            if language != "console" {
                continue;
            }
            let wanted = Wanted::parse(&block.words[1..])?;
            match run(&mut servers, wanted, &block.code) {
                Ok(Some(outcome)) if outcome.filled != block.code => {
                    filled.push((block.span.clone(), outcome.filled));
                }
                Ok(_) => {}
                Err(error) => println!("{name}:{}: {error:#}\n", block.line),
            }
        }
        for (span, code) in filled.into_iter().rev() {
            text.replace_range(span, &code);
        }
        fs::write(root().join(name), text)?;
        servers.page_ends();
    }
    Ok(())
}

/// The test kit panics when it waits for something in vain.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
        Err(anyhow!(text.unwrap_or_else(|| "a panic without a message".into())))
    })
}

/// Running servers. The examples of a page share them, and the next page uses them if this one has
/// changed nothing but data.
#[derive(Default)]
struct Pool {
    running: Vec<Setup>,
    changed: bool,
}

impl Pool {
    fn with(&mut self, kind: Kind) -> Result<&Setup> {
        if !self.running.iter().any(|setup| setup.kind == kind) {
            let setup = guarded(|| Setup::start(kind))?;
            self.running.push(setup);
        }
        let found = self.running.iter().find(|setup| setup.kind == kind);
        found.ok_or_else(|| anyhow!("no servers of this kind"))
    }

    fn page_ends(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.running.clear();
        }
        for setup in &self.running {
            setup.clear();
        }
    }
}
