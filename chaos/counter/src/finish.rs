//! Reads the counters at the end, and clears them away.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::increments::Increments;
use crate::system::System;

const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The counters, as soon as the servers answer. One that is gone counts as 0.
pub fn read(
    system: &System,
    increments: &Increments,
    settle: Duration,
) -> Result<Vec<i64>, String> {
    let mut caller = Caller::new(system);
    let begun = Instant::now();
    let mut values = Vec::new();
    while values.len() < increments.keys().len() {
        let counter = values.len();
        match caller.call::<Option<i64>>(counter, &increments.read(counter)) {
            Ok(value) => values.push(value.unwrap_or(0)),
            Err(failure) if begun.elapsed() >= settle => return Err(failure.text().to_string()),
            Err(_) => sleep(BETWEEN_TRIES),
        }
    }
    Ok(values)
}

/// Removes the counters, or keeps them for a day. Whether it succeeded does not matter: they have
/// an expiry from their creation.
pub fn clear(system: &System, increments: &Increments, keep: bool) {
    let mut caller = Caller::new(system);
    for counter in 0..increments.keys().len() {
        let command = match keep {
            true => increments.expire(counter),
            false => increments.remove(counter),
        };
        let _: Result<i64, _> = caller.call(counter, &command);
    }
}
