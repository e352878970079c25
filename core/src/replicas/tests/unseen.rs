//! Links that the listing does not show, by example.

use super::*;

#[test]
fn a_link_that_came_and_went_unseen_voids_what_was_known_of_all() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("b", 2, true, 10)];
    list_granted(&mut replicas, 10, 0, &rows, Some(7));
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(7)), 2);
    // Granted, and not in the listing: behind one of the links its replica may be empty.
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(8)), 0);
    assert_eq!(replicas.admissible(0), 2);
    assert_eq!(replicas.open_baseline(), Some(10));
    rows[0].3 = 47;
    assert_eq!(update(&mut replicas, 47, &rows), Some(1));
    rows[1].3 = 47;
    assert_eq!(update(&mut replicas, 47, &rows), Some(2));
    // One that is in the listing explains itself.
    let three = [rows[0], rows[1], ("c", 3, true, 47)];
    assert_eq!(list_granted(&mut replicas, 47, 0, &three, Some(9)), 3);
    // One that shows another address than before has not come: the one that came is gone.
    let moved = [rows[0], rows[1], ("d", 3, true, 47)];
    assert_eq!(list_granted(&mut replicas, 47, 0, &moved, Some(10)), 0);
}

#[test]
fn a_link_that_the_server_does_not_list_yet_explains_its_own_synchronization() {
    let mut replicas = Replicas::default();
    let rows = [("a", 1, true, 10), ("b", 2, false, 0)];
    let hidden = |rows: &[Row<'static>], connected, granted| Listing {
        connected,
        ..listing(10, rows, Some(granted))
    };
    let fsyncs = Fsyncs::default();
    list_granted(&mut replicas, 10, 0, &rows[..1], Some(7));
    replicas.list(hidden(&rows[..1], 2, 8), 0, &fsyncs);
    assert_eq!(replicas.acks().replicas(), 1);
    replicas.list(hidden(&rows, 3, 9), 0, &fsyncs);
    assert_eq!(replicas.acks().replicas(), 1);
    // Nothing is known where the server does not say.
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, None), 0);
}

#[test]
fn statistics_that_are_reset_leave_only_a_handshake_in_doubt() {
    let rows = [("a", 1, true, 10)];
    for (heard, counting) in [(false, 1), (true, 0)] {
        let mut replicas = Replicas::default();
        list_granted(&mut replicas, 10, 0, &rows, Some(7));
        if heard {
            replicas.handshake_heard();
        }
        replicas.statistics_reset();
        assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(0)), counting);
    }
}
