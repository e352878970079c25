//! A sorted set for keys that mostly arrive in order, and mostly leave in the same order: offsets,
//! deadlines, times.
//!
//! Such keys are in a ring, where both take a few instructions. A key that arrives out of order is
//! in a tree. A key that leaves from the middle of the ring leaves a gap, which is closed later: at
//! most a quarter of the ring are gaps, and its first and its last place never is one.
//!
//! Example: 10, 30 and 40 arrive, then 20. The ring has 10, 30 and 40, the tree has 20. Then 30
//! leaves: the ring has 10, a gap and 40.

use std::collections::{BTreeSet, VecDeque};
use std::iter;

#[derive(Debug)]
pub(super) struct InOrder<K> {
    ring: VecDeque<Place<K>>,
    gaps: usize,
    late: BTreeSet<K>,
}

/// A place in the ring. A gap keeps its key, by which the ring is searched.
#[derive(Clone, Copy, Debug)]
struct Place<K> {
    key: K,
    is_gap: bool,
}

/// Above this capacity an empty ring frees its memory.
const KEPT_CAPACITY: usize = 1024;

impl<K> Default for InOrder<K> {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            gaps: 0,
            late: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord> InOrder<K> {
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.late.is_empty()
    }

    /// The number of keys, or `limit` if there may be more.
    pub fn len_at_most(&self, limit: usize) -> usize {
        let places = self.ring.len().saturating_add(self.late.len());
        places.min(limit)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ring.len() - self.gaps + self.late.len()
    }

    /// Adds a key, which must not be there yet.
    pub fn insert(&mut self, key: K) {
        match self.ring.back() {
            Some(last) if key <= last.key => {
                self.late.insert(key);
            }
            _ => self.ring.push_back(Place { key, is_gap: false }),
        }
    }

    /// The smallest key.
    pub fn first(&self) -> Option<K> {
        let front = self.ring.front().map(|place| place.key);
        if self.late.is_empty() {
            return front;
        }
        let late = self.late.first().copied();
        front.into_iter().chain(late).min()
    }

    /// Takes the smallest key.
    pub fn pop_first(&mut self) -> Option<K> {
        let first = self.first()?;
        self.remove(&first);
        Some(first)
    }

    /// Removes a key, if it is there.
    pub fn remove(&mut self, key: &K) {
        if self.ring.front().is_some_and(|front| front.key == *key) {
            self.ring.pop_front();
            // Nearly all keys leave here.
            if self.gaps > 0 || self.ring.is_empty() {
                self.trim();
            }
        } else if self.late.is_empty() || !self.late.remove(key) {
            self.leave_gap(key);
        }
    }

    fn leave_gap(&mut self, key: &K) {
        let Ok(index) = self.ring.binary_search_by(|place| place.key.cmp(key)) else {
            return;
        };
        let Some(place) = self.ring.get_mut(index).filter(|place| !place.is_gap) else {
            return;
        };
        place.is_gap = true;
        self.gaps = self.gaps.saturating_add(1);
        self.trim();
    }

    /// Drops the gaps at both ends, all gaps if they are too many, and the memory of a long ring
    /// that is empty.
    fn trim(&mut self) {
        while self.gaps > 0 && self.ring.front().is_some_and(|place| place.is_gap) {
            self.ring.pop_front();
            self.gaps = self.gaps.saturating_sub(1);
        }
        while self.gaps > 0 && self.ring.back().is_some_and(|place| place.is_gap) {
            self.ring.pop_back();
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > self.ring.len() / 4 {
            self.ring.retain(|place| !place.is_gap);
            self.gaps = 0;
        }
        if self.ring.is_empty() && self.ring.capacity() > KEPT_CAPACITY {
            self.ring.shrink_to(KEPT_CAPACITY);
        }
    }

    /// All keys, the smallest first.
    pub fn iter(&self) -> impl Iterator<Item = K> + '_ {
        let mut ring = self.places(0).peekable();
        let mut late = self.late.iter().copied().peekable();
        iter::from_fn(move || match (ring.peek(), late.peek()) {
            (Some(in_ring), Some(in_tree)) if in_tree < in_ring => late.next(),
            (Some(_), _) => ring.next(),
            (None, _) => late.next(),
        })
    }

    /// Whether a key of this range is there. `from` must not be above `to`.
    pub fn has_within(&self, from: K, to: K) -> bool {
        let start = self.ring.partition_point(|place| place.key < from);
        let in_ring = self.places(start).next().is_some_and(|key| key <= to);
        in_ring || (from <= to && self.late.range(from..=to).next().is_some())
    }

    /// The keys in the ring, from a place on.
    fn places(&self, from: usize) -> impl Iterator<Item = K> + '_ {
        let places = self.ring.iter().skip(from);
        places.filter(|place| !place.is_gap).map(|place| place.key)
    }
}

impl<K: Copy + Ord> FromIterator<K> for InOrder<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::default();
        keys.into_iter().for_each(|key| set.insert(key));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_that_come_and_go_in_order_are_never_in_the_tree() {
        let mut set = InOrder::default();
        for key in 0..100_000_u64 {
            set.insert(key);
            if key >= 10 {
                assert_eq!(set.pop_first(), Some(key - 10));
            }
            assert!(set.late.is_empty() && set.gaps == 0);
        }
        assert!(set.ring.capacity() < 64);
    }

    #[test]
    fn a_key_that_stays_for_ever_does_not_keep_the_places_of_others() {
        let mut set = InOrder::default();
        set.insert(0);
        for key in 1..100_000_u64 {
            set.insert(key);
            set.insert(key + 1_000_000);
            set.remove(&key);
            set.remove(&(key + 1_000_000));
            assert!(set.ring.len() < 8, "{}", set.ring.len());
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_long_ring_gives_its_memory_back_when_it_is_empty() {
        let mut set: InOrder<u64> = (0..100_000).collect();
        assert!(set.ring.capacity() >= 100_000);
        while set.pop_first().is_some() {}
        assert!(set.ring.capacity() <= 2 * KEPT_CAPACITY);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Append,
        Remove(u8),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u8>().prop_map(Step::Insert),
            Just(Step::Append),
            any::<u8>().prop_map(Step::Remove),
            Just(Step::PopFirst),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set(steps in prop::collection::vec(step(), 0..300), from: u16, len: u8) {
            let (mut set, mut model) = (InOrder::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(key) => {
                        if model.insert(u16::from(key)) {
                            set.insert(u16::from(key));
                        }
                    }
                    Step::Append => {
                        let key = model.last().map_or(0, |last| last + 1);
                        model.insert(key);
                        set.insert(key);
                    }
                    Step::Remove(key) => {
                        model.remove(&u16::from(key));
                        set.remove(&u16::from(key));
                    }
                    Step::PopFirst => prop_assert_eq!(set.pop_first(), model.pop_first()),
                }
                prop_assert_eq!(set.first(), model.first().copied());
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert!(set.gaps <= set.ring.len() / 4);
                for from in [from % 300, 0] {
                    let to = from + u16::from(len) % 20;
                    let within = model.range(from..=to).next().is_some();
                    prop_assert_eq!(set.has_within(from, to), within);
                }
            }
        }
    }
}
