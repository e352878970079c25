//! Percentiles of the durations of the last minute's waits, in microseconds.
//!
//! The minute is divided into twelve windows of five seconds, each with a histogram. A window has a
//! number: the time divided by five seconds. Example: a wait that ended at second 3 is in window 0
//! and counts up to the end of window 11, at second 60. So each wait counts for 55 to 60 seconds.
//!
//! No timer is needed. Window 12 uses the histogram of window 0 again: the first wait of window 12
//! resets the histogram, and a reader skips histograms of windows that are too old.

use hdrhistogram::Histogram;

use crate::units::Micros;

/// The number of windows in a minute.
const WINDOWS: u64 = 12;

/// The length of a window, in microseconds.
const WINDOW: u64 = 5_000_000;

/// A day, in microseconds. A longer wait is recorded as a day.
pub const LONGEST: u64 = 86_400_000_000;

/// Significant digits: two keep a histogram at 16 KB and each percentile within 1 %.
const DIGITS: u8 = 2;

/// The durations of the waits that ended in the last minute.
#[derive(Debug)]
pub struct RecentWaits {
    /// The window with number n is at index n % 12.
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    /// `None` if it holds no waits.
    number: Option<u64>,
    waits: Histogram<u32>,
}

/// Durations of the last minute's waits, in microseconds. All are 0 if there were none.
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
        let windows = (0..WINDOWS).filter_map(|_| {
            Some(Window {
                number: None,
                waits: empty_histogram()?,
            })
        });
        Self {
            windows: windows.collect(),
        }
    }
}

impl RecentWaits {
    /// A wait that took `took` ended.
    pub fn record(&mut self, took: Micros, now: Micros) {
        let number = now.get() / WINDOW;
        let index = usize::try_from(number % WINDOWS).ok();
        if let Some(window) = index.and_then(|index| self.windows.get_mut(index)) {
            if window.number != Some(number) {
                window.number = Some(number);
                window.waits.reset();
            }
            window.waits.saturating_record(took.get().max(1));
        }
    }

    /// The percentiles of the last minute. Adds up twelve histograms: call it for INFO, not for
    /// every wait.
    pub fn percentiles(&self, now: Micros) -> Percentiles {
        let now = now.get() / WINDOW;
        let is_recent = |number: u64| number <= now && now.saturating_sub(number) < WINDOWS;
        let Some(mut all) = empty_histogram() else {
            return Percentiles::default();
        };
        let windows = self.windows.iter();
        for window in windows.filter(|window| window.number.is_some_and(is_recent)) {
            // Fails only if the bounds differ, and all histograms have the same bounds.
            let _ = all.add(&window.waits);
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
        for window in &mut self.windows {
            window.number = None;
        }
    }
}

/// `None` if the bounds are invalid, which these constants are not.
fn empty_histogram() -> Option<Histogram<u32>> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).ok()
}

#[cfg(test)]
mod tests;
