//! Checks links: a file of the repository exists, and a heading of a page exists. Addresses on the
//! web are listed by `durable-docs addresses`; CI does not depend on other people's servers.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::page::Page;

/// What is wrong with the links of the pages, one line for each.
pub fn problems(root: &Path, pages: &[Page]) -> Vec<String> {
    let by_path: HashMap<&Path, &Page> = pages
        .iter()
        .map(|page| (page.path.as_path(), page))
        .collect();
    let mut problems = Vec::new();
    for page in pages {
        for link in page.links.iter().filter(|link| !is_web(&link.target)) {
            let (file, anchor) = match link.target.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (link.target.as_str(), None),
            };
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                resolved(page.path.parent().unwrap_or(Path::new("")), file)
            };
            let mut say = |what: String| {
                problems.push(format!("{}:{}: {what}", page.path.display(), link.line));
            };
            if !root.join(&target).exists() {
                say(format!("there is no {}", target.display()));
            } else if let Some(anchor) = anchor {
                let known = by_path.get(target.as_path());
                if known.is_some_and(|page| !page.anchors.iter().any(|known| known == anchor)) {
                    say(format!("{} has no heading #{anchor}", target.display()));
                }
            }
        }
    }
    problems
}

/// The pages that the table of contents lacks. Every page of the book has to be in it.
pub fn unlisted(pages: &[Page]) -> Vec<String> {
    const SUMMARY: &str = "docs/SUMMARY.md";
    let Some(summary) = pages.iter().find(|page| page.path == Path::new(SUMMARY)) else {
        return vec![format!("there is no {SUMMARY}")];
    };
    let listed: Vec<PathBuf> = summary
        .links
        .iter()
        .map(|link| resolved(Path::new("docs"), &link.target))
        .collect();
    let missing = pages.iter().filter(|page| {
        page.path.starts_with("docs") && page.path != summary.path && !listed.contains(&page.path)
    });
    missing
        .map(|page| format!("{SUMMARY} does not list {}", page.path.display()))
        .collect()
}

/// Addresses on the web, sorted, each once.
pub fn addresses(pages: &[Page]) -> Vec<&str> {
    let mut addresses: Vec<&str> = pages
        .iter()
        .flat_map(|page| &page.links)
        .map(|link| link.target.as_str())
        .filter(|target| is_web(target))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn is_web(target: &str) -> bool {
    target.starts_with("https://") || target.starts_with("http://") || target.starts_with("mailto:")
}

/// Without `..`, as pages are named.
fn resolved(directory: &Path, file: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in directory.join(file).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> Page {
        Page::parse(Path::new(path), text.into())
    }

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_found() {
        let root = crate::setup::root();
        let pages = [
            page(
                "docs/a.md",
                "# A\n[1](b.md#there) [2](b.md#gone) [3](../README.md) [4](no.md)\n",
            ),
            page("docs/b.md", "# There\n"),
        ];
        std::fs::metadata(root.join("README.md")).expect("a README");
        let found = problems(&root, &pages);
        // docs/b.md is no file of the repository, docs/no.md neither.
        assert!(
            found
                .iter()
                .any(|line| line == "docs/a.md:2: there is no docs/no.md"),
            "{found:?}"
        );
        assert!(
            !found.iter().any(|line| line.contains("README")),
            "{found:?}"
        );
    }

    #[test]
    fn a_page_outside_the_table_of_contents_is_found() {
        let pages = [
            page("docs/SUMMARY.md", "- [A](a.md)\n"),
            page("docs/a.md", ""),
            page("docs/b.md", ""),
            page("README.md", ""),
        ];
        assert_eq!(
            unlisted(&pages),
            ["docs/SUMMARY.md does not list docs/b.md"]
        );
    }
}
