//! Which unproved links count for the admission of a command.

use super::*;

#[test]
fn a_link_that_counted_counts_for_admission_for_two_more_seconds() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 10, &[("a", 1, true, 10)]);
    replicas.replica_event();
    let rows = [("a", 1, true, 10), ("a", 1, true, 10)];
    assert_eq!(list_at(&mut replicas, 10, 1000, &rows), 1);
    assert_eq!(replicas.counting_for_admission(Micros::new(1000)), 2);
    // Another change within the two seconds does not lengthen the grace of a link that has not
    // counted since.
    replicas.replica_event();
    assert_eq!(list_at(&mut replicas, 10, 1_500_000, &rows[..1]), 0);
    assert_eq!(replicas.counting_for_admission(Micros::new(1_500_000)), 1);
    replicas.replica_event();
    assert_eq!(list_at(&mut replicas, 10, 1_600_000, &rows), 1);
    assert_eq!(replicas.counting_for_admission(Micros::new(1_600_000)), 2);
    assert_eq!(replicas.counting_for_admission(Micros::new(3_700_000)), 1);
    // This applies to admission alone: the acknowledgements of the unproved link do not count.
    assert_eq!(replicas.acks().acknowledged(Offset::new(1)), 1);
}

#[test]
fn the_newest_link_needs_no_grace_while_it_counts_by_itself() {
    let mut replicas = Replicas::default();
    list(&mut replicas, 10, &[("a", 1, true, 10)]);
    let rows = [("a", 1, true, 10), ("a", 1, true, 10), ("a", 1, true, 10)];
    assert_eq!(list(&mut replicas, 10, &rows), 1);
    // The first link proves itself, the second one is dead, the third one is the newest.
    let rows = [("a", 1, true, 20), ("a", 1, true, 10), ("a", 1, true, 20)];
    assert_eq!(list(&mut replicas, 20, &rows), 2);
    replicas.replica_event();
    assert_eq!(list_at(&mut replicas, 20, 3_000_000, &rows), 1);
    assert_eq!(replicas.counting_for_admission(Micros::new(3_000_000)), 2);
    // The grace of the first link ends when it proves itself again.
    let rows = [("a", 1, true, 30), ("a", 1, true, 10), ("a", 1, true, 20)];
    assert_eq!(list_at(&mut replicas, 30, 3_000_001, &rows), 2);
    assert_eq!(replicas.counting_for_admission(Micros::new(3_000_001)), 2);
}
