//! The offsets that replicas have acknowledged at one moment, and up to which offset these meet a
//! requirement. Only replicas that count are included.
//!
//! Example: three replicas have acknowledged `[30, 20, 10]`.
//!
//! | requirement | met up to |
//! |---|---|
//! | `REPLICAS 1` | 30 |
//! | `REPLICAS 2` | 20 |
//! | `REPLICAS 3` | 10 |
//! | `REPLICAS 4` | not met |

use crate::units::Offset;

/// How many replicas have to acknowledge a write, and how many of them have to fsync it.
///
/// The order is by `replicas` first. So in an ordered map, all requirements that a given number of
/// replicas can meet are one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// Replicas that have to acknowledge the offset.
    pub replicas: u32,
    /// Replicas that also have to fsync it to their append-only file.
    pub fsync: u32,
}

impl Need {
    /// True when no acknowledgement is needed.
    pub fn is_nothing(self) -> bool {
        self.replicas == 0 && self.fsync == 0
    }
}

/// The acknowledged and the fsynced offsets of all replicas that count, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    acked: Vec<Offset>,
    fsynced: Vec<Offset>,
}

impl Acks {
    /// Replaces all offsets, in any order: one acknowledged offset for each replica that counts,
    /// and one fsynced offset for each of these that has reported one.
    pub fn replace(
        &mut self,
        acked: impl Iterator<Item = Offset>,
        fsynced: impl Iterator<Item = Offset>,
    ) {
        self.acked.clear();
        self.acked.extend(acked);
        self.fsynced.clear();
        self.fsynced.extend(fsynced);
        self.acked.sort_unstable_by(|a, b| b.cmp(a));
        self.fsynced.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The number of replicas that count.
    pub fn replicas(&self) -> u32 {
        u32::try_from(self.acked.len()).unwrap_or(u32::MAX)
    }

    /// The offset up to which `need` is met. [`Offset::MAX`] if it needs nothing. `None` if too few
    /// replicas count, or too few have reported an fsync.
    pub fn met_up_to(&self, need: Need) -> Option<Offset> {
        Some(nth_best(&self.acked, need.replicas)?.min(nth_best(&self.fsynced, need.fsync)?))
    }

    /// How many replicas have acknowledged `offset` or more.
    pub fn acknowledged(&self, offset: Offset) -> u32 {
        reached(&self.acked, offset)
    }

    /// How many replicas have fsynced `offset` or more.
    pub fn fsynced(&self, offset: Offset) -> u32 {
        reached(&self.fsynced, offset)
    }
}

/// The n-th best offset, which `n` replicas have reached: `[30, 20, 10]`, n = 2 → 20.
fn nth_best(best_first: &[Offset], n: u32) -> Option<Offset> {
    match n.checked_sub(1) {
        None => Some(Offset::MAX),
        Some(index) => best_first.get(usize::try_from(index).ok()?).copied(),
    }
}

/// How many of the offsets are at least `offset`: `[30, 20, 10]`, 15 → 2.
fn reached(best_first: &[Offset], offset: Offset) -> u32 {
    u32::try_from(best_first.partition_point(|&o| o >= offset)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(progress: &[(u64, Option<u64>)]) -> Acks {
        let mut acks = Acks::default();
        acks.replace(
            progress.iter().map(|&(acked, _)| Offset::new(acked)),
            progress
                .iter()
                .filter_map(|&(_, fsynced)| fsynced.map(Offset::new)),
        );
        acks
    }

    fn need(replicas: u32, fsync: u32) -> Need {
        Need { replicas, fsync }
    }

    #[test]
    fn a_requirement_is_met_up_to_the_nth_best_acknowledgement() {
        let acks = acks(&[(10, None), (30, None), (20, None)]);
        assert_eq!(acks.met_up_to(need(1, 0)), Some(Offset::new(30)));
        assert_eq!(acks.met_up_to(need(2, 0)), Some(Offset::new(20)));
        assert_eq!(acks.met_up_to(need(3, 0)), Some(Offset::new(10)));
        assert_eq!(acks.met_up_to(need(4, 0)), None);
    }

    #[test]
    fn a_need_of_nothing_is_always_met() {
        assert_eq!(acks(&[]).met_up_to(need(0, 0)), Some(Offset::MAX));
        assert!(need(0, 0).is_nothing());
        assert!(!need(1, 0).is_nothing());
    }

    #[test]
    fn fsync_needs_as_many_fsynced_offsets_besides_the_acknowledged_ones() {
        let acks = acks(&[(30, Some(5)), (20, None), (10, Some(10))]);
        assert_eq!(acks.met_up_to(need(2, 1)), Some(Offset::new(10)));
        assert_eq!(acks.met_up_to(need(1, 2)), Some(Offset::new(5)));
        assert_eq!(acks.met_up_to(need(1, 3)), None);
    }

    #[test]
    fn counts_are_of_replicas_at_or_past_the_offset() {
        let acks = acks(&[(10, Some(10)), (30, Some(20)), (20, None)]);
        assert_eq!(acks.acknowledged(Offset::new(20)), 2);
        assert_eq!(acks.acknowledged(Offset::new(31)), 0);
        assert_eq!(acks.fsynced(Offset::new(11)), 1);
        assert_eq!(acks.replicas(), 3);
    }
}
