//! A user's word, shortened and escaped for an error message.

use std::fmt;

/// At most the first [`Word::MAX`] bytes of a word. A byte that is not printable ASCII is escaped:
/// a null byte becomes the four characters `\x00`. A shortened word ends in `...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// The number of bytes that are shown.
    pub const MAX: usize = 64;

    /// Shortens and escapes a word.
    pub fn new(word: &[u8]) -> Self {
        let shown = word.iter().take(Self::MAX).copied();
        let mut text: String = shown
            .flat_map(std::ascii::escape_default)
            .map(char::from)
            .collect();
        if word.len() > Self::MAX {
            text.push_str("...");
        }
        Self(text)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
