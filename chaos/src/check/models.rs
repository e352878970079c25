//! Registers and counters for porcupine, the linearizability checker.
//!
//! The checker looks for one order of all operations of a key that explains every answer. An
//! operation takes effect between its call and its return. One without a known outcome has no
//! return: it may take effect at any later time, or after everything else, which means never.
//!
//! Stale reads are out of scope: a primary that was cut off may answer a durable read of what
//! nothing is outstanding for. So the histories contain the answers of writes, and one read in the
//! end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use porcupine_rs::{
    check_operations_info_timeout, check_operations_timeout, visualize_path, CheckResult, Model,
    Operation as Checked,
};

use super::settle::settle;
use crate::history::{Action, Operation, Outcome};

/// The checker gives up on one key after this time.
const LIMIT: Duration = Duration::from_secs(5);
/// The return of an operation that has none, in nanoseconds. The last read returns before it.
pub const NEVER: i64 = i64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Legal,
    Illegal,
    /// The checker gave up.
    Undecided,
}

/// One integer, as both kinds of keys are.
#[derive(Clone, Debug)]
pub struct Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sets the value. The value before it, if there was an answer: nil is `Some(None)`.
    Swap {
        value: i64,
        before: Option<Option<i64>>,
    },
    /// Adds one. The sum, if there was an answer.
    Add { sum: Option<i64> },
    /// The read in the end.
    Read { value: Option<i64> },
}

impl Model for Key {
    type State = Option<i64>;
    type Op = Step;
    type Metadata = ();

    fn init() -> Option<i64> {
        None
    }

    fn step(state: &Option<i64>, step: &Step) -> (bool, Option<i64>) {
        match *step {
            Step::Swap { value, before } => {
                (before.is_none_or(|before| before == *state), Some(value))
            }
            Step::Add { sum } => {
                let next = state.unwrap_or(0).saturating_add(1);
                (sum.is_none_or(|sum| sum == next), Some(next))
            }
            Step::Read { value } => (value == *state, *state),
        }
    }

    fn describe_operation(step: &Step) -> String {
        match *step {
            Step::Swap { value, before } => format!("SET {value} GET -> {}", answer(before)),
            Step::Add { sum } => format!("INCR -> {}", answer(sum.map(Some))),
            Step::Read { value } => format!("in the end: {}", number(value)),
        }
    }

    fn describe_state(state: &Option<i64>) -> String {
        number(*state)
    }
}

fn answer(answer: Option<Option<i64>>) -> String {
    answer.map_or_else(|| "?".to_owned(), number)
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

/// Checks the operations on one key, and its value in the end.
pub fn check(operations: &[&Operation], end: Option<i64>) -> Verdict {
    let mut history = history(operations, end);
    if let Some(last) = history.pop() {
        history = settle(history, (end, last.return_time));
        history.push(last);
    }
    match check_operations_timeout(&history, LIMIT) {
        CheckResult::Ok => Verdict::Legal,
        CheckResult::Unknown => Verdict::Undecided,
        CheckResult::Illegal => Verdict::Illegal,
    }
}

/// Draws a rejected history.
pub fn draw(operations: &[&Operation], end: Option<i64>, picture: &Path) -> Result<()> {
    let (_, info) = check_operations_info_timeout(&history(operations, end), LIMIT);
    visualize_path::<Key>(&info, picture).context("drawing a history")
}

/// The last read is the last one.
fn history(operations: &[&Operation], end: Option<i64>) -> Vec<Checked<Key>> {
    // The picture has a row for each client, from 0.
    let mut clients: Vec<u32> = operations
        .iter()
        .map(|operation| operation.client)
        .collect();
    clients.sort_unstable();
    clients.dedup();
    let row = |client| {
        clients
            .binary_search(&client)
            .ok()
            .and_then(|row| u32::try_from(row).ok())
    };
    let mut history: Vec<Checked<Key>> = operations
        .iter()
        .filter_map(|operation| {
            let step = step(operation)?;
            Some(Checked {
                client_id: row(operation.client),
                call_time: nanoseconds(operation.called),
                return_time: if operation.outcome.is_open() {
                    NEVER
                } else {
                    nanoseconds(operation.returned)
                },
                op: step,
                metadata: None,
            })
        })
        .collect();
    let last = operations
        .iter()
        .map(|one| nanoseconds(one.returned))
        .max()
        .unwrap_or(0);
    history.push(Checked {
        client_id: u32::try_from(clients.len()).ok(),
        call_time: last.saturating_add(1),
        return_time: last.saturating_add(2),
        op: Step::Read { value: end },
        metadata: None,
    });
    history
}

/// `None` if it was not executed.
fn step(operation: &Operation) -> Option<Step> {
    let answer = match operation.outcome {
        Outcome::Refused => return None,
        Outcome::Acked(number) => Some(number),
        Outcome::Unacked | Outcome::Unknown => None,
    };
    match &operation.action {
        Action::Swap { value, .. } => Some(Step::Swap {
            value: *value,
            before: answer,
        }),
        Action::Add { .. } | Action::AddOnce { .. } => Some(Step::Add {
            sum: answer.flatten(),
        }),
        Action::Write { .. } | Action::Read { .. } => None,
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests;
