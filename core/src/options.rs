//! Reads the requirement options of a command: `[REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`,
//! in any order and any case, each at most once.
//!
//! | where the options stand | function | example |
//! |---|---|---|
//! | before the inner command of `DURABLE.CALL` | [`leading`] | `REPLICAS 2 GET k` |
//! | alone, after a command with a fixed number of arguments | [`only`] | `TIMEOUT 500` |
//! | after SET's own options | [`trailing_start_in_set`], then [`only`] | `EX 5 TIMEOUT 500` |
//! | after a variadic command, which takes none | [`StrayOption`]: an error | `DEL k REPLICAS 2` |

mod stray;
mod word;

use std::fmt;

pub use stray::StrayOption;
pub use word::Word;

use crate::requirement::{
    parse_count, parse_timeout, Options, ReplicaCount, MAX_REPLICAS, MAX_TIMEOUT_MS,
};

/// The name of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// How many replicas have to acknowledge.
    Replicas,
    /// How many of these have to fsync.
    Fsync,
    /// After how many milliseconds to give up.
    Timeout,
}

impl Name {
    /// Reads the name of an option, in any case. Returns `None` for any other word.
    pub fn parse(word: &[u8]) -> Option<Self> {
        if let Ok(eight) = <[u8; 8]>::try_from(word) {
            return is_replicas(eight).then_some(Self::Replicas);
        }
        [Self::Fsync, Self::Timeout]
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

/// Whether these bytes are REPLICAS, in any case. Most commands have this option, and each reads its
/// name twice. The bit is the difference between a letter and its upper case. A byte that becomes a
/// lower case letter by setting it was that letter.
fn is_replicas(word: [u8; 8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    u64::from_ne_bytes(word) | LOWER == u64::from_ne_bytes(*b"replicas")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why options are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// The last option has no value.
    NoValue(Name),
    /// The option does not take this value.
    BadValue(Name, Word),
    /// The option is given more than once.
    Twice(Name),
    /// This word is not the name of an option, and nothing else is accepted here.
    Unexpected(Word),
}

impl fmt::Display for OptionError {
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

/// Reads options up to the first word that is not the name of one. Returns the options and the
/// number of words that they took: 2 for `REPLICAS 2 GET k`.
pub fn leading<'a>(
    words: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Options, usize), OptionError> {
    let mut words = words.into_iter();
    let mut options = Options::default();
    let mut taken = 0usize;
    while let Some(name) = words.next().and_then(Name::parse) {
        let value = words.next().ok_or(OptionError::NoValue(name))?;
        set(&mut options, name, value)?;
        taken = taken.saturating_add(2);
    }
    Ok((options, taken))
}

/// Reads words that have to be options, all of them.
pub fn only<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Result<Options, OptionError> {
    let mut words = words.into_iter();
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let name = Name::parse(word).ok_or_else(|| OptionError::Unexpected(Word::new(word)))?;
        let value = words.next().ok_or(OptionError::NoValue(name))?;
        set(&mut options, name, value)?;
    }
    Ok(options)
}

/// Finds where the trailing options begin in the words after SET's key and value. Returns an index
/// into `words`, or their number if there are no trailing options.
///
/// The word after IFEQ, IFNE, IFDEQ and IFDNE is compared with the old value, and may be spelt like
/// an option: `IFEQ TIMEOUT TIMEOUT 5` gives 2.
pub fn trailing_start_in_set<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> usize {
    const COMPARISONS: [&[u8]; 4] = [b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"];
    let mut skip = false;
    let mut count = 0usize;
    for word in words {
        if skip {
            skip = false;
        } else if Name::parse(word).is_some() {
            return count;
        } else {
            skip = COMPARISONS
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name));
        }
        count = count.saturating_add(1);
    }
    count
}

/// Adds an option. Refuses a value that the option does not take, and an option that was given
/// before.
fn set(options: &mut Options, name: Name, value: &[u8]) -> Result<(), OptionError> {
    let bad = || OptionError::BadValue(name, Word::new(value));
    let repeated = match name {
        Name::Replicas => {
            let parsed = ReplicaCount::parse(value).ok_or_else(bad)?;
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
        return Err(OptionError::Twice(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
