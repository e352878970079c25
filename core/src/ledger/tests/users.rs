//! The ledger's shares of users by example.

use super::*;

#[test]
fn a_wait_counts_in_its_users_share_until_it_leaves() {
    let mut ledger = Ledger::default();
    for id in 1..=4 {
        ledger
            .accept(id, need(1, 0), Micros::new(0), None, ())
            .unwrap();
        ledger.attribute(id, b"alice");
    }
    ledger
        .accept(5, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.attribute(1, b"bob");
    assert_eq!((ledger.waits_of(b"alice"), ledger.waits_of(b"bob")), (4, 0));
    assert_eq!(ledger.unattributed(), [5]);
    ledger.cancel(1).unwrap();
    assert_eq!(ledger.waits_of(b"alice"), 3);
    ledger.assign(Offset::new(10), &acks(&[]));
    ledger.attribute(5, b"bob");
    ledger.cancel(4).unwrap();
    ledger.lose(Loss::Stream);
    assert_eq!(ledger.waits_of(b"alice"), 2, "lost ones still wait");
    while let Some((id, _)) = ledger.next_lost() {
        ledger.cancel(id).unwrap();
    }
    assert_eq!((ledger.waits_of(b"alice"), ledger.waits_of(b"bob")), (0, 0));
    ledger
        .accept(6, need(1, 0), Micros::new(0), None, ())
        .unwrap();
    ledger.attribute(6, b"alice");
    ledger.assign(Offset::new(20), &acks(&[]));
    assert_eq!(released(&mut ledger, &acks(&[20])), [6]);
    assert_eq!(ledger.waits_of(b"alice"), 0);
}
