//! Moving keys of an argument vector to its front, so that they stand at fixed places, and back.
//!
//! A server that knows the keys of a command by their places alone can be told of keys that stand anywhere: up to
//! two of them are moved to the front, and the first word, which is none of them, remembers from where. `SET k v`
//! becomes `k` and `1 SET` and `v`. The vector grows by nothing: no key stands there twice.

use crate::slot;

/// From where keys were moved: indices of the vector as it was, ascending and above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// One key.
    One(usize),
    /// Two keys.
    Two(usize, usize),
}

impl Places {
    /// Where those keys stand that are enough to find out who serves all of them, unless the slot moves: one, or two in
    /// different slots, or else the first and the last. `keys` are indices, and the keys there. None for no keys.
    pub fn of_stand_ins<'a>(keys: impl IntoIterator<Item = (usize, &'a [u8])>) -> Option<Self> {
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

    /// The first word, which remembers the places.
    pub fn mark(self, word: &[u8]) -> Vec<u8> {
        let places = match self {
            Self::One(first) => format!("{first} "),
            Self::Two(first, second) => format!("{first},{second} "),
        };
        [places.as_bytes(), word].concat()
    }

    /// The places that a word remembers, and the word as it was. None for a word that remembers none.
    pub fn read(marked: &[u8]) -> Option<(Self, &[u8])> {
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

    /// The vector as it was: `keys` are those that were moved, `first` is the first word and `rest` what else there is.
    /// None where they do not fit the places.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stand_ins(keys: &[(usize, &'static str)]) -> Option<Places> {
        Places::of_stand_ins(keys.iter().map(|&(index, key)| (index, key.as_bytes())))
    }

    #[test]
    fn one_key_or_two_stand_for_all() {
        assert_eq!(stand_ins(&[]), None);
        assert_eq!(stand_ins(&[(1, "a")]), Some(Places::One(1)));
        let same = [(1, "{a}1"), (2, "{a}2"), (3, "{a}3")];
        assert_eq!(stand_ins(&same), Some(Places::Two(1, 3)));
        let other = [(1, "{a}1"), (3, "b"), (5, "{a}3")];
        assert_eq!(stand_ins(&other), Some(Places::Two(1, 3)));
    }

    #[test]
    fn keys_are_taken_in_the_order_of_their_places_and_each_place_once() {
        let same = [(4, "{a}1"), (2, "{a}2"), (2, "{a}2")];
        assert_eq!(stand_ins(&same), Some(Places::Two(2, 4)));
        assert_eq!(stand_ins(&[(2, "a"), (2, "a")]), Some(Places::One(2)));
        assert_eq!(stand_ins(&[(0, "a")]), None, "the first word stays");
    }

    #[test]
    fn words_that_remember_nothing_are_told_from_others() {
        assert_eq!(Places::read(b"1 SET"), Some((Places::One(1), &b"SET"[..])));
        let two = Some((Places::Two(1, 12), &b"a b"[..]));
        assert_eq!(Places::read(b"1,12 a b"), two);
        assert_eq!(Places::read(b"1 "), Some((Places::One(1), &b""[..])));
        for word in [
            "",
            "SET",
            " SET",
            "1",
            "0 SET",
            "1, SET",
            ",1 SET",
            "2,1 SET",
            "1,1 SET",
            "1,2,3 SET",
            "+1 SET",
            "x SET",
            "99999999999999999999 SET",
        ] {
            assert_eq!(Places::read(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rest = ["a", "b"];
        assert_eq!(Places::One(4).restore(&["k"], "SET", &rest), None);
        assert_eq!(Places::Two(1, 5).restore(&["k", "l"], "SET", &rest), None);
        assert_eq!(Places::Two(1, 2).restore(&["k"], "SET", &rest), None);
        assert_eq!(Places::One(1).restore(&["k", "l"], "SET", &rest), None);
        let fits = Places::One(3).restore(&["k"], "SET", &rest);
        assert_eq!(fits, Some(vec!["SET", "a", "b", "k"]));
    }

    proptest! {
        #[test]
        fn what_was_moved_comes_back(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 2..9),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let keys = picks.iter().map(|pick| {
                let index = pick.index(words.len() - 1) + 1;
                (index, words[index].as_slice())
            });
            let places = Places::of_stand_ins(keys).unwrap();
            let moved: Vec<usize> = places.iter().collect();
            let rest: Vec<&[u8]> = (1..words.len())
                .filter(|index| !moved.contains(index))
                .map(|index| words[index].as_slice())
                .collect();
            let keys: Vec<&[u8]> = moved.iter().map(|&index| words[index].as_slice()).collect();
            let marked = places.mark(&words[0]);
            let (read, first) = Places::read(&marked).unwrap();
            prop_assert_eq!(read, places);
            let restored = read.restore(&keys, first, &rest).unwrap();
            prop_assert_eq!(restored, words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
