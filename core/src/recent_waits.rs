//! How long the waits of the last minute took.
//!
//! The minute is cut into twelve windows of five seconds, each with a histogram of its own. A wait
//! counts from its end until the twelfth window after it begins: for 55 to 60 seconds, and never
//! longer than a minute. Windows are told apart by their number, so nothing happens between two
//! calls: a window's first wait clears what its histogram held a minute ago, and a reader skips
//! what is too old.

use hdrhistogram::Histogram;

/// So many windows are a minute.
const WINDOWS: u64 = 12;

/// The length of a window, in microseconds.
const WINDOW: u64 = 5_000_000;

/// A day, in microseconds: longer waits are recorded as this long.
pub const LONGEST: u64 = 86_400_000_000;

/// Two digits keep a histogram at 16 KB and each percentile within 1 %.
const DIGITS: u8 = 2;

/// See the head of this file.
#[derive(Debug)]
pub struct RecentWaits {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    /// The number of the window whose waits these are; `None` for nobody's.
    window: Option<u64>,
    waits: Histogram<u32>,
}

/// The waits of the last minute, in microseconds. All are 0 where there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of the waits took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// 999 of 1000 took no longer.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl Default for RecentWaits {
    fn default() -> Self {
        let slots = (0..WINDOWS).filter_map(|_| {
            Some(Slot {
                window: None,
                waits: empty()?,
            })
        });
        Self {
            slots: slots.collect(),
        }
    }
}

impl RecentWaits {
    /// A wait of so many microseconds ended. `now` is the caller's clock, in microseconds.
    pub fn record(&mut self, usec: u64, now: u64) {
        let window = now / WINDOW;
        let slot = usize::try_from(window % WINDOWS).ok();
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            if slot.window != Some(window) {
                slot.window = Some(window);
                slot.waits.reset();
            }
            slot.waits.saturating_record(usec.max(1));
        }
    }

    /// What the last minute was like. Adds the windows up: for INFO, not for every wait.
    pub fn percentiles(&self, now: u64) -> Percentiles {
        let now = now / WINDOW;
        let recent = |window: u64| window <= now && now.saturating_sub(window) < WINDOWS;
        let Some(mut all) = empty() else {
            return Percentiles::default();
        };
        for slot in self.slots.iter().filter(|s| s.window.is_some_and(recent)) {
            // Refused only where bounds differ, and all have the same.
            let _ = all.add(&slot.waits);
        }
        if all.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            p50: all.value_at_quantile(0.5),
            p99: all.value_at_quantile(0.99),
            p999: all.value_at_quantile(0.999),
            max: all.max(),
        }
    }

    /// Forgets all waits.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.window = None;
        }
    }
}

/// `None` if the fixed bounds were refused, which they are not.
fn empty() -> Option<Histogram<u32>> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = WINDOWS * WINDOW;

    fn near(value: u64, wanted: u64) -> bool {
        value.abs_diff(wanted) * 100 <= wanted
    }

    #[test]
    fn percentiles_are_of_all_windows_of_the_minute() {
        let mut waits = RecentWaits::default();
        assert_eq!(waits.percentiles(0), Percentiles::default());
        for usec in 1..=1000 {
            waits.record(usec, usec * 50_000);
        }
        let told = waits.percentiles(1000 * 50_000);
        assert!(near(told.p50, 500) && near(told.p99, 990));
        assert!(near(told.p999, 999) && near(told.max, 1000));
    }

    #[test]
    fn a_wait_counts_for_55_to_60_seconds() {
        for at in [0, 1, WINDOW - 1, WINDOW, 7 * MINUTE + 3] {
            let mut waits = RecentWaits::default();
            waits.record(70, at);
            for age in [0, WINDOW, MINUTE - WINDOW] {
                assert_eq!(waits.percentiles(at + age).max, 70, "{at} {age}");
            }
            let told = waits.percentiles(at + MINUTE);
            assert_eq!(told, Percentiles::default(), "{at}");
        }
    }

    #[test]
    fn a_window_does_not_show_what_was_there_a_minute_ago() {
        let mut waits = RecentWaits::default();
        waits.record(5000, 0);
        waits.record(7, MINUTE);
        assert_eq!(waits.percentiles(MINUTE).max, 7);
    }

    #[test]
    fn a_wait_of_no_time_or_of_years_is_recorded_too() {
        let mut waits = RecentWaits::default();
        waits.record(0, 0);
        assert_eq!(waits.percentiles(0).max, 1);
        waits.record(u64::MAX, 0);
        assert!(waits.percentiles(0).max >= LONGEST);
    }

    #[test]
    fn what_is_forgotten_is_not_told() {
        let mut waits = RecentWaits::default();
        waits.record(5000, 0);
        waits.clear();
        assert_eq!(waits.percentiles(0), Percentiles::default());
        waits.record(7, 0);
        assert_eq!(waits.percentiles(0).max, 7);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Record(u64),
        Pass(u64),
        Read,
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..3_000_000u64).prop_map(Step::Record),
            3 => (0..12_000_000u64).prop_map(Step::Pass),
            1 => (0..3 * MINUTE).prop_map(Step::Pass),
            3 => Just(Step::Read),
            1 => Just(Step::Clear),
        ];
        prop::collection::vec(step, 0..80)
    }

    /// The smallest value that the share is not above, as the histogram counts.
    fn quantile(sorted: &[u64], share: f64) -> u64 {
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    proptest! {
        #[test]
        fn the_windows_tell_what_a_list_of_all_waits_would(steps in steps(), start in 0..u64::MAX / 2) {
            let (mut waits, mut list, mut now) = (RecentWaits::default(), Vec::new(), start);
            for step in steps {
                match step {
                    Step::Record(usec) => {
                        waits.record(usec, now);
                        list.push((now, usec.max(1)));
                    }
                    Step::Pass(time) => now += time,
                    Step::Clear => {
                        waits.clear();
                        list.clear();
                    }
                    Step::Read => {
                        let told = waits.percentiles(now);
                        let begins = (now / WINDOW).saturating_sub(WINDOWS - 1) * WINDOW;
                        let recent = list.iter().filter(|(at, _)| *at >= begins);
                        let mut sorted: Vec<u64> = recent.map(|&(_, usec)| usec).collect();
                        sorted.sort_unstable();
                        if sorted.is_empty() {
                            prop_assert_eq!(told, Percentiles::default());
                            continue;
                        }
                        for (value, share) in [(told.p50, 0.5), (told.p99, 0.99), (told.p999, 0.999), (told.max, 1.0)] {
                            prop_assert!(near(value, quantile(&sorted, share)), "{value} {share} {sorted:?}");
                        }
                    }
                }
            }
        }
    }
}
