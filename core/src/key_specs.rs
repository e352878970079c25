//! Where the keys of a command stand, by its key specifications (`COMMAND INFO`, and the documentation of command key
//! specifications).
//!
//! Servers find keys for a module as well, but leak memory for every command with more than a few: that of Redis before
//! 8.6 and of Valkey does not free what `RM_GetCommandKeysWithFlags` has collected. What needs the server's own code,
//! such as SORT, is no business of this file.

/// All keys of a command are found by these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySpecs {
    /// As `COMMAND INFO` gives it: negative for at least so many words.
    pub arity: i64,
    /// In the server's order.
    pub specs: Vec<KeySpec>,
}

/// Where some of a command's keys are, and what is done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Where to begin.
    pub begin: Begin,
    /// How to go on from there.
    pub find: Find,
    /// What is done to the keys, in the words of whoever asks.
    pub flags: i32,
}

/// Where the first of the words stands that tell of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this index, the command's name being 0.
    At(i64),
    /// After this word, in any case, which is looked for from an index on, or from the end backwards where that is
    /// negative. Where it is not found there are no such keys.
    After(Vec<u8>, i64),
}

/// Which words from there on are keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to a last one: counted from the first, or from the end where negative.
    Range {
        /// The last key.
        last: i64,
        /// From one key to the next.
        step: i64,
        /// If `last` is -1 and this is above 1: only that share of the remaining words.
        limit: i64,
    },
    /// As many as a word tells.
    Counted {
        /// The place of that word, counted from the beginning.
        count_at: i64,
        /// The place of the first key, counted from the beginning.
        first: i64,
        /// From one key to the next.
        step: i64,
    },
}

impl KeySpecs {
    /// The indices of the keys among `len` words, the command's name being 0, and what is done to each. None for words
    /// that do not fit the specifications: they are no such command, or only the server's own code understands them.
    pub fn find<'a>(
        &self,
        len: usize,
        word: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Option<Vec<(usize, i32)>> {
        let words = i64::try_from(len).ok()?;
        let fits = if self.arity < 0 {
            words >= self.arity.checked_neg()?
        } else {
            words == self.arity
        };
        if !fits {
            return None;
        }
        let mut keys = Vec::new();
        for spec in &self.specs {
            let Some(begin) = spec.begin.find(words, &word) else {
                continue;
            };
            let (first, last, step) = spec.find.range(begin, words, &word)?;
            if first < 1 || last < first || last >= words || step < 1 {
                return None;
            }
            let mut at = first;
            while at <= last {
                keys.push((usize::try_from(at).ok()?, spec.flags));
                at = at.checked_add(step)?;
            }
        }
        Some(keys)
    }
}

fn at<'a>(index: i64, word: impl Fn(usize) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    word(usize::try_from(index).ok()?)
}

impl Begin {
    fn find<'a>(&self, words: i64, word: impl Fn(usize) -> Option<&'a [u8]>) -> Option<i64> {
        let (keyword, from) = match self {
            Self::At(index) => return Some(*index),
            Self::After(keyword, from) => (keyword, *from),
        };
        let is_it =
            |&index: &i64| at(index, &word).is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        // The last word has no key after it, and the name is no keyword.
        let found = if from > 0 {
            (from..words.saturating_sub(1)).find(is_it)
        } else {
            (2..=words.checked_add(from)?.min(words.saturating_sub(1)))
                .rev()
                .find(is_it)
        };
        found?.checked_add(1)
    }
}

impl Find {
    /// The first key, the last and the step.
    fn range<'a>(
        &self,
        begin: i64,
        words: i64,
        word: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Option<(i64, i64, i64)> {
        match *self {
            Self::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin.checked_add(last)?
                } else if limit > 1 {
                    let share = words.checked_sub(begin)?.checked_div(limit)?;
                    begin.checked_add(share)?.checked_add(last)?
                } else {
                    words.checked_add(last)?
                };
                Some((begin, last, step))
            }
            Self::Counted {
                count_at,
                first,
                step,
            } => {
                let count = at(begin.checked_add(count_at)?, word)?;
                let count: i64 = std::str::from_utf8(count).ok()?.parse().ok()?;
                let first = begin.checked_add(first)?;
                let last = first.checked_add(count.checked_sub(1)?.checked_mul(step)?)?;
                Some((first, last, step))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(begin: Begin, last: i64, step: i64, limit: i64) -> KeySpec {
        KeySpec {
            begin,
            find: Find::Range { last, step, limit },
            flags: 1,
        }
    }

    fn counted(begin: Begin) -> KeySpec {
        KeySpec {
            begin,
            find: Find::Counted {
                count_at: 0,
                first: 1,
                step: 1,
            },
            flags: 2,
        }
    }

    fn places(arity: i64, specs: &[KeySpec], line: &str) -> Option<Vec<usize>> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let specs = KeySpecs {
            arity,
            specs: specs.to_vec(),
        };
        let found = specs.find(words.len(), |index| words.get(index).copied())?;
        Some(found.into_iter().map(|(place, _)| place).collect())
    }

