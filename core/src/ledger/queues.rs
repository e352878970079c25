//! The queues of waits, one for each requirement in use.
//!
//! Nearly always there is one requirement. Its queue is kept apart from the others: it needs no
//! search, and it stays when it is empty. A lone client empties it with every write.
//!
//! The main requirement is the last one that came into use. So a wait that stays for ever does not
//! keep the place. Example: a client waits for `REPLICAS 2`, which is the main queue. Then clients
//! wait for `REPLICAS 1`: theirs is the main queue now, and the one of `REPLICAS 2` is among the
//! others.

use std::collections::BTreeMap;
use std::iter;

use super::in_order::InOrder;
use super::WaitId;
use crate::acks::Need;
use crate::units::Offset;

/// Waits with the same requirement, by offset.
pub(super) type Queue = InOrder<(Offset, WaitId)>;

/// See the head of this file. A requirement has at most one queue.
#[derive(Debug)]
pub(super) struct Queues {
    main_need: Need,
    main: Queue,
    /// None of them is empty, except while a wait is taken out.
    others: BTreeMap<Need, Queue>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            main_need: Need {
                replicas: 1,
                fsync: 0,
            },
            main: Queue::default(),
            others: BTreeMap::new(),
        }
    }
}

impl Queues {
    /// Adds a wait.
    pub fn insert(&mut self, need: Need, offset: Offset, id: WaitId) {
        if need != self.main_need {
            if let Some(queue) = self.others.get_mut(&need) {
                return queue.insert((offset, id));
            }
            self.make_main(need);
        }
        self.main.insert((offset, id));
    }

    /// Gives the main place to a requirement that has no queue.
    fn make_main(&mut self, need: Need) {
        let before = std::mem::replace(&mut self.main_need, need);
        if !self.main.is_empty() {
            self.others.insert(before, std::mem::take(&mut self.main));
        }
    }

    /// Removes a wait, if it is there.
    pub fn remove(&mut self, need: Need, offset: Offset, id: WaitId) {
        if need == self.main_need {
            self.main.remove(&(offset, id));
        } else if let Some(queue) = self.others.get_mut(&need) {
            queue.remove(&(offset, id));
            if queue.is_empty() {
                self.others.remove(&need);
            }
        }
    }

    /// The queues of requirements up to `greatest`. The main queue may be empty.
    pub fn up_to(&self, greatest: Need) -> impl Iterator<Item = (Need, &Queue)> + '_ {
        let main = (self.main_need <= greatest).then_some((self.main_need, &self.main));
        let others = self.others.iter().map(|(&need, queue)| (need, queue));
        main.into_iter()
            .chain(others.take_while(move |(need, _)| *need <= greatest))
    }

    /// Works with the queues of requirements up to `greatest`, which may empty them.
    pub fn take_from(&mut self, greatest: Need, mut work: impl FnMut(Need, &mut Queue)) {
        if self.main_need <= greatest {
            work(self.main_need, &mut self.main);
        }
        let mut emptied = false;
        for (&need, queue) in &mut self.others {
            if need > greatest {
                break;
            }
            work(need, queue);
            emptied |= queue.is_empty();
        }
        if emptied {
            self.others.retain(|_, queue| !queue.is_empty());
        }
    }

    /// The queues that have waits, and their requirements.
    pub fn in_use(&self) -> impl Iterator<Item = (Need, &Queue)> + '_ {
        let others = self.others.iter().map(|(&need, queue)| (need, queue));
        let main = iter::once((self.main_need, &self.main));
        main.filter(|(_, queue)| !queue.is_empty()).chain(others)
    }

    /// Takes all queues. The main queue may be empty.
    pub fn take(&mut self) -> impl Iterator<Item = Queue> {
        let all = std::mem::take(self);
        iter::once(all.main).chain(all.others.into_values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANY: Need = Need {
        replicas: u32::MAX,
        fsync: u32::MAX,
    };

    fn need(replicas: u32) -> Need {
        Need { replicas, fsync: 0 }
    }

    fn sizes(queues: &Queues) -> Vec<(u32, usize)> {
        let in_use = queues.in_use();
        let mut sizes: Vec<_> = in_use
            .map(|(need, queue)| (need.replicas, queue.len()))
            .collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn the_requirement_that_came_last_is_the_main_one() {
        let mut queues = Queues::default();
        queues.insert(need(2), Offset::new(7), 7);
        assert_eq!((queues.main_need, queues.others.len()), (need(2), 0));
        // The wait for two replicas stays. It does not keep the place.
        for id in 8..20 {
            queues.insert(need(1), Offset::new(id), id);
            assert_eq!((queues.main_need, queues.others.len()), (need(1), 1));
            queues.remove(need(1), Offset::new(id), id);
        }
        queues.insert(need(2), Offset::new(20), 20);
        assert_eq!(sizes(&queues), [(2, 2)]);
        assert_eq!(queues.main_need, need(1));
    }

    #[test]
    fn only_requirements_that_can_be_met_are_visited() {
        let mut queues = Queues::default();
        for replicas in [3, 1, 2, 4] {
            queues.insert(need(replicas), Offset::new(1), replicas.into());
        }
        let visited = |queues: &Queues, greatest| {
            let queues = queues.up_to(need(greatest));
            let mut needs: Vec<_> = queues.map(|(need, _)| need.replicas).collect();
            needs.sort_unstable();
            needs
        };
        assert_eq!(visited(&queues, 3), [1, 2, 3]);
        assert_eq!(visited(&queues, 2), [1, 2]);
        assert!(visited(&queues, 0).is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32),
        Remove(usize),
        TakeUpTo(u32),
        TakeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..5_u32).prop_map(Step::Insert),
            4 => any::<usize>().prop_map(Step::Remove),
            1 => (0..5_u32).prop_map(Step::TakeUpTo),
            1 => Just(Step::TakeAll),
        ]
    }

    proptest! {
        #[test]
        fn each_wait_is_in_the_queue_of_its_requirement(steps in prop::collection::vec(step(), 0..200)) {
            let (mut queues, mut model) = (Queues::default(), Vec::new());
            for (id, step) in (0..).zip(steps) {
                match step {
                    Step::Insert(replicas) => {
                        queues.insert(need(replicas), Offset::new(id), id);
                        model.push((replicas, id));
                    }
                    Step::Remove(index) if !model.is_empty() => {
                        let (replicas, id) = model.swap_remove(index % model.len());
                        queues.remove(need(replicas), Offset::new(id), id);
                    }
                    Step::Remove(_) => queues.remove(ANY, Offset::new(id), id),
                    Step::TakeUpTo(greatest) => {
                        let mut taken = Vec::new();
                        queues.take_from(need(greatest), |need, queue| {
                            while let Some((_, id)) = queue.pop_first() {
                                taken.push((need.replicas, id));
                            }
                        });
                        let (mut due, stay) = model.into_iter().partition(|&(n, _)| n <= greatest);
                        model = stay;
                        taken.sort_unstable();
                        due.sort_unstable();
                        prop_assert_eq!(taken, due);
                    }
                    Step::TakeAll => {
                        prop_assert_eq!(queues.take().map(|queue| queue.len()).sum::<usize>(), model.len());
                        model.clear();
                    }
                }
                let mut expected: Vec<(u32, usize)> = Vec::new();
                for replicas in 0..5 {
                    let waits = model.iter().filter(|&&(n, _)| n == replicas).count();
                    expected.extend((waits > 0).then_some((replicas, waits)));
                }
                prop_assert_eq!(sizes(&queues), expected);
                prop_assert!(queues.others.values().all(|queue| !queue.is_empty()));
            }
        }
    }
}
