//! The requirement options on a command line: `[REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`,
//! in any order and any case, each at most once.

mod stray;

use std::fmt;

pub use stray::Stray;

use crate::requirement::{
    parse_count, parse_timeout, Options, Replicas, MAX_REPLICAS, MAX_TIMEOUT_MS,
};

/// The names of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// How many replicas have to acknowledge.
    Replicas,
    /// How many of these have to fsync.
    Fsync,
    /// When to give up.
    Timeout,
}

impl Name {
    /// Reads an option's name, in any case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [Self::Replicas, Self::Fsync, Self::Timeout]
            .into_iter()
            .find(|name| word.eq_ignore_ascii_case(name.as_str().as_bytes()))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Replicas => "REPLICAS",
            Self::Fsync => "FSYNC",
            Self::Timeout => "TIMEOUT",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with the options. Words of the user are shown shortened and in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadOption {
    /// The last option has no value.
    NoValue(Name),
    /// The value is none that the option takes.
    BadValue(Name, Word),
    /// The option was given before.
    Twice(Name),
    /// This word is no option, and nothing else may stand here.
    Unexpected(Word),
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue(name) => write!(f, "{name} needs a value: {}", accepted(*name))?,
            Self::BadValue(name, word) => {
                write!(f, "{name} does not take '{word}', but {}", accepted(*name))?;
            }
            Self::Twice(name) => write!(f, "{name} is given twice, it is taken once")?,
            Self::Unexpected(word) => write!(
                f,
                "'{word}' is not a requirement option, accepted are [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]"
            )?,
        }
        f.write_str("; nothing was executed")
    }
}

fn accepted(name: Name) -> String {
    match name {
        Name::Replicas => format!("0 to {MAX_REPLICAS}, MAJORITY or ALL"),
        Name::Fsync => format!("0 to {MAX_REPLICAS}"),
        Name::Timeout => format!("0 to {MAX_TIMEOUT_MS} milliseconds, 0 for ever"),
    }
}

/// A user's word made fit for an error line: at most [`Word::MAX`] bytes of it, printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// How many bytes of a word are shown.
    pub const MAX: usize = 64;

    /// Shortens and escapes.
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

/// Reads options for as long as there are any: the options, and how many words they took.
/// What `DURABLE.CALL` has before its command.
pub fn leading<'a>(
    words: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Options, usize), BadOption> {
    let mut words = words.into_iter();
    let mut options = Options::default();
    let mut taken = 0usize;
    while let Some(name) = words.next().and_then(Name::parse) {
        let value = words.next().ok_or(BadOption::NoValue(name))?;
        set(&mut options, name, value)?;
        taken = taken.saturating_add(2);
    }
    Ok((options, taken))
}

/// Reads words that have to be options and nothing else.
pub fn only<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Result<Options, BadOption> {
    let mut words = words.into_iter();
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let name = Name::parse(word).ok_or_else(|| BadOption::Unexpected(Word::new(word)))?;
        let value = words.next().ok_or(BadOption::NoValue(name))?;
        set(&mut options, name, value)?;
    }
    Ok(options)
}

/// Where the trailing block of options begins among SET's own options (the words after the
/// value): an index into `words`, their number where there is no block. A word that SET compares
/// the old value with may be spelt like an option; such words follow these names of SET's.
pub fn trailing_start_in_set<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> usize {
    const TAKE_ANY_VALUE: [&[u8]; 4] = [b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"];
    let mut skip = false;
    let mut count = 0usize;
    for word in words {
        if skip {
            skip = false;
        } else if Name::parse(word).is_some() {
            return count;
        } else {
            skip = TAKE_ANY_VALUE
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name));
        }
        count = count.saturating_add(1);
    }
    count
}