    #[test]
    fn keys_at_places_from_the_beginning_and_up_to_the_end() {
        let set = [range(Begin::At(1), 0, 1, 0)];
        assert_eq!(places(-3, &set, "SET k v NX"), Some(vec![1]));
        let mset = [range(Begin::At(1), -1, 2, 0)];
        assert_eq!(places(-3, &mset, "MSET a 1 b 2"), Some(vec![1, 3]));
        let blpop = [range(Begin::At(1), -2, 1, 0)];
        assert_eq!(places(-3, &blpop, "BLPOP a b 0"), Some(vec![1, 2]));
        let rename = [range(Begin::At(1), 0, 1, 0), range(Begin::At(2), 0, 1, 0)];
        assert_eq!(places(3, &rename, "RENAME a b"), Some(vec![1, 2]));
    }

    #[test]
    fn keys_after_a_word_are_found_from_either_end() {
        let xread = [range(Begin::After(b"STREAMS".to_vec(), 1), -1, 1, 2)];
        let line = "XREAD COUNT 1 streams a b 0 0";
        assert_eq!(places(-4, &xread, line), Some(vec![4, 5]));
        assert_eq!(places(-4, &xread, "XREAD COUNT 1 x"), Some(vec![]));
        assert_eq!(places(-4, &xread, "XREAD COUNT 1 STREAMS"), Some(vec![]));
        let migrate = [range(Begin::After(b"KEYS".to_vec(), -2), -1, 1, 0)];
        assert_eq!(places(-2, &migrate, "MIGRATE KEYS KEYS a"), Some(vec![3]));
        assert_eq!(places(-2, &migrate, "MIGRATE KEYS"), Some(vec![]));
    }

    #[test]
    fn keys_that_are_counted() {
        let zunionstore = [range(Begin::At(1), 0, 1, 0), counted(Begin::At(2))];
        let of = |line: &str| places(-4, &zunionstore, line);
        assert_eq!(of("ZUNIONSTORE d 2 a b"), Some(vec![1, 3, 4]));
        assert_eq!(of("ZUNIONSTORE d 1 a WEIGHTS 2"), Some(vec![1, 3]));
        for count in [
            "0",
            "-1",
            "3",
            "x",
            "",
            "99999999999999999999",
            "9223372036854775807",
        ] {
            assert_eq!(of(&format!("ZUNIONSTORE d {count} a b")), None, "{count}");
        }
    }

    #[test]
    fn what_has_too_few_words_has_no_keys() {
        let get = [range(Begin::At(1), 0, 1, 0)];
        assert_eq!(places(2, &get, "GET"), None);
        assert_eq!(places(2, &get, "GET k k"), None);
        assert_eq!(places(-2, &get, "GET"), None);
        assert_eq!(places(-2, &[], "PING x"), Some(vec![]));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_only_words_are_found(
            words in prop::collection::vec(prop_oneof!["[0-9]{1,3}", "KEYS", "-?[0-9]{18,20}"], 0..9),
            arity in any::<i64>(), at in any::<i64>(), from in -9i64..9, numbers in any::<[i64; 3]>(),
            small in prop::array::uniform3(-3i64..9), is_small in any::<bool>(),
        ) {
            let [a, b, c] = if is_small { small } else { numbers };
            let arity = if is_small { -1 } else { arity };
            let at = if is_small { from } else { at };
            let begins = [Begin::At(at), Begin::After(b"keys".to_vec(), from), Begin::After(b"KEYS".to_vec(), at)];
            let finds = [Find::Range { last: a, step: b, limit: c }, Find::Counted { count_at: a, first: b, step: c }];
            for begin in begins {
                for find in finds.clone() {
                    let specs = KeySpecs { arity, specs: vec![KeySpec { begin: begin.clone(), find, flags: 0 }] };
                    let word = |index: usize| words.get(index).map(String::as_bytes);
                    let found = specs.find(words.len(), word).unwrap_or_default();
                    prop_assert!(found.iter().all(|&(place, _)| place > 0 && place < words.len()));
                }
            }
        }
    }
}
