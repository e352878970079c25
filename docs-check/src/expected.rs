//! Compares a reply with the text of a page.
//!
//! | in the page | matches |
//! |---|---|
//! | `…` inside a line | anything in this line, at least one character |
//! | a line that is only `…` | any number of lines |
//! | `<token>` | as `…`; `example.rs` remembers it |
//! | ` ← …` at the end of a line | nothing: it explains the line to the reader |

/// Whether the lines of a reply are as the page shows them.
pub fn matches(expected: &[&str], actual: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else {
        return actual.is_empty();
    };
    let line = without_remark(first);
    if line.trim() == "…" {
        return (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..]));
    }
    match actual.split_first() {
        Some((found, others)) => matches_line(line, found) && matches(rest, others),
        None => false,
    }
}

fn without_remark(line: &str) -> &str {
    let line = line.split_once(" ← ").map_or(line, |(line, _)| line);
    line.trim_end()
}

/// A line with holes: the pieces between them are found in order.
fn matches_line(expected: &str, actual: &str) -> bool {
    let expected = &expected.replace("<token>", "…");
    let Some((first, rest)) = expected.split_once('…') else {
        return expected == actual.trim_end();
    };
    let Some(mut left) = actual.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('…').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left
            .char_indices()
            .skip(1)
            .map(|(at, _)| at)
            .find(|&at| left[at..].starts_with(piece))
        else {
            return false;
        };
        left = &left[at + piece.len()..];
    }
    !left.is_empty() && left.len() > last.len() && left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn text_without_holes_has_to_be_the_same() {
        assert!(matches(&["OK"], &["OK"]));
        assert!(matches(&[], &[]));
        assert!(!matches(&["OK"], &["OK", "OK"]));
        assert!(!matches(&["OK"], &["QUEUED"]));
        assert!(!matches(&["OK"], &[]));
    }

    #[test]
    fn a_hole_matches_at_least_one_character_of_its_line() {
        assert!(matches(&["(integer) …"], &["(integer) 7"]));
        assert!(!matches(&["(integer) …"], &["(integer) "]));
        assert!(matches(&["a … b … c"], &["a 1 b 2 c"]));
        assert!(!matches(&["a … b … c"], &["a 1 2 c"]));
        assert!(!matches(&["(integer) …"], &["\"7\""]));
    }

    #[test]
    fn a_line_that_is_a_hole_matches_lines() {
        assert!(matches(
            &["1) a", "   …", "3) c"],
            &["1) a", "2) b", "3) c"]
        ));
        assert!(matches(&["1) a", "…"], &["1) a"]));
        assert!(!matches(&["1) a", "…", "9) z"], &["1) a", "2) b"]));
    }

    #[test]
    fn a_remark_is_no_part_of_the_reply() {
        assert!(matches(&["(nil)      ← nobody took it"], &["(nil)"]));
        assert!(!matches(&["(nil)      ← nobody took it"], &["OK"]));
    }
}
