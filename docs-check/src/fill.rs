//! Writes the replies into pages that have `?` in their place.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Result};

use crate::page::Page;
use crate::pool::Pool;
use crate::setup::{root, Kind, Wanted};
use crate::syntax;

pub fn fill(chosen: &[String]) -> Result<()> {
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
                let command = page
                    .path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .to_ascii_uppercase();
                let server = servers.with(Kind::Replicated)?.first();
                filled.push((
                    block.span.clone(),
                    syntax::of(server, &command)?.syntax + "\n",
                ));
            }
            if language != "console" {
                continue;
            }
            let wanted = Wanted::parse(&block.words[1..])?;
            match servers.run(wanted, &block.code) {
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