fn set(options: &mut Options, name: Name, value: &[u8]) -> Result<(), BadOption> {
    let bad = || BadOption::BadValue(name, Word::new(value));
    let repeated = match name {
        Name::Replicas => {
            let parsed = Replicas::parse(value).ok_or_else(bad)?;
            options.replicas.replace(parsed).is_some()
        }
        Name::Fsync => {
            let parsed = parse_count(value).ok_or_else(bad)?;
            options.fsync.replace(parsed).is_some()
        }
        Name::Timeout => {
            let parsed = parse_timeout(value).ok_or_else(bad)?;
            options.timeout_ms.replace(parsed).is_some()
        }
    };
    if repeated {
        return Err(BadOption::Twice(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split_whitespace().map(str::as_bytes).collect()
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let expected = Options {
            replicas: Some(Replicas::Majority),
            fsync: Some(1),
            timeout_ms: Some(20),
        };
        for line in [
            "REPLICAS majority FSYNC 1 TIMEOUT 20",
            "timeout 20 replicas MAJORITY fsync 1",
        ] {
            assert_eq!(only(words(line)), Ok(expected));
            assert_eq!(leading(words(line)), Ok((expected, 6)));
        }
        assert_eq!(only(words("")), Ok(Options::default()));
    }

    #[test]
    fn each_wrong_option_is_named() {
        let error = |line| only(words(line)).unwrap_err().to_string();
        assert!(error("REPLICAS").starts_with("REPLICAS needs a value: 0 to 1000, MAJORITY or ALL"));
        assert!(error("TIMEOUT x").starts_with("TIMEOUT does not take 'x', but 0 to 86400000"));
        assert!(error("FSYNC -1").starts_with("FSYNC does not take '-1'"));
        assert!(error("FSYNC 1 FSYNC 1").starts_with("FSYNC is given twice"));
        assert!(error("TIMEOUT 1 NX").starts_with("'NX' is not a requirement option"));
        assert!(error("NX").ends_with("; nothing was executed"));
    }

    #[test]
    fn leading_options_end_at_the_first_other_word() {
        let (options, taken) = leading(words("REPLICAS 2 GET TIMEOUT")).unwrap();
        assert_eq!(options.replicas, Some(Replicas::Count(2)));
        assert_eq!(taken, 2);
        assert_eq!(leading(words("GET k")).unwrap().1, 0);
    }

    #[test]
    fn the_trailing_block_of_set_spares_the_values_that_set_compares_with() {
        for (line, start) in [
            ("", 0),
            ("NX GET", 2),
            ("TIMEOUT 5", 0),
            ("EX 5 TIMEOUT 5", 2),
            ("IFEQ TIMEOUT GET", 3),
            ("ifdne replicas replicas 1", 2),
            ("IFEQ", 1),
        ] {
            assert_eq!(trailing_start_in_set(words(line)), start, "{line}");
        }
    }

    #[test]
    fn a_word_in_an_error_is_short_and_printable() {
        let long = vec![0u8; 100_000];
        assert_eq!(Word::new(&long).to_string().len(), Word::MAX * 4 + 3);
        assert_eq!(Word::new(b"a\r\n\xff").to_string(), "a\\r\\n\\xff");
    }

    proptest! {
        #[test]
        fn no_words_are_too_strange(words in prop::collection::vec(
            prop_oneof![
                Just(b"REPLICAS".to_vec()), Just(b"fsync".to_vec()), Just(b"Timeout".to_vec()),
                Just(b"1".to_vec()), Just(b"ALL".to_vec()), prop::collection::vec(any::<u8>(), 0..9),
            ], 0..9))
        {
            let slices = || words.iter().map(Vec::as_slice);
            let start = trailing_start_in_set(slices());
            prop_assert!(start <= words.len());
            if let Ok((options, taken)) = leading(slices()) {
                prop_assert!(taken <= words.len());
                prop_assert_eq!(only(slices().take(taken)), Ok(options));
            }
            if let Err(error) = only(slices()) {
                prop_assert!(error.to_string().is_ascii());
            }
        }
    }
}
