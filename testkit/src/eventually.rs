//! Waiting for a condition, with a limit that only a broken program reaches.

use std::thread::sleep;
use std::time::Duration;

use crate::patience::Patience;

/// Generous on purpose: the limit tells a hang from a wait, and must not measure the machine.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(4);

/// Waits until `condition` holds. Panics with `what` when it does not come true in 30 seconds.
/// Where the machine has much other work the limit is farther away.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `look` finds something and returns it. Panics with `what` as [`eventually`] does.
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
            panic!("waited {waited} seconds in vain for: {what}");
        }
        sleep(POLL);
    }
}
