//! Compares the page about log lines with the module's source: each line that the source can write
//! at the levels warning and notice is on the page.
//!
//! The page has a line's fixed parts in backquotes, with `…` where the text varies. Each of these
//! parts has to be in the source; and each fixed part in the source has to be on the page.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};

const PAGE: &str = "docs/operations/log-lines.md";
/// The lines of failover groups.
const FAILOVER_PAGE: &str = "docs/failover.md";

/// The calls that write a line.
const CALLS: [&str; 4] = [
    ".log_warning(",
    ".log_notice(",
    "LogLine::Warning(",
    "LogLine::Notice(",
];

/// Variables that calls pass, the file that has their texts, and the words before each text there.
/// A call with another variable fails: its texts have to be found, too.
const VARIABLES: [(&str, &str, &str); 8] = [
    (
        "NO_CATEGORIES",
        "src/commands.rs",
        "const NO_CATEGORIES: &str =",
    ),
    (
        "ALREADY_LOADED",
        "src/load.rs",
        "const ALREADY_LOADED: &str =",
    ),
    ("&why", "src/ffi/events.rs", "Err("),
    ("reason", "src/load.rs", "Err("),
    ("obstacle", "src/unload.rs", "Some("),
    ("&text", "core/src/alarms.rs", "LogLine::"),
    ("String", "core/src/alarms.rs", "LogLine::"),
    ("match required", "core/src/alarms.rs", "Some(required) =>"),
];

pub fn check(root: &Path) -> Result<()> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("reading {PAGE}"))?;
    let failover = fs::read_to_string(root.join(FAILOVER_PAGE))
        .with_context(|| format!("reading {FAILOVER_PAGE}"))?;
    let page = squeezed(&format!("{page}\n{failover}"));
    let mut missing = Vec::new();
    for (file, call) in calls(root)? {
        for part in fixed_parts(&call) {
            if !page.contains(&part) {
                missing.push(format!("{file}: {part}"));
            }
        }
    }
    missing.sort();
    missing.dedup();
    ensure!(
        missing.is_empty(),
        "{PAGE} and {FAILOVER_PAGE} lack these texts of the log:\n{}",
        missing.join("\n")
    );
    Ok(())
}

/// Each call that writes a line, with its arguments; and the texts of variables.
fn calls(root: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for directory in ["src", "core/src"] {
        for file in sources(&root.join(directory))? {
            let source = fs::read_to_string(&file)?;
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            let name = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .display()
                .to_string();
            if name.contains("/tests") {
                continue;
            }
            for call in CALLS {
                for (at, _) in source.match_indices(call) {
                    let arguments = in_parentheses(&source[at + call.len() - 1..]);
                    if !arguments.contains('"') {
                        let known = VARIABLES.iter().any(|(variable, ..)| {
                            arguments.contains(variable) || arguments == "text"
                        });
                        ensure!(
                            known,
                            "{name} logs {arguments}: add it to VARIABLES, and its texts to {PAGE}"
                        );
                    }
                    found.push((name.clone(), arguments.to_owned()));
                }
            }
            for (_, place, before) in VARIABLES {
                if name == place {
                    for (at, _) in source.match_indices(before) {
                        found.push((
                            name.clone(),
                            statement(&source[at + before.len()..]).to_owned(),
                        ));
                    }
                }
            }
        }
    }
    ensure!(
        found.len() > 10,
        "the source writes fewer lines than expected"
    );
    Ok(found)
}

fn sources(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What is inside of the parentheses that the text begins with.
fn in_parentheses(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in outside_of_quotes(text) {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return text[1..at].trim();
                }
            }
            _ => {}
        }
    }
    text
}

/// Up to the end of the line that ends a statement or an arm.
fn statement(text: &str) -> &str {
    let mut ends = outside_of_quotes(text).filter(|&(_, c)| matches!(c, ';' | '}'));
    ends.next().map_or(text, |(at, _)| &text[..at])
}

/// The characters outside of literals, with their places.
fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quoted = false;
    let mut escaped = false;
    text.char_indices().filter(move |&(_, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted,
        }
        false
    })
}

/// The texts in quotes, split where a value is put in. Short pieces, such as ` of `, are left out.
fn fixed_parts(code: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for text in code.split('"').skip(1).step_by(2) {
        let text = text.replace("\\\n", "");
        let mut rest = squeezed(&text);
        let mut pieces = Vec::new();
        while let Some((piece, after)) = rest.split_once('{') {
            pieces.push(piece.to_owned());
            rest = after
                .split_once('}')
                .map(|(_, rest)| rest.to_owned())
                .unwrap_or_default();
        }
        pieces.push(rest);
        parts.extend(
            pieces
                .iter()
                .map(|piece| piece.trim().to_owned())
                .filter(|piece| piece.len() > 11),
        );
    }
    parts
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_format_string_are_its_fixed_text() {
        let code = r#"&format!("not loaded at all: {reason}, the module \
            stays {} away", x)"#;
        assert_eq!(
            fixed_parts(code),
            ["not loaded at all:", ", the module stays"]
        );
        assert_eq!(in_parentheses("(a(b) \")\" c) d"), "a(b) \")\" c");
    }
}
