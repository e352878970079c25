//! Links that come and go without ever being listed, by example.

use super::*;

#[test]
fn a_link_that_came_and_went_unseen_voids_the_proofs_of_all_addresses() {
    let mut replicas = Replicas::default();
    let mut rows = [("a", 1, true, 10), ("b", 2, true, 10)];
    list_granted(&mut replicas, 10, 0, &rows, Some(7));
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(7)), 2);
    // A granted synchronization without a new link: the replica of some link may be empty now.
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(8)), 0);
    assert_eq!(replicas.counting_for_admission(Micros::new(0)), 2);
    assert_eq!(replicas.open_baseline(), Some(Offset::new(10)));
    rows[0].3 = 47;
    assert_eq!(update(&mut replicas, 47, &rows), Some(1));
    rows[1].3 = 47;
    assert_eq!(update(&mut replicas, 47, &rows), Some(2));
    // A new link in the listing explains a granted synchronization.
    let three = [rows[0], rows[1], ("c", 3, true, 47)];
    assert_eq!(list_granted(&mut replicas, 47, 0, &three, Some(9)), 3);
    // The third link shows another address than before. The number of links has not grown, so
    // nothing explains the granted synchronization.
    let moved = [rows[0], rows[1], ("d", 3, true, 47)];
    assert_eq!(list_granted(&mut replicas, 47, 0, &moved, Some(10)), 0);
}

#[test]
fn a_link_that_is_connected_but_not_listed_explains_a_granted_synchronization() {
    let mut replicas = Replicas::default();
    let rows = [("a", 1, true, 10), ("b", 2, false, 0)];
    let hidden = |rows: &[Row<'static>], connected, granted| Listing {
        connected,
        ..listing(10, rows, Some(granted))
    };
    let fsyncs = FsyncReports::default();
    list_granted(&mut replicas, 10, 0, &rows[..1], Some(7));
    replicas.list(hidden(&rows[..1], 2, 8), Micros::ZERO, &fsyncs);
    assert_eq!(replicas.acks().replicas(), 1);
    replicas.list(hidden(&rows, 3, 9), Micros::ZERO, &fsyncs);
    assert_eq!(replicas.acks().replicas(), 1);
    // Without the server's count any link may have come and gone.
    assert_eq!(list_granted(&mut replicas, 10, 0, &rows, None), 0);
}

#[test]
fn a_reset_of_the_statistics_voids_proofs_only_during_a_handshake() {
    let rows = [("a", 1, true, 10)];
    for (heard, counting) in [(false, 1), (true, 0)] {
        let mut replicas = Replicas::default();
        list_granted(&mut replicas, 10, 0, &rows, Some(7));
        if heard {
            replicas.psync_seen();
        }
        replicas.statistics_were_reset();
        assert_eq!(list_granted(&mut replicas, 10, 0, &rows, Some(0)), counting);
    }
}
