//! Who has held which term of a failover group, as the monitor saw it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// When a term was seen first, in milliseconds since the start of the round, and its holder.
type Holder = (u64, String);

/// By term. Two members can hold terms with one number, one after another: then the later one was
/// voted for later.
#[derive(Debug, Default)]
pub struct Terms(Mutex<BTreeMap<(u64, u64), String>>);

impl Terms {
    /// A member holds a term at this time.
    pub fn seen(&self, term: u64, node: &str, at_ms: u64) {
        let mut terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = terms.range((term, 0)..=(term, u64::MAX));
        if !known.any(|(_, holder)| holder == node) {
            terms.insert((term, at_ms), node.to_owned());
        }
    }

    /// The holder of the newest term.
    pub fn last(&self) -> Option<String> {
        let terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        terms.last_key_value().map(|(_, node)| node.clone())
    }

    /// The changes of the holder. A primary that is voted for again after a restart is no change.
    fn changes(&self) -> Vec<Holder> {
        let terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes: Vec<Holder> = Vec::new();
        let mut before: Option<&String> = None;
        for ((_, at_ms), node) in terms.iter() {
            if before.is_some_and(|before| before != node) {
                changes.push((*at_ms, node.clone()));
            }
            before = Some(node);
        }
        changes
    }

    /// How often another member became the confirmed primary between two times.
    pub fn failovers(&self, from_ms: u64, to_ms: u64) -> usize {
        let changes = self.changes();
        let is_within = |change: &&Holder| (from_ms..=to_ms).contains(&change.0);
        changes.iter().filter(is_within).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_holder_is_a_failover() {
        let terms = Terms::default();
        terms.seen(1, "P", 0);
        terms.seen(1, "P", 50);
        // P restarts and is voted for again; then A is promoted.
        terms.seen(2, "P", 900);
        terms.seen(4, "A", 2_000);
        // P was cut off and does not know yet.
        terms.seen(2, "P", 2_500);
        terms.seen(4, "B", 4_000);
        assert_eq!(terms.failovers(0, 10_000), 2);
        assert_eq!(terms.failovers(0, 3_000), 1);
        assert_eq!(terms.last().as_deref(), Some("B"));
    }
}
