//! Executes and checks the pages.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{anyhow, ensure, Result};

use crate::page::{Block, Mark, Page};
use crate::pool::{guarded, Pool};
use crate::setup::{root, Kind, Setup, Wanted};
use crate::{all_pages, family, fragment, linked_pages, links, log_lines, syntax};

/// How many pages are checked at once.
const WORKERS: usize = 3;

/// Checks everything; with chosen pages, only their blocks.
pub fn check(chosen: &[String]) -> Result<()> {
    let pages = all_pages()?;
    let mut problems = Vec::new();
    let is_chosen =
        |page: &&Page| chosen.is_empty() || chosen.iter().any(|name| page.path == Path::new(name));
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
        problems.extend(links::problems(&root(), &linked_pages()?));
        problems.extend(links::unlisted(&pages));
        problems.extend(
            log_lines::check(&root())
                .err()
                .map(|error| format!("{error:#}")),
        );
        let replicated = servers.with(Kind::Replicated)?;
        problems.extend(
            family::check(&root(), replicated)
                .err()
                .map(|error| format!("{error:#}")),
        );
        problems.extend(missing_pages(replicated, &pages));
        problems.extend(missing_fields(replicated, &pages));
    }
    problems.sort();
    for problem in &problems {
        println!("{problem}\n");
    }
    ensure!(
        problems.is_empty(),
        "{} problems in the documentation",
        problems.len()
    );
    let (executed, not_here) = (counts.executed.into_inner(), counts.not_here.into_inner());
    let not_here = match not_here {
        0 => String::new(),
        count => format!(", {count} not executed because this server lacks what they show"),
    };
    println!(
        "{} pages, {executed} examples executed{not_here}",
        pages.len()
    );
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
    let path =
        |name: &str| PathBuf::from(format!("docs/commands/{}.md", name.to_ascii_lowercase()));
    let written = family::names();
    let wanted = names.iter().chain(&written).map(|name| path(name));
    let missing = wanted.filter(|path| !pages.iter().any(|page| page.path == *path));
    missing
        .map(|path| format!("there is no {}", path.display()))
        .collect()
}

/// Each field of INFO is on the page about operating. A `…` there stands for the ends of names.
fn missing_fields(setup: &Setup, pages: &[Page]) -> Vec<String> {
    const PAGE: &str = "docs/operations.md";
    let Some(page) = pages.iter().find(|page| page.path == Path::new(PAGE)) else {
        return vec![format!("there is no {PAGE}")];
    };
    let info: String = setup.first().run(&["INFO", "durable"]);
    let fields = info
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0));
    let is_there = |field: &str| {
        let mut begins = field.match_indices('_').map(|(at, _)| &field[..=at]);
        page.text.contains(&format!("`{field}`"))
            || begins.any(|begin| page.text.contains(&format!("`{begin}…`")))
    };
    let missing = fields.filter(|field| !is_there(field));
    missing
        .map(|field| format!("{PAGE} lacks {field}"))
        .collect()
}

enum Checked {
    Executed,
    Otherwise,
    NotOnThisServer,
}

fn check_block(servers: &mut Pool, block: &Block) -> Result<Checked> {
    let (language, words) = block
        .words
        .split_first()
        .ok_or_else(|| anyhow!("a block without a language"))?;
    match &block.mark {
        Some(Mark::NotRun(why)) => {
            ensure!(
                why.len() > 8,
                "the reason is missing: <!-- not run: why -->"
            );
            if language == "python" {
                fragment::python(&block.code)?;
            }
            return Ok(Checked::Otherwise);
        }
        Some(Mark::RunBy(place)) => {
            ensure!(root().join(place).exists(), "there is no {place}");
            return Ok(Checked::Otherwise);
        }
        None => {}
    }
    match language.as_str() {
        "console" => {
            let wanted = Wanted::parse(words)?;
            let asks = block
                .code
                .lines()
                .any(|line| line == "?" || line.ends_with("< ?"));
            ensure!(!asks, "`?` instead of a reply: `make docs-fill` writes it");
            match servers.run(wanted, &block.code)? {
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
        if differs
            && !setup
                .first()
                .version()
                .to_string()
                .starts_with("Redis 7.0.")
        {
            continue;
        }
        ensure!(line == wanted, "the syntax is\n{wanted}");
    }
    Ok(())
}
