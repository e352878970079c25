//! How long to wait before another attempt: doubling, capped, and partly random. Pure.

use std::time::Duration;

/// The wait after the first failure, before the jitter.
const FIRST: Duration = Duration::from_millis(8);
/// The longest wait, before the jitter.
const CAP: Duration = Duration::from_millis(512);

/// The wait after so many failures, at least 1; `random` is in `0.0..1.0`.
///
/// Half of the wait is random, so that clients which failed together do not come back together. For
/// example, the waits after 1, 2 and 9 failures are 4 to 8, 8 to 16 and 256 to 512 ms.
pub(crate) fn delay(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(CAP);
    full.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_doubles_up_to_the_cap() {
        assert_eq!(delay(1, 1.0), FIRST);
        assert_eq!(delay(2, 1.0), FIRST * 2);
        assert_eq!(delay(7, 1.0), CAP);
        assert_eq!(delay(u32::MAX, 1.0), CAP);
    }

    proptest! {
        #[test]
        fn half_of_it_is_random(failures: u32, random in 0.0_f64..1.0) {
            let (low, high) = (delay(failures, 0.0), delay(failures, 1.0));
            prop_assert_eq!(low * 2, high);
            let found = delay(failures, random);
            prop_assert!(low <= found && found <= high && high <= CAP);
        }
    }
}
