//! Finds the keys of a command by its key specifications.
//!
//! Source: `COMMAND INFO`, and Redis's documentation "Command key specifications". Examples:
//!
//! | words | begin | find | keys at |
//! |---|---|---|---|
//! | `SET k v` | index 1 | range: last 0, step 1 | 1 |
//! | `MSET a 1 b 2` | index 1 | range: last -1 (the end), step 2 | 1, 3 |
//! | `XREAD COUNT 1 STREAMS a b 0 0` | after `STREAMS` | range: last -1, step 1, limit 2 | 4, 5 |
//! | `ZUNIONSTORE d 2 a b` | index 2 | counted: `2` is the count | 3, 4 |
//!
//! The limit 2 of XREAD means that the first half of the words after `STREAMS` are keys.
//!
//! The server could find the keys, but `RM_GetCommandKeysWithFlags` of Redis before 8.6 and of
//! Valkey does not free its result. A call leaks memory for a command with more than 256 keys, on
//! Redis 8 with more than 6. Commands whose keys need the server's own code, such as SORT, are out
//! of scope here.

use smallvec::SmallVec;

/// Keys that were found: the place of each, and its flags. A few need no memory of their own.
pub type Keys = SmallVec<[(usize, i32); 2]>;

/// The key specifications of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySpecs {
    /// The number of words, the name included, as `COMMAND INFO` gives it: -3 means at least 3.
    pub arity: i64,
    /// In the server's order.
    pub specs: Vec<KeySpec>,
}

/// Where some of the keys are, and what the command does to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Where the search begins.
    pub begin: Begin,
    /// How keys are found from there.
    pub find: Find,
    /// What the command does to the keys: flags of the caller, which are returned with each key.
    pub flags: i32,
}

/// Where the search for keys begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this index. The name of the command has index 0.
    At(i64),
    /// After this keyword, in upper or lower case. With a positive index the search for the keyword
    /// starts there and goes forward. With a negative one it starts that far from the end and goes
    /// backward; -1 is the last word. Without the keyword there are no such keys.
    After(Vec<u8>, i64),
}

/// Which words are keys, from the beginning on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// The first key is at the beginning.
    Range {
        /// The last key, counted from the first one, or from the end if negative.
        last: i64,
        /// The distance from one key to the next.
        step: i64,
        /// If `last` is negative and this is above 1, only the first 1/limit of the words from the
        /// beginning on has keys, and `last` counts from the end of that part.
        limit: i64,
    },
    /// A word gives the number of keys.
    Counted {
        /// The place of that word, counted from the beginning.
        count_at: i64,
        /// The place of the first key, counted from the beginning.
        first: i64,
        /// The distance from one key to the next.
        step: i64,
    },
}

impl KeySpecs {
    /// Whether the command takes this number of words.
    pub fn fits(&self, len: usize) -> bool {
        let words = i64::try_from(len).unwrap_or(i64::MAX);
        if self.arity < 0 {
            words >= self.arity.saturating_neg()
        } else {
            words == self.arity
        }
    }

    /// Finds the keys among `len` words. Returns the index and the flags of each key; the name of
    /// the command has index 0. Returns `None` for words that do not fit the specifications: their
    /// number is wrong, or only the server's own code understands them.
    pub fn find<'a>(&self, len: usize, word: impl Fn(usize) -> Option<&'a [u8]>) -> Option<Keys> {
        let words = i64::try_from(len).ok()?;
        if !self.fits(len) {
            return None;
        }
        let mut keys = Keys::new();
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

/// The word at an index that may be out of range.
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
        // As the server searches: forward without the last word, which has no key after it, and
        // backward without words 0 and 1.
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
    fn keys_in_a_range_are_found() {
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
    fn keys_after_a_keyword_are_found_from_either_end() {
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
    fn counted_keys_are_found() {
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
    fn words_of_a_wrong_number_have_no_keys() {
        let get = [range(Begin::At(1), 0, 1, 0)];
        assert_eq!(places(2, &get, "GET"), None);
        assert_eq!(places(2, &get, "GET k k"), None);
        assert_eq!(places(-2, &get, "GET"), None);
        assert_eq!(places(-2, &[], "PING x"), Some(vec![]));
    }

    proptest! {
        #[test]
        fn for_any_words_and_specifications_only_words_are_found(
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
