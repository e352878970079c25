//! Reports of fsyncs by example.

use super::*;

fn send(fsyncs: &mut FsyncReports, client: u64, line: &str) {
    fsyncs.replconf(client, line.split(' ').map(str::as_bytes));
}

fn identify(fsyncs: &mut FsyncReports, listed: &[(u64, Option<&str>)]) {
    let asked = fsyncs.clients_to_look_up();
    let listed = listed
        .iter()
        .map(|&(id, from)| (id, from.map(|from| from.as_bytes().to_vec())))
        .collect();
    fsyncs.looked_up(&asked, &listed);
}

/// The fsynced offset, if a single replica shows the address.
fn of(fsyncs: &FsyncReports, host: &[u8], port: u16) -> Option<u64> {
    let reports: Vec<_> = fsyncs.of(host, port).collect();
    match reports[..] {
        [Some(report)] => Some(report.fsynced.get()),
        _ => None,
    }
}

#[test]
fn a_report_counts_once_the_server_lists_its_client_as_a_replica() {
    let mut fsyncs = FsyncReports::default();
    send(&mut fsyncs, 7, "listening-port 6380");
    send(&mut fsyncs, 7, "ACK 100 FACK 90");
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
    identify(&mut fsyncs, &[(7, Some("10.0.0.1"))]);
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), Some(90));
    send(&mut fsyncs, 7, "ACK 120 FACK 110");
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), Some(110));
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6381), None);
    assert_eq!(of(&fsyncs, b"10.0.0.2", 6380), None);
}

#[test]
fn a_report_of_a_client_that_is_not_a_replica_is_ignored() {
    let mut fsyncs = FsyncReports::default();
    send(&mut fsyncs, 8, "listening-port 6380 ip-address 10.0.0.1");
    send(&mut fsyncs, 8, "ACK 999 FACK 999");
    identify(&mut fsyncs, &[(8, None)]);
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
}

#[test]
fn two_replicas_with_one_address_are_both_returned_until_one_leaves() {
    let mut fsyncs = FsyncReports::default();
    for client in [1, 2] {
        send(&mut fsyncs, client, "listening-port 6380");
        send(&mut fsyncs, client, "ack 5 fack 5");
    }
    identify(&mut fsyncs, &[(1, Some("h")), (2, Some("h"))]);
    assert!(fsyncs.clients_to_look_up().is_empty());
    assert_eq!(of(&fsyncs, b"h", 6380), None);
    fsyncs.client_left(1);
    assert_eq!(of(&fsyncs, b"h", 6380), Some(5));
}

#[test]
fn an_announced_address_replaces_the_one_that_the_client_connects_from() {
    let mut fsyncs = FsyncReports::default();
    send(
        &mut fsyncs,
        1,
        "ip-address replica.example listening-port 6380",
    );
    send(&mut fsyncs, 1, "ACK 5 FACK 4");
    identify(&mut fsyncs, &[(1, Some("10.0.0.1"))]);
    assert_eq!(of(&fsyncs, b"replica.example", 6380), Some(4));
    assert_eq!(of(&fsyncs, b"10.0.0.1", 6380), None);
}

#[test]
fn a_lookup_is_due_only_for_reports_of_unknown_clients() {
    let mut fsyncs = FsyncReports::default();
    send(&mut fsyncs, 1, "listening-port 6380");
    assert!(fsyncs.clients_to_look_up().is_empty());
    send(&mut fsyncs, 1, "ACK 5 FACK 4");
    identify(&mut fsyncs, &[(1, Some("h"))]);
    send(&mut fsyncs, 1, "ACK 6 FACK 6");
    assert!(fsyncs.clients_to_look_up().is_empty());
    fsyncs.replicas_changed();
    assert_eq!(fsyncs.clients_to_look_up(), [1]);
}

#[test]
fn clients_that_pose_as_replicas_are_looked_up_once_and_forgotten_when_they_leave() {
    let mut fsyncs = FsyncReports::default();
    for client in 0..10_000 {
        send(&mut fsyncs, client, "listening-port 6380");
        send(&mut fsyncs, client, "ACK 5 FACK 4");
    }
    let listed: Vec<_> = (0..10_000)
        .map(|client| (client, (client == 7).then_some("h")))
        .collect();
    identify(&mut fsyncs, &listed);
    for client in 0..10_000 {
        send(&mut fsyncs, client, "ACK 5 FACK 5");
    }
    assert!(fsyncs.clients_to_look_up().is_empty());
    assert_eq!(of(&fsyncs, b"h", 6380), Some(5));
    assert_eq!(fsyncs.replicas, [ClientId::new(7)]);
    for client in 0..10_000 {
        fsyncs.client_left(client);
    }
    assert!(fsyncs.clients.is_empty() && fsyncs.replicas.is_empty());
    assert_eq!(of(&fsyncs, b"h", 6380), None);
}

#[test]
fn a_replica_that_has_not_reported_is_returned_too() {
    let mut fsyncs = FsyncReports::default();
    send(&mut fsyncs, 1, "listening-port 6380");
    assert!(
        fsyncs.clients_to_look_up().is_empty(),
        "no client has reported"
    );
    send(&mut fsyncs, 2, "listening-port 6380 ACK 5 FACK 4");
    identify(&mut fsyncs, &[(1, Some("h")), (2, Some("h"))]);
    assert_eq!(of(&fsyncs, b"h", 6380), None);
    fsyncs.client_left(1);
    assert_eq!(of(&fsyncs, b"h", 6380), Some(4));
}

#[test]
fn malformed_words_are_ignored() {
    let mut fsyncs = FsyncReports::default();
    for line in [
        "",
        "listening-port",
        "listening-port x",
        "listening-port 70000",
        "fack 1",
        "capa eof capa psync2",
    ] {
        send(&mut fsyncs, 1, line);
    }
    assert!(fsyncs.clients.is_empty());
    send(&mut fsyncs, 1, "listening-port 1 ACK 5 FACK -3");
    identify(&mut fsyncs, &[(1, Some("h"))]);
    assert_eq!(of(&fsyncs, b"h", 1), None);
}
