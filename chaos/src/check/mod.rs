//! Compares what a contender was told with what is there in the end.
//!
//! | check | wrong if |
//! |---|---|
//! | writes | an acknowledged write is missing |
//! | reads | a value was read that is missing |
//! | counters | an acknowledged increment is missing, or one was executed twice |
//! | linearizability (`models.rs`, `settle.rs`) | no order of the operations explains all answers |

pub mod models;
mod sets;
mod settle;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::contender::Contender;
use crate::history::{Action, Operation, Outcome};
use crate::record::{self, Tenth, Violation};

pub use sets::Sets;

/// The values of all keys of a round in the end. Keys that are missing are not in it.
pub type FinalState = HashMap<String, i64>;

/// So many violations of one contender are shown in full: of missing writes, reads and increments,
/// and of rejected histories.
const SHOWN: usize = 3;
const SHOWN_HISTORIES: u64 = 2;

/// The checker gives up on the keys that are left after this time.
const BUDGET: Duration = Duration::from_secs(60);

/// Checks the history of one contender. Pictures of rejected histories go into `folder`, their
/// names begin with `name`.
pub fn contender(
    contender: Contender,
    promised: bool,
    history: &[Operation],
    state: &FinalState,
    folder: &Path,
    name: &str,
) -> Result<record::Contender> {
    let sets = Sets::of(history, state);
    let mut result = record::Contender {
        name: contender.name().to_owned(),
        promised,
        counts: sets.counts,
        tenths: tenths(history, state),
        violations: sets.violations,
    };
    let begin = Instant::now();
    for (key, operations) in by_key(history) {
        let acked = operations.iter().filter(|one| one.outcome.is_acked());
        let nodes: HashSet<_> = acked.filter_map(|one| one.node).collect();
        if nodes.is_empty() {
            continue;
        }
        result.counts.histories += 1;
        result.counts.histories_of_several += u64::from(nodes.len() > 1);
        if begin.elapsed() > BUDGET {
            result.counts.histories_undecided += 1;
            continue;
        }
        let end = state.get(key).copied();
        match models::check(&operations, end) {
            models::Verdict::Legal => {}
            models::Verdict::Undecided => result.counts.histories_undecided += 1,
            models::Verdict::Illegal => {
                result.counts.histories_illegal += 1;
                if result.counts.histories_illegal <= SHOWN_HISTORIES {
                    let picture = format!("{name}-{}.html", result.counts.histories_illegal);
                    models::draw(&operations, end, &folder.join(&picture))?;
                    let mut shown: Vec<_> = operations.iter().map(|one| shown(one)).collect();
                    shown.push(in_the_end(history, key, end));
                    result.violations.push(Violation {
                        what: format!(
                            "no order of its operations explains all answers of {key}, which {} in the end",
                            state.get(key).map_or("is missing".to_owned(), |value| format!("is {value}"))
                        ),
                        operations: shown,
                        picture: Some(picture),
                    });
                }
            }
        }
    }
    Ok(result)
}

/// The operations on registers and counters, by key.
fn by_key(history: &[Operation]) -> BTreeMap<&str, Vec<&Operation>> {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        match &operation.action {
            Action::Swap { key, .. } | Action::Add { key } | Action::AddOnce { key } => {
                keys.entry(key).or_default().push(operation);
            }
            Action::Write { .. } | Action::Read { .. } => {}
        }
    }
    for operations in keys.values_mut() {
        operations.sort_by_key(|operation| operation.called);
    }
    keys
}

/// The writes that were answered in each tenth of a second.
fn tenths(history: &[Operation], state: &FinalState) -> Vec<Tenth> {
    let mut tenths: Vec<Tenth> = Vec::new();
    for operation in history {
        let Action::Write { key } = &operation.action else {
            continue;
        };
        let Ok(index) = usize::try_from(operation.returned.as_millis() / 100) else {
            continue;
        };
        if tenths.len() <= index {
            tenths.resize(index + 1, Tenth::default());
        }
        let Some(tenth) = tenths.get_mut(index) else {
            continue;
        };
        match operation.outcome {
            Outcome::Acked(_) => {
                tenth.acked += 1;
                tenth.lost += u32::from(!state.contains_key(key));
            }
            Outcome::Unacked => tenth.unacked += 1,
            Outcome::Refused | Outcome::Unknown => {}
        }
    }
    tenths
}

/// The last read, as the report shows it.
fn in_the_end(history: &[Operation], key: &str, value: Option<i64>) -> record::Operation {
    let last = history.iter().map(|operation| operation.returned).max();
    let at = last.unwrap_or_default().as_secs_f64() * 1000.0;
    let value = value.map_or_else(|| "nil".to_owned(), |value| value.to_string());
    record::Operation {
        client: 0,
        called_ms: at,
        returned_ms: Some(at),
        text: format!("in the end: GET {key} -> {value}"),
    }
}

/// An operation as the report shows it.
pub fn shown(operation: &Operation) -> record::Operation {
    let action = match &operation.action {
        Action::Write { key } => format!("SET {key}"),
        Action::Read { key } => format!("GET {key}"),
        Action::Swap { key, value } => format!("SET {key} {value} GET"),
        Action::Add { key } => format!("INCR {key}"),
        Action::AddOnce { key } => format!("ONCE INCR {key}"),
    };
    let outcome = match operation.outcome {
        Outcome::Acked(Some(number)) => number.to_string(),
        Outcome::Acked(None) if matches!(operation.action, Action::Write { .. }) => "OK".to_owned(),
        Outcome::Acked(None) => "nil".to_owned(),
        Outcome::Unacked => "UNACKED".to_owned(),
        Outcome::Refused => "refused".to_owned(),
        Outcome::Unknown => "no answer".to_owned(),
    };
    let from = operation
        .node
        .map(|node| format!(" from {node}"))
        .unwrap_or_default();
    record::Operation {
        client: operation.client,
        called_ms: operation.called.as_secs_f64() * 1000.0,
        returned_ms: (operation.outcome != Outcome::Unknown)
            .then_some(operation.returned.as_secs_f64() * 1000.0),
        text: format!("{action} -> {outcome}{from}"),
    }
}
