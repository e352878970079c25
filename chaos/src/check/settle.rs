//! Decides what became of operations without a known outcome, as far as the answers of others say
//! it.
//!
//! Such an operation may take effect at any later time, or never. The checker would try all
//! combinations, so its work doubles with each, and a partition of ten seconds has dozens. The
//! decisions here change no verdict; `models/tests.rs` compares them with the checker alone.
//!
//! **Registers.** Each value is written once. Whatever comes right after an open swap in an order
//! either shows its value or is open itself.
//! * Nobody has seen its value: without it the order explains the same answers, because the next
//!   swap overwrites it. So it is left out, which stands for: it took effect after the last read.
//! * Somebody has: it took effect before the end of the first operation that shows its value.
//!
//! **Counters.** Open increments differ in the time of their call alone. The last read says how
//! many took effect. If any order explains the answers, then also one in which those took effect
//! that were called first, in the order of their calls: each moves to the place of a later called
//! one. So each gets the number that is missing in the answers, and the others are left out.

use std::collections::{HashMap, HashSet};

use porcupine_rs::Operation as Checked;

use super::models::{Key, Step, NEVER};

/// The operations on one key, without the last read. `end` is its value and the end of that read.
pub fn settle(history: Vec<Checked<Key>>, end: (Option<i64>, i64)) -> Vec<Checked<Key>> {
    let swaps = |one: &Checked<Key>| matches!(one.op, Step::Swap { .. });
    let adds = |one: &Checked<Key>| matches!(one.op, Step::Add { .. });
    if history.iter().all(swaps) {
        settle_swaps(history, end)
    } else if history.iter().all(adds) {
        settle_additions(history, end.0)
    } else {
        history
    }
}

fn is_open(operation: &Checked<Key>) -> bool {
    operation.return_time == NEVER
}

fn settle_swaps(
    history: Vec<Checked<Key>>,
    (end, end_at): (Option<i64>, i64),
) -> Vec<Checked<Key>> {
    // When the first operation ended that shows the value.
    let mut shown: HashMap<i64, i64> = end.map(|value| (value, end_at)).into_iter().collect();
    let mut written = HashSet::new();
    for one in &history {
        let Step::Swap { value, before } = one.op else {
            continue;
        };
        if !written.insert(value) {
            // Nothing here holds for values that are written twice.
            return history;
        }
        if let Some(Some(seen)) = before {
            let at = shown.entry(seen).or_insert(one.return_time);
            *at = one.return_time.min(*at);
        }
    }
    let decide = |mut one: Checked<Key>| {
        let Step::Swap { value, .. } = one.op else {
            return Some(one);
        };
        if is_open(&one) {
            let at = *shown.get(&value)?;
            // A value that was shown before its swap was called contradicts: the checker says so.
            if at > one.call_time {
                one.return_time = at;
            }
        }
        Some(one)
    };
    history.into_iter().filter_map(decide).collect()
}

fn settle_additions(history: Vec<Checked<Key>>, end: Option<i64>) -> Vec<Checked<Key>> {
    let (mut open, mut answered): (Vec<_>, Vec<_>) = history.into_iter().partition(is_open);
    let sums: Option<HashSet<i64>> = answered
        .iter()
        .map(|one| match one.op {
            Step::Add { sum } => sum,
            Step::Swap { .. } | Step::Read { .. } => None,
        })
        .collect();
    let Some(sums) = sums else {
        answered.extend(open);
        return answered;
    };
    open.sort_by_key(|one| one.call_time);
    let missing = (1..=end.unwrap_or(0)).filter(|sum| !sums.contains(sum));
    let settled = open.into_iter().zip(missing).map(|(mut one, sum)| {
        one.op = Step::Add { sum: Some(sum) };
        one
    });
    answered.extend(settled);
    answered
}
