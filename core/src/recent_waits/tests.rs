//! Percentiles by example, and against a list of all waits.

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = WINDOWS * WINDOW;

fn near(value: u64, wanted: u64) -> bool {
    value.abs_diff(wanted) * 100 <= wanted
}

#[test]
fn percentiles_are_of_all_windows_of_the_minute() {
    let mut waits = RecentWaits::default();
    assert_eq!(waits.percentiles(Micros::new(0)), Percentiles::default());
    for usec in 1..=1000 {
        waits.record(Micros::new(usec), Micros::new(usec * 50_000));
    }
    let shown = waits.percentiles(Micros::new(1000 * 50_000));
    assert!(near(shown.p50, 500) && near(shown.p99, 990));
    assert!(near(shown.p999, 999) && near(shown.max, 1000));
}

#[test]
fn a_wait_counts_for_55_to_60_seconds() {
    for at in [0, 1, WINDOW - 1, WINDOW, 7 * MINUTE + 3] {
        let mut waits = RecentWaits::default();
        waits.record(Micros::new(70), Micros::new(at));
        for age in [0, WINDOW, MINUTE - WINDOW] {
            assert_eq!(
                waits.percentiles(Micros::new(at + age)).max,
                70,
                "{at} {age}"
            );
        }
        let shown = waits.percentiles(Micros::new(at + MINUTE));
        assert_eq!(shown, Percentiles::default(), "{at}");
    }
}

#[test]
fn a_window_does_not_show_the_waits_of_a_minute_ago() {
    let mut waits = RecentWaits::default();
    waits.record(Micros::new(5000), Micros::new(0));
    waits.record(Micros::new(7), Micros::new(MINUTE));
    assert_eq!(waits.percentiles(Micros::new(MINUTE)).max, 7);
}

#[test]
fn durations_out_of_range_are_recorded_as_the_nearest_one() {
    let mut waits = RecentWaits::default();
    waits.record(Micros::new(0), Micros::new(0));
    assert_eq!(waits.percentiles(Micros::new(0)).max, 1);
    waits.record(Micros::new(u64::MAX), Micros::new(0));
    assert!(waits.percentiles(Micros::new(0)).max >= LONGEST);
}

#[test]
fn cleared_waits_are_not_shown() {
    let mut waits = RecentWaits::default();
    waits.record(Micros::new(5000), Micros::new(0));
    waits.clear();
    assert_eq!(waits.percentiles(Micros::new(0)), Percentiles::default());
    waits.record(Micros::new(7), Micros::new(0));
    assert_eq!(waits.percentiles(Micros::new(0)).max, 7);
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

/// The value at the quantile `share`, by the histogram's own definition: the smallest one that at
/// least this share of the values does not exceed.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

proptest! {
    #[test]
    fn percentiles_are_those_of_a_list_of_all_waits(steps in steps(), start in 0..u64::MAX / 2) {
        let (mut waits, mut list, mut now) = (RecentWaits::default(), Vec::new(), start);
        for step in steps {
            match step {
                Step::Record(usec) => {
                    waits.record(Micros::new(usec), Micros::new(now));
                    list.push((now, usec.max(1)));
                }
                Step::Pass(time) => now += time,
                Step::Clear => {
                    waits.clear();
                    list.clear();
                }
                Step::Read => {
                    let shown = waits.percentiles(Micros::new(now));
                    let begins = (now / WINDOW).saturating_sub(WINDOWS - 1) * WINDOW;
                    let recent = list.iter().filter(|(at, _)| *at >= begins);
                    let mut sorted: Vec<u64> = recent.map(|&(_, usec)| usec).collect();
                    sorted.sort_unstable();
                    if sorted.is_empty() {
                        prop_assert_eq!(shown, Percentiles::default());
                        continue;
                    }
                    for (value, share) in [(shown.p50, 0.5), (shown.p99, 0.99), (shown.p999, 0.999), (shown.max, 1.0)] {
                        prop_assert!(near(value, quantile(&sorted, share)), "{value} {share} {sorted:?}");
                    }
                }
            }
        }
    }
}
