//! Finds a requirement option at the end of a variadic command, which takes none there.
//!
//! `DURABLE.DEL k REPLICAS 2` seems to require two replicas, but would delete the keys `REPLICAS`
//! and `2`. So a command is refused if its last two words are a valid option and the number of the
//! words before them fits its arity.
//!
//! | words | arity | result |
//! |---|---|---|
//! | `DEL k REPLICAS 2` | -2: at least two words | refused: `DEL k` has two words |
//! | `DEL REPLICAS 2` | -2 | executed: `DEL` alone has one word |
//! | `SADD s REPLICAS x` | -3 | executed: REPLICAS does not take `x` |

use std::fmt;

use super::{set, Name, Word};
use crate::requirement::Options;

/// The option at the end of a refused command, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayOption {
    name: Word,
    value: Word,
}

impl StrayOption {
    /// Returns the option if the command has to be refused. `words` is the number of words of the
    /// whole command; `name` and `value` are the last two. `arity` is the command's own, as
    /// `COMMAND INFO` gives it: a negative number means at least that many words.
    pub fn at_end(arity: i32, words: usize, name: &[u8], value: &[u8]) -> Option<Self> {
        let left = words.checked_sub(2)?;
        let needed = usize::try_from(arity.unsigned_abs()).ok()?;
        let is_complete = if arity < 0 {
            left >= needed
        } else {
            left == needed
        };
        if !is_complete {
            return None;
        }
        let option = Name::parse(name)?;
        set(&mut Options::default(), option, value).ok()?;
        Some(Self {
            name: Word::new(name),
            value: Word::new(value),
        })
    }

    /// The error, without its code. `durable` is the refused command, `inner` its plain one:
    /// `DURABLE.DEL` and `DEL`.
    pub fn error<'a>(&'a self, durable: &'a str, inner: &'a str) -> impl fmt::Display + 'a {
        StrayError {
            stray: self,
            durable,
            inner,
        }
    }
}

struct StrayError<'a> {
    stray: &'a StrayOption,
    durable: &'a str,
    inner: &'a str,
}

impl fmt::Display for StrayError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { durable, inner, .. } = self;
        let StrayOption { name, value } = self.stray;
        write!(
            f,
            "{durable} takes no trailing options; nothing was executed, use DURABLE.CALL {name} \
             {value} {inner} … (or DURABLE.CALL {inner} … where {name} is a key)"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::only;
    use super::*;

    /// The first word of `line` is the arity, the others are the command.
    fn stray(line: &str) -> Option<StrayOption> {
        let (arity, words) = line.split_once(' ').unwrap();
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        let [.., name, value] = words.as_slice() else {
            return None;
        };
        StrayOption::at_end(arity.parse().unwrap(), words.len(), name, value)
    }

    #[test]
    fn an_option_after_a_complete_command_is_stray() {
        for line in [
            "-2 DEL k REPLICAS 2",
            "-2 DEL k replicas majority",
            "-2 DEL k TIMEOUT 5 REPLICAS ALL",
            "-2 LPOP k FSYNC 0",
            "-3 MSET a 1 TIMEOUT 500",
            "-3 EXPIRE k 10 timeout 86400000",
            "-4 HSET h f v Fsync 1000",
            "3 INCRBY k 5 FSYNC 1",
        ] {
            let [.., name, value] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let expected = StrayOption {
                name: Word::new(name.as_bytes()),
                value: Word::new(value.as_bytes()),
            };
            assert_eq!(stray(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn the_last_two_words_belong_to_a_command_that_is_incomplete_without_them() {
        for line in [
            "-2 DEL REPLICAS 2",
            "-3 SADD s REPLICAS 2",
            "-3 MSET TIMEOUT 500",
            "-4 HSET h FSYNC 1",
            "-5 XADD x * TIMEOUT 5",
            "2 ONE TIMEOUT 5",
            "3 INCRBY k TIMEOUT 5",
            "-2 DEL",
        ] {
            assert_eq!(stray(line), None, "{line}");
        }
    }

    #[test]
    fn words_that_are_not_a_valid_option_belong_to_the_command() {
        for line in [
            "-2 DEL k REPLICAS x",
            "-2 DEL k REPLICAS 1001",
            "-2 DEL k FSYNC ALL",
            "-2 DEL k TIMEOUT -1",
            "-2 DEL k REPLICA 2",
            "-2 DEL k 2 REPLICAS",
            "-2 DEL REPLICAS 2 k",
        ] {
            assert_eq!(stray(line), None, "{line}");
        }
    }

    #[test]
    fn the_error_shows_the_words_of_the_user_and_both_alternatives() {
        let stray = stray("-2 DEL k Replicas all").unwrap();
        assert_eq!(
            stray.error("DURABLE.DEL", "DEL").to_string(),
            "DURABLE.DEL takes no trailing options; nothing was executed, use DURABLE.CALL \
             Replicas all DEL … (or DURABLE.CALL DEL … where Replicas is a key)"
        );
    }

    proptest! {
        #[test]
        fn a_stray_option_is_one_that_other_commands_accept(
            arity in -6..6i32,
            words in 0..9usize,
            name in prop_oneof![
                Just(b"REPLICAS".to_vec()), Just(b"fsync".to_vec()), Just(b"Timeout".to_vec()),
                prop::collection::vec(any::<u8>(), 0..9),
            ],
            value in prop_oneof![
                Just(b"1".to_vec()), Just(b"ALL".to_vec()), Just(b"86400001".to_vec()),
                prop::collection::vec(any::<u8>(), 0..9),
            ],
        ) {
            let is_option = only([&name[..], &value[..]]).is_ok();
            let left = i64::try_from(words).unwrap() - 2;
            let needed = i64::from(arity);
            let is_complete = left >= 0 && (left == needed || (needed < 0 && left >= -needed));
            let stray = StrayOption::at_end(arity, words, &name, &value);
            prop_assert_eq!(stray.is_some(), is_option && is_complete);
            if let Some(stray) = stray {
                let text = stray.error("DURABLE.DEL", "DEL").to_string();
                prop_assert!(!text.contains(['\r', '\n', '\0']));
            }
        }
    }
}
