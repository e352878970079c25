//! Moves up to two keys of an argument vector to its front, and back.
//!
//! Some servers find the keys of DURABLE.CALL only at fixed places. So its keys are moved there,
//! and the first word keeps the places that they came from:
//!
//! | as sent | keys | rest |
//! |---|---|---|
//! | `SET k v` | `k` | `1 SET`, `v` |
//! | `MSET a 1 b 2` | `a`, `b` | `1,3 MSET`, `1`, `2` |
//!
//! Keys are moved and not copied, so the number of words stays the same.
//! (`src/durable/call/moved_keys.rs` has the reasons.)

use crate::slot;

/// The places that keys were moved from: indices into the words as sent, ascending and above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlaces {
    /// One key.
    One(usize),
    /// Two keys.
    Two(usize, usize),
}

impl KeyPlaces {
    /// Chooses at most two keys that stand for all: the first key, and the first key in another
    /// slot. If all keys are in one slot, the second choice is the last key. With these the server
    /// finds the node for all keys, unless their slot is migrating. `keys` are the keys with their
    /// indices. Returns `None` without keys.
    pub fn choose<'a>(keys: impl IntoIterator<Item = (usize, &'a [u8])>) -> Option<Self> {
        let mut keys: Vec<_> = keys.into_iter().filter(|&(index, _)| index > 0).collect();
        keys.sort_unstable_by_key(|&(index, _)| index);
        let mut keys = keys.into_iter();
        let (first, key) = keys.next()?;
        let slot = slot::of_key(key);
        let mut last = first;
        for (index, key) in keys {
            last = index;
            if slot::of_key(key) != slot {
                break;
            }
        }
        Some(if last == first {
            Self::One(first)
        } else {
            Self::Two(first, last)
        })
    }

    /// The places in ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = usize> {
        let (first, second) = match self {
            Self::One(first) => (first, None),
            Self::Two(first, second) => (first, Some(second)),
        };
        std::iter::once(first).chain(second)
    }

    /// Puts the places in front of the first word: `1 SET`, `1,3 MSET`.
    pub fn prefix(self, word: &[u8]) -> Vec<u8> {
        let places = match self {
            Self::One(first) => format!("{first} "),
            Self::Two(first, second) => format!("{first},{second} "),
        };
        [places.as_bytes(), word].concat()
    }

    /// Reads the places and the first word from the result of [`prefix`](Self::prefix). Returns
    /// `None` for a word without places.
    pub fn parse(marked: &[u8]) -> Option<(Self, &[u8])> {
        let space = marked.iter().position(|&byte| byte == b' ')?;
        let (places, word) = marked.split_at_checked(space)?;
        let mut places = std::str::from_utf8(places).ok()?.split(',').map(|place| {
            let is_number = place.bytes().all(|byte| byte.is_ascii_digit());
            place
                .parse::<usize>()
                .ok()
                .filter(|&place| is_number && place > 0)
        });
        let places = match (places.next()?, places.next(), places.next()) {
            (Some(first), None, None) => Self::One(first),
            (Some(first), Some(Some(second)), None) if second > first => Self::Two(first, second),
            _ => return None,
        };
        Some((places, word.get(1..)?))
    }

    /// The words as they were sent. `keys` are the moved keys, `first` is the first word, `rest`
    /// are the others. Returns `None` if they do not fit the places.
    pub fn restore<T: Copy>(self, keys: &[T], first: T, rest: &[T]) -> Option<Vec<T>> {
        let mut words = Vec::with_capacity(rest.len().saturating_add(3));
        let mut rest = rest.iter().copied();
        let mut keys = keys.iter().copied();
        words.push(first);
        for place in self.iter() {
            let before = place.checked_sub(words.len())?;
            words.extend(rest.by_ref().take(before));
            if words.len() != place {
                return None;
            }
            words.push(keys.next()?);
        }
        words.extend(rest);
        keys.next().is_none().then_some(words)
    }
}

#[cfg(test)]
mod tests;
