//! A page: its code blocks, its headings, and its links.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page in Markdown.
pub struct Page {
    /// From the root of the repository.
    pub path: PathBuf,
    pub text: String,
    pub blocks: Vec<Block>,
    /// As GitHub and mdBook name headings in addresses.
    pub anchors: Vec<String>,
    pub links: Vec<Link>,
}

/// A fenced code block.
pub struct Block {
    /// The words after the fence: the language first.
    pub words: Vec<String>,
    pub code: String,
    /// Where the code is in the page's text.
    pub span: Range<usize>,
    /// The line of the fence, counted from 1.
    pub line: usize,
    pub mark: Option<Mark>,
}

/// A comment in the line before a block. Readers of the rendered page do not see it.
pub enum Mark {
    /// `<!-- not run: why -->`
    NotRun(String),
    /// `<!-- run by: path -->`: another test executes the block.
    RunBy(String),
}

pub struct Link {
    pub target: String,
    pub line: usize,
}

impl Page {
    pub fn read(root: &Path, path: &Path) -> Result<Page> {
        let full = root.join(path);
        let text =
            fs::read_to_string(&full).with_context(|| format!("reading {}", full.display()))?;
        Ok(Page::parse(path, text))
    }

    pub fn parse(path: &Path, text: String) -> Page {
        let mut page = Page {
            path: path.to_owned(),
            text: String::new(),
            blocks: Vec::new(),
            anchors: Vec::new(),
            links: Vec::new(),
        };
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        let options = Options::ENABLE_TABLES;
        for (event, span) in Parser::new_ext(&text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let times = seen.entry(anchor.clone()).or_default();
                    page.anchors.push(match *times {
                        0 => anchor,
                        again => format!("{anchor}-{again}"),
                    });
                    *times += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(Link {
                        target: dest_url.to_string(),
                        line: line_of(&text, span.start),
                    });
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    block = Some(Block {
                        words: info.split_whitespace().map(str::to_owned).collect(),
                        code: String::new(),
                        span: 0..0,
                        line: line_of(&text, span.start),
                        mark: mark_before(&text[..span.start]),
                    });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    if let Some(block) = &mut block {
                        if block.code.is_empty() {
                            block.span = span.clone();
                        }
                        block.code.push_str(&words);
                        block.span.end = span.end;
                    }
                }
                _ => {}
            }
        }
        page.text = text;
        page
    }
}

/// Lower case, spaces as hyphens, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

fn mark_before(text: &str) -> Option<Mark> {
    let comment = text.trim_end().strip_suffix("-->")?;
    let comment = comment[comment.rfind("<!--")? + 4..].trim();
    let (kind, words) = comment.split_once(": ")?;
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match kind {
        "not run" => Some(Mark::NotRun(words)),
        "run by" => Some(Mark::RunBy(words)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_the_anchors_of_github() {
        assert_eq!(
            anchor("`DURABLE.CALL` in MONITOR, in a cluster"),
            "durablecall-in-monitor-in-a-cluster"
        );
        assert_eq!(
            anchor("FSYNC and `appendfsync everysec`"),
            "fsync-and-appendfsync-everysec"
        );
    }

    #[test]
    fn a_block_has_its_words_its_code_and_the_mark_before_it() {
        let text =
            "# T\n\n<!-- not run: needs\nDocker -->\n```sh big\nls\n```\n\n[a](b.md#c)\n\n# T\n";
        let page = Page::parse(Path::new("p.md"), text.into());
        assert_eq!(page.anchors, ["t", "t-1"]);
        let block = &page.blocks[0];
        assert_eq!(block.words, ["sh", "big"]);
        assert_eq!(block.code, "ls\n");
        assert_eq!(&page.text[block.span.clone()], "ls\n");
        assert_eq!(block.line, 5);
        assert!(matches!(&block.mark, Some(Mark::NotRun(why)) if why == "needs Docker"));
        assert_eq!(page.links[0].target, "b.md#c");
    }
}
