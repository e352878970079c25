//! Trackers by example.

use super::*;

fn words(line: &str) -> impl Iterator<Item = &[u8]> {
    line.split(' ').map(str::as_bytes)
}

#[test]
fn only_broadcasts_with_a_prefix_of_the_name_track_the_map() {
    for line in [
        "ON BCAST",
        "on REDIRECT 5 bcast prefix __slothint__:",
        "ON PREFIX user: PREFIX __slothint__:topology BCAST NOLOOP",
        "ON BCAST PREFIX ",
    ] {
        assert!(tracks_topology(words(line)), "{line}");
    }
    for line in [
        "ON",
        "OFF",
        "ON OPTIN",
        "ON BCAST PREFIX user:",
        "ON BCAST PREFIX __slothint__:topology:",
        "ON REDIRECT BCAST",
        "ON BCAST PREFIX",
    ] {
        assert!(!tracks_topology(words(line)), "{line}");
    }
}

#[test]
fn after_loading_any_tracked_prefix_may_be_that_of_the_map() {
    let mut trackers = Trackers::at_load(0);
    assert!(trackers.is_count_due(0));
    assert!(trackers.take_count(1, 0), "the prefix is unknown");
    assert!(trackers.is_tracked());
    assert!(!trackers.take_count(0, 1000) && !trackers.is_tracked());
    // From then on the filter sees all clients that track.
    assert!(!trackers.take_count(1, 2000) && !trackers.is_tracked());
    assert!(!trackers.is_possible(MAY_TRACK.get()));
    assert!(!trackers.is_count_due(MAY_TRACK.get()));
}

/// Some time after the module was loaded, without trackers.
fn settled() -> (Trackers, u64) {
    let mut trackers = Trackers::at_load(0);
    trackers.take_count(0, 0);
    (trackers, 10 * MAY_TRACK.get())
}

#[test]
fn tracking_is_possible_from_the_command_on_and_certain_from_the_next_read_on() {
    let (mut trackers, now) = settled();
    trackers.take_count(0, now - 1);
    trackers.tracking_sent(7, words("ON BCAST"), now);
    assert!(trackers.is_possible(now) && !trackers.is_tracked());
    assert!(
        trackers.is_count_due(now),
        "although the last read was just now"
    );
    assert!(trackers.take_count(1, now));
    assert!(!trackers.is_count_due(now + READ_INTERVAL.get() - 1));
    assert!(
        trackers.is_count_due(now + 2 * MAY_TRACK.get()),
        "while a client tracks"
    );
    assert!(
        !trackers.take_count(1, now + READ_INTERVAL.get()),
        "tracking does not begin again"
    );
    assert!(trackers.is_tracked());
}

#[test]
fn clients_that_track_other_prefixes_are_ignored() {
    let (mut trackers, now) = settled();
    trackers.tracking_sent(7, words("ON BCAST PREFIX user:"), now);
    assert!(!trackers.is_possible(now));
    assert!(!trackers.take_count(5, now) && !trackers.is_tracked());
    trackers.tracking_sent(8, words("ON BCAST PREFIX __"), now);
    assert!(trackers.take_count(6, now));
    trackers.client_left(8);
    assert!(!trackers.take_count(5, now) && !trackers.is_tracked());
}

#[test]
fn a_command_that_was_queued_counts_from_its_exec_on() {
    let (mut trackers, now) = settled();
    trackers.tracking_sent(7, words("ON BCAST"), now);
    let later = now + 2 * MAY_TRACK.get();
    assert!(!trackers.is_possible(later));
    trackers.exec_sent(8, later);
    assert!(!trackers.is_possible(later));
    trackers.exec_sent(7, later);
    assert!(trackers.is_possible(later) && trackers.is_count_due(later));
}
