//! What the replicas have acknowledged, seen at one moment, and the question every wait asks of
//! it: up to which offset is a requirement met?

/// How many replicas must hold a write, and how many of these must have fsynced it.
///
/// The order is by `replicas` first, so that the requirements a given number of replicas can
/// meet at all are one range of an ordered map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// Replicas that must have acknowledged the offset.
    pub replicas: u32,
    /// Replicas that must also have fsynced it to their append-only file.
    pub fsync: u32,
}

impl Need {
    /// True where nothing has to be waited for.
    pub fn is_nothing(self) -> bool {
        self.replicas == 0 && self.fsync == 0
    }
}

/// The acknowledged and the fsynced offsets of all replicas that count, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    acked: Vec<u64>,
    fsynced: Vec<u64>,
}

impl Acks {
    /// Takes the offsets in place of those known before, in any order: one acknowledged offset for
    /// each replica that counts, and one fsynced offset for each of them that has reported one.
    pub fn replace(
        &mut self,
        acked: impl Iterator<Item = u64>,
        fsynced: impl Iterator<Item = u64>,
    ) {
        self.acked.clear();
        self.acked.extend(acked);
        self.fsynced.clear();
        self.fsynced.extend(fsynced);
        self.acked.sort_unstable_by(|a, b| b.cmp(a));
        self.fsynced.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// How many replicas count at this moment.
    pub fn replicas(&self) -> u32 {
        u32::try_from(self.acked.len()).unwrap_or(u32::MAX)
    }

    /// The offset up to which `need` is met: everything for a need of nothing, and `None` while
    /// there are fewer replicas than it asks for.
    pub fn met_up_to(&self, need: Need) -> Option<u64> {
        Some(nth_best(&self.acked, need.replicas)?.min(nth_best(&self.fsynced, need.fsync)?))
    }

    /// How many replicas have acknowledged everything up to `offset`.
    pub fn acknowledged(&self, offset: u64) -> u32 {
        reached(&self.acked, offset)
    }

    /// How many replicas have fsynced everything up to `offset`.
    pub fn fsynced(&self, offset: u64) -> u32 {
        reached(&self.fsynced, offset)
    }
}

/// The offset that at least `n` of the offsets (best first) have reached.
fn nth_best(best_first: &[u64], n: u32) -> Option<u64> {
    match n.checked_sub(1) {
        None => Some(u64::MAX),
        Some(index) => best_first.get(usize::try_from(index).ok()?).copied(),
    }
}

fn reached(best_first: &[u64], offset: u64) -> u32 {
    u32::try_from(best_first.partition_point(|&o| o >= offset)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(progress: &[(u64, Option<u64>)]) -> Acks {
        let mut acks = Acks::default();
        acks.replace(
            progress.iter().map(|&(acked, _)| acked),
            progress.iter().filter_map(|&(_, fsynced)| fsynced),
        );
        acks
    }

    fn need(replicas: u32, fsync: u32) -> Need {
        Need { replicas, fsync }
    }

    #[test]
    fn a_requirement_is_met_up_to_the_nth_best_acknowledgement() {
        let acks = acks(&[(10, None), (30, None), (20, None)]);
        assert_eq!(acks.met_up_to(need(1, 0)), Some(30));
        assert_eq!(acks.met_up_to(need(2, 0)), Some(20));
        assert_eq!(acks.met_up_to(need(3, 0)), Some(10));
        assert_eq!(acks.met_up_to(need(4, 0)), None);
    }

    #[test]
    fn a_need_of_nothing_is_always_met() {
        assert_eq!(acks(&[]).met_up_to(need(0, 0)), Some(u64::MAX));
        assert!(need(0, 0).is_nothing());
        assert!(!need(1, 0).is_nothing());
    }

    #[test]
    fn fsync_needs_as_many_fsynced_offsets_besides_the_acknowledged_ones() {
        let acks = acks(&[(30, Some(5)), (20, None), (10, Some(10))]);
        assert_eq!(acks.met_up_to(need(2, 1)), Some(10));
        assert_eq!(acks.met_up_to(need(1, 2)), Some(5));
        assert_eq!(acks.met_up_to(need(1, 3)), None);
    }

    #[test]
    fn counts_are_of_replicas_at_or_past_the_offset() {
        let acks = acks(&[(10, Some(10)), (30, Some(20)), (20, None)]);
        assert_eq!(acks.acknowledged(20), 2);
        assert_eq!(acks.acknowledged(31), 0);
        assert_eq!(acks.fsynced(11), 1);
        assert_eq!(acks.replicas(), 3);
    }
}
