//! Which reports of fsyncs count, by example.

use super::*;

/// Clients 1, 2, … report for replicas at host `a` and these ports.
fn reporting(ports: &[u16]) -> FsyncReports {
    let mut fsyncs = FsyncReports::default();
    for (client, port) in (1..).zip(ports) {
        report(&mut fsyncs, client, *port, 5, 5);
    }
    let asked = fsyncs.clients_to_look_up();
    let listed = asked.iter().map(|&id| (id, Some(b"a".to_vec()))).collect();
    fsyncs.looked_up(&asked, &listed);
    fsyncs
}

fn report(fsyncs: &mut FsyncReports, client: u64, port: u16, acked: u64, fsynced: u64) {
    let words = format!("listening-port {port} ACK {acked} FACK {fsynced}");
    fsyncs.replconf(client, words.split(' ').map(str::as_bytes));
}

#[test]
fn a_fsynced_offset_beyond_the_acknowledged_one_is_not_believed() {
    let mut fsyncs = reporting(&[1]);
    report(&mut fsyncs, 1, 1, 10, 99);
    let mut replicas = Replicas::default();
    let links = [("a", 1, true, 10)];
    replicas.list(listing(50, &links, Some(0)), Micros::new(0), &fsyncs);
    assert_eq!(
        (
            replicas.acks().fsynced(Offset::new(10)),
            replicas.acks().fsynced(Offset::new(11))
        ),
        (1, 0)
    );
}

#[test]
fn at_an_address_with_several_links_each_report_counts_by_itself() {
    let mut fsyncs = reporting(&[1, 1]);
    let mut replicas = Replicas::default();
    let mut look = |fsyncs: &FsyncReports, offset, acked: [u64; 2]| {
        let links = acked.map(|acked| ("a", 1, true, acked));
        replicas.list(listing(offset, &links, Some(0)), Micros::new(0), fsyncs);
        let fsynced = replicas
            .statuses(fsyncs)
            .map(|link| link.fsynced.map(Offset::get));
        (
            replicas.acks().fsynced(Offset::new(1)),
            fsynced.collect::<Vec<_>>(),
        )
    };
    // The baseline is 20: an acknowledgement of 5 or 20 proves nothing.
    assert_eq!(look(&fsyncs, 20, [5, 5]), (0, vec![Some(5), Some(5)]));
    report(&mut fsyncs, 1, 1, 30, 25);
    report(&mut fsyncs, 2, 1, 20, 20);
    assert_eq!(look(&fsyncs, 30, [30, 20]), (1, vec![Some(25), Some(20)]));
    report(&mut fsyncs, 2, 1, 30, 30);
    // Both links have acknowledged 30: it is unknown which report is whose.
    assert_eq!(look(&fsyncs, 30, [30, 30]), (2, vec![None, None]));
    report(&mut fsyncs, 2, 1, 99, 99);
    assert_eq!(look(&fsyncs, 30, [30, 30]), (1, vec![Some(25), Some(25)]));
}

#[test]
fn a_replica_is_worth_a_request_once_it_acknowledged_more_than_at_the_last_request() {
    let fsyncs = reporting(&[1, 2]);
    let mut replicas = Replicas::default();
    let look = |replicas: &mut Replicas, one, two, silent| {
        let rows = [
            ("a", 1, true, one),
            ("a", 2, true, two),
            ("b", 3, true, silent),
        ];
        replicas.list(listing(30, &rows, Some(0)), Micros::new(0), &fsyncs);
        let ranges = replicas.unconfirmed_fsyncs(&fsyncs);
        ranges
            .map(|(above, up_to)| (above.get(), up_to.get()))
            .collect::<Vec<_>>()
    };
    assert_eq!(look(&mut replicas, 5, 5, 5), []);
    // A replica that reports no fsync is not worth a request.
    assert_eq!(look(&mut replicas, 5, 5, 20), []);
    assert_eq!(look(&mut replicas, 5, 20, 20), [(5, 20)]);
    replicas.request_sent();
    assert_eq!(look(&mut replicas, 5, 20, 20), []);
    assert_eq!(look(&mut replicas, 20, 20, 20), [(5, 20)]);
    replicas.request_sent();
    assert_eq!(look(&mut replicas, 30, 20, 20), [(20, 30)]);
    // An acknowledged offset that falls belongs to another process.
    assert_eq!(look(&mut replicas, 10, 20, 20), [(5, 10)]);
    // A link that does not count is not worth a request.
    assert_eq!(look(&mut replicas, 31, 20, 20), []);
}
