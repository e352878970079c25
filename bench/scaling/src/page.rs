//! Writes the tables into docs/scaling.md, between comments that name them. So the page and the
//! program cannot differ.
//!
//! ```text
//! <!-- writes -->
//! … replaced …
//! <!-- end -->
//! ```

use anyhow::{Context, Result};

const END: &str = "<!-- end -->";

/// The page with these tables in their places. Fails if the page has no place for one of them.
pub fn filled(page: &str, tables: &[(&str, String)]) -> Result<String> {
    let mut page = page.to_string();
    for (name, table) in tables {
        let mark = format!("<!-- {name} -->\n");
        let no_place = || format!("the page has no place for the table {name}");
        let begin = page.find(&mark).with_context(no_place)? + mark.len();
        let length = page[begin..].find(END).with_context(no_place)?;
        page.replace_range(begin..begin + length, &format!("\n{}\n\n", table.trim()));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_replaced_and_the_rest_stays() -> Result<()> {
        let page = "a\n<!-- x -->\nold\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n";
        let tables = [("y", "| 2 |\n".to_string()), ("x", "| 1 |".to_string())];
        let once = filled(page, &tables)?;
        assert_eq!(
            once,
            "a\n<!-- x -->\n\n| 1 |\n\n<!-- end -->\nb\n<!-- y -->\n\n| 2 |\n\n<!-- end -->\n"
        );
        assert_eq!(filled(&once, &tables)?, once);
        assert!(filled("no place", &tables).is_err());
        Ok(())
    }
}
