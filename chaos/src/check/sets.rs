//! Counts what is missing: writes, values that were read, increments.

use std::collections::{BTreeMap, HashMap};

use super::{shown, FinalState, SHOWN};
use crate::history::{Action, Operation, Outcome};
use crate::record::{Counts, Violation};

/// What is missing, without the checker's histories.
#[derive(Debug, Default)]
pub struct Sets {
    pub counts: Counts,
    pub violations: Vec<Violation>,
}

/// What is known of one counter.
#[derive(Default)]
struct Counter<'a> {
    acked: Vec<&'a Operation>,
    open: u64,
    is_once: bool,
}

impl Sets {
    pub fn of(history: &[Operation], state: &FinalState) -> Sets {
        let mut sets = Sets::default();
        let mut counters: BTreeMap<&str, Counter> = BTreeMap::new();
        let mut writes: HashMap<&str, &Operation> = HashMap::new();
        for operation in history {
            match &operation.action {
                Action::Write { key } => {
                    writes.insert(key, operation);
                    sets.write(operation, state.contains_key(key));
                }
                Action::Read { .. } | Action::Swap { .. } => {}
                Action::Add { key } | Action::AddOnce { key } => {
                    let counter = counters.entry(key).or_default();
                    counter.is_once = matches!(operation.action, Action::AddOnce { .. });
                    if operation.outcome.is_acked() {
                        counter.acked.push(operation);
                    }
                    counter.open += u64::from(operation.outcome.is_open());
                }
            }
        }
        for operation in history {
            if let (Action::Read { key }, Outcome::Acked(Some(_))) =
                (&operation.action, operation.outcome)
            {
                sets.counts.reads += 1;
                if !state.contains_key(key) {
                    sets.counts.reads_lost += 1;
                    let write = writes.get(key.as_str()).copied();
                    sets.show(
                        "a value was read that is not there in the end".to_owned(),
                        write.into_iter().chain([operation]),
                    );
                }
            }
        }
        for (key, counter) in counters {
            sets.count(key, &counter, state.get(key).copied().unwrap_or(0));
        }
        sets
    }

    fn write(&mut self, operation: &Operation, is_there: bool) {
        match operation.outcome {
            Outcome::Acked(_) => {
                self.counts.acked += 1;
                if !is_there {
                    self.counts.lost += 1;
                    let what = "an acknowledged write is not there in the end";
                    self.show(what.to_owned(), [operation]);
                }
            }
            Outcome::Unacked => self.counts.unacked += 1,
            Outcome::Refused => self.counts.refused += 1,
            Outcome::Unknown => self.counts.unknown += 1,
        }
    }

    /// A counter at 7 has lost an increment that returned 8, and one of two that returned 5. With
    /// six acknowledged and none open, one was executed twice.
    fn count(&mut self, key: &str, counter: &Counter, end: i64) {
        let acked = u64::try_from(counter.acked.len()).unwrap_or(u64::MAX);
        self.counts.increments += acked;
        if counter.is_once {
            self.counts.once += acked;
        }
        let mut seen = HashMap::new();
        for &operation in &counter.acked {
            let Outcome::Acked(Some(number)) = operation.outcome else {
                continue;
            };
            let before = seen.insert(number, operation);
            if number > end || before.is_some() {
                self.counts.increments_lost += 1;
                let what =
                    format!("an acknowledged increment is not in {key}, which ends at {end}");
                self.show(what, before.into_iter().chain([operation]));
            }
        }
        let possible = acked.saturating_add(counter.open);
        let executed = u64::try_from(end).unwrap_or(0);
        if counter.is_once && executed > possible {
            self.counts.once_twice += executed - possible;
            self.show(
                format!("{key} ends at {end}, with {possible} increments at most"),
                counter.acked.iter().copied(),
            );
        }
    }

    fn show<'a>(&mut self, what: String, operations: impl IntoIterator<Item = &'a Operation>) {
        if self.violations.len() < SHOWN {
            self.violations.push(Violation {
                what,
                operations: operations.into_iter().take(SHOWN).map(shown).collect(),
                picture: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn operation(action: Action, outcome: Outcome) -> Operation {
        Operation {
            client: 1,
            called: Duration::from_millis(1),
            returned: Duration::from_millis(2),
            action,
            outcome,
            node: None,
        }
    }

    fn state(keys: &[(&str, i64)]) -> FinalState {
        keys.iter()
            .map(|&(key, value)| (key.to_owned(), value))
            .collect()
    }

    #[test]
    fn only_an_acknowledged_write_that_is_missing_is_lost() {
        let write = |key: &str, outcome| {
            operation(
                Action::Write {
                    key: key.to_owned(),
                },
                outcome,
            )
        };
        let history = [
            write("there", Outcome::Acked(None)),
            write("gone", Outcome::Acked(None)),
            write("unacked", Outcome::Unacked),
            write("unknown", Outcome::Unknown),
            write("refused", Outcome::Refused),
        ];
        let sets = Sets::of(&history, &state(&[("there", 1)]));
        assert_eq!((sets.counts.acked, sets.counts.lost), (2, 1));
        assert_eq!(
            (
                sets.counts.unacked,
                sets.counts.unknown,
                sets.counts.refused
            ),
            (1, 1, 1)
        );
        assert_eq!(sets.violations.len(), 1);
    }

    #[test]
    fn a_value_that_was_read_has_to_be_there_in_the_end() {
        let read = |key: &str, value| {
            operation(
                Action::Read {
                    key: key.to_owned(),
                },
                Outcome::Acked(value),
            )
        };
        let history = [
            read("there", Some(1)),
            read("gone", Some(1)),
            read("never", None),
        ];
        let sets = Sets::of(&history, &state(&[("there", 1)]));
        assert_eq!((sets.counts.reads, sets.counts.reads_lost), (2, 1));
    }

    #[test]
    fn a_counter_shows_lost_and_repeated_increments() {
        let add = |value| operation(Action::Add { key: "n".into() }, Outcome::Acked(Some(value)));
        let history = [add(1), add(2), add(2), add(9)];
        let sets = Sets::of(&history, &state(&[("n", 5)]));
        assert_eq!(
            (sets.counts.increments, sets.counts.increments_lost),
            (4, 2)
        );
        assert_eq!(
            sets.counts.once_twice, 0,
            "plain increments may be executed twice"
        );
        let once = |value, outcome| {
            let _ = value;
            operation(Action::AddOnce { key: "n".into() }, outcome)
        };
        let history = [once(1, Outcome::Acked(Some(1))), once(2, Outcome::Unknown)];
        assert_eq!(Sets::of(&history, &state(&[("n", 2)])).counts.once_twice, 0);
        assert_eq!(Sets::of(&history, &state(&[("n", 4)])).counts.once_twice, 2);
    }
}
