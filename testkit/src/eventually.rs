//! Waits for a condition, with a limit that only a broken program reaches.

use std::thread::sleep;
use std::time::Duration;

use crate::patience::Patience;

/// Generous: the limit detects a hang, and does not measure the machine.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(4);

/// Waits until `condition` holds. Panics with `what` if it does not hold within 30 seconds, or
/// later on a busy machine (see [`Patience`]).
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `look` returns a value, and returns it. Panics like [`eventually`].
#[track_caller]
pub fn eventually_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut patience = Patience::of(LIMIT);
    loop {
        if let Some(found) = look() {
            return found;
        }
        // Not a closure, so that the panic names the caller's line.
        if patience.is_at_its_end() {
            let waited = patience.waited().as_secs();
            panic!("waited {waited} seconds for {what}");
        }
        sleep(POLL);
    }
}
