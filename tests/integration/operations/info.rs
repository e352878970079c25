//! INFO durable and the latency monitor.

use std::collections::HashMap;

use testkit::redis::Value;
use testkit::{eventually, FakeReplica, Replicated, Server};

use crate::support::{
    builder, connections, info, patient, replicated, say, send, server_time, wait_for_waiters,
};

/// The fields of the durable commands. Slot hints have fields of their own.
const FIELDS: [&str; 25] = [
    "version",
    "waiters",
    "waiters_peak",
    "replicas_online",
    "acknowledged_offset",
    "acked_total",
    "unacked_total",
    "noreplicas_total",
    "overloaded_total",
    "disconnected_total",
    "demoted_total",
    "ack_requests_total",
    "wait_usec_p50",
    "wait_usec_p99",
    "wait_usec_p999",
    "wait_usec_max",
    "required_replicas",
    "requirement_met",
    "links",
    "links_not_counted",
    "max_lag_bytes",
    "oldest_wait_ms",
    "once_total",
    "once_repeated_total",
    "build",
];

#[test]
fn the_section_has_the_fields_of_the_contract_in_its_order() {
    let server = Server::builder().start();
    let text: String = server.run(&["INFO", "durable"]);
    assert!(text.starts_with("# durable\r\n"), "{text}");
    let shown: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, _)| name.strip_prefix("durable_"))
        .filter(|name| !name.starts_with("slothint_"))
        .collect();
    assert_eq!(shown, FIELDS);
    let is_text = |field: &str| ["durable_version", "durable_build"].contains(&field);
    for (field, value) in server.info("durable") {
        assert!(
            is_text(&field) || value.parse::<u64>().is_ok(),
            "{field}: {value}"
        );
    }
    // The section is in INFO modules and INFO everything, not in the default INFO.
    for (section, there) in [("modules", true), ("everything", true), ("default", false)] {
        let text: String = server.run(&["INFO", section]);
        assert_eq!(text.contains("durable_waiters:"), there, "INFO {section}");
    }
}

fn numbers(primary: &Server) -> Vec<i64> {
    let totals = [
        "acked_total",
        "unacked_total",
        "noreplicas_total",
        "overloaded_total",
        "disconnected_total",
        "demoted_total",
    ];
    totals.iter().map(|field| info(primary, field)).collect()
}

#[test]
fn each_end_of_a_wait_and_each_refusal_moves_its_own_counter_by_one() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters", "1"]))
        .start();
    let primary = &group.primary;
    let mut conn = primary.raw();
    assert_eq!(numbers(primary), [0, 0, 0, 0, 0, 0]);
    assert_eq!(say(&mut conn, "DURABLE.INCR n"), ":1\r\n");
    assert_eq!(numbers(primary), [1, 0, 0, 0, 0, 0]);
    assert!(info(primary, "ack_requests_total") > 0);
    assert!(say(&mut conn, "DURABLE.INCR n REPLICAS 2").starts_with("-NOREPLICAS "));
    assert_eq!(numbers(primary), [1, 0, 1, 0, 0, 0]);
    group.replicas[0].pause();
    assert!(say(&mut conn, "DURABLE.INCR n TIMEOUT 10").starts_with("-UNACKED "));
    assert_eq!(numbers(primary), [1, 1, 1, 0, 0, 0]);
    send(&mut conn, "DURABLE.INCR n");
    wait_for_waiters(primary, 1);
    assert!(say(&mut primary.raw(), "DURABLE.INCR n").starts_with("-OVERLOADED "));
    assert_eq!(numbers(primary), [1, 1, 1, 1, 0, 0]);
    drop(conn);
    wait_for_waiters(primary, 0);
    assert_eq!(numbers(primary), [1, 1, 1, 1, 1, 0]);
    let mut conn = primary.raw();
    send(&mut conn, "DURABLE.CALL INCR n");
    wait_for_waiters(primary, 1);
    let other = Server::builder().start();
    primary.replica_of(&other);
    assert!(conn.read_until_closed().starts_with(b"-UNBLOCKED "));
    assert_eq!(numbers(primary), [1, 1, 1, 1, 1, 1]);
    assert_eq!(info(primary, "waiters_peak"), 1);
    group.replicas[0].resume();
    // A reply without a wait, a bad option and an error of the inner command count nowhere.
    let alone = patient(Server::builder()).start();
    let mut conn = alone.raw();
    say(&mut conn, "DURABLE.SET k v REPLICAS 0");
    say(&mut conn, "DURABLE.SET k v TIMEOUT x");
    say(&mut conn, "DURABLE.INCR k REPLICAS 0");
    assert_eq!(numbers(&alone), [0, 0, 0, 0, 0, 0]);
}

#[test]
fn replicas_online_are_those_that_count() {
    let group = replicated(2);
    let primary = &group.primary;
    eventually("both replicas to count", || {
        info(primary, "replicas_online") == 2
    });
    // A link without a listening port reads the stream and is not a replica.
    let _reader = FakeReplica::builder()
        .without_listening_port()
        .start(primary);
    assert_eq!(info(primary, "replicas_online"), 2);
    group.replicas[1].kill();
    eventually("one replica to disappear", || {
        info(primary, "replicas_online") == 1
    });
}

#[test]
fn the_acknowledged_offset_is_that_of_the_configured_requirement() {
    let group = replicated(2);
    let primary = &group.primary;
    let mut conn = primary.raw();
    say(&mut conn, "CONFIG SET repl-ping-replica-period 3600");
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 2"), "+OK\r\n");
    let both = primary.offset() as i64;
    group.replicas[1].pause();
    assert_eq!(say(&mut conn, "DURABLE.SET k w REPLICAS 1"), "+OK\r\n");
    let one = info(primary, "acknowledged_offset");
    assert!(one >= both, "{one} for one replica, {both} for both");
    say(&mut conn, "CONFIG SET durable.replicas 2");
    let two = info(primary, "acknowledged_offset");
    assert!(
        0 < two && two <= both && two < one,
        "{two} for two replicas, {both} before"
    );
    say(&mut conn, "CONFIG SET durable.replicas 3");
    assert_eq!(info(primary, "acknowledged_offset"), 0);
    say(&mut conn, "CONFIG SET durable.replicas 0");
    assert_eq!(
        info(primary, "acknowledged_offset"),
        primary.offset() as i64
    );
    group.replicas[1].resume();
}

#[test]
fn what_the_configuration_requires_is_told_with_whether_it_is_met() {
    let group = replicated(2);
    let primary = &group.primary;
    eventually("both replicas to count", || {
        info(primary, "replicas_online") == 2
    });
    let mut conn = primary.raw();
    let requirement = || ["required_replicas", "requirement_met"].map(|field| info(primary, field));
    assert_eq!(requirement(), [1, 1]);
    for (setting, wanted) in [
        ("durable.replicas 2", [2, 1]),
        ("durable.replicas 3", [3, 0]),
        // durable.expected-replicas is 0, so a majority is not defined, and every write is refused.
        ("durable.replicas majority", [0, 0]),
        ("durable.expected-replicas 4", [2, 1]),
        ("durable.replicas all", [4, 0]),
        ("durable.replicas 0", [0, 1]),
    ] {
        assert_eq!(say(&mut conn, &format!("CONFIG SET {setting}")), "+OK\r\n");
        assert_eq!(requirement(), wanted, "{setting}");
    }
    // A write is refused accordingly.
    say(&mut conn, "CONFIG SET durable.replicas 2");
    group.replicas[1].kill();
    eventually("one replica to disappear", || requirement() == [2, 0]);
    assert!(say(&mut conn, "DURABLE.SET k v").starts_with("-NOREPLICAS "));
    // A replica accepts no write, so the requirement is not met.
    say(&mut conn, "CONFIG SET durable.replicas 0");
    assert_eq!(requirement(), [0, 1]);
    let other = Server::builder().start();
    primary.replica_of(&other);
    assert_eq!(requirement(), [0, 0]);
}

#[test]
fn the_oldest_wait_is_that_of_the_client_that_waits_longest() {
    let group = replicated(1);
    let primary = &group.primary;
    let oldest = || info(primary, "oldest_wait_ms");
    assert_eq!(oldest(), 0, "an age without waits");
    group.replicas[0].pause();
    let mut conns = connections(primary, 2);
    send(&mut conns[0], "DURABLE.SET k v");
    eventually("some milliseconds to pass", || oldest() >= 20);
    let before_the_second = server_time(primary);
    send(&mut conns[1], "DURABLE.SET k v");
    wait_for_waiters(primary, 2);
    assert!(oldest() >= 20, "the age is not that of the first wait");
    // The first client leaves. The second cannot have waited longer than since its command.
    drop(conns.remove(0));
    wait_for_waiters(primary, 1);
    let second = oldest();
    let passed = server_time(primary).saturating_sub(before_the_second) / 1000;
    assert!(
        second <= passed as i64 + 1,
        "an age of {second} ms, {passed} ms after the command"
    );
    group.replicas[0].resume();
    assert_eq!(conns[0].read_reply_bytes(), b"+OK\r\n");
    assert_eq!(oldest(), 0, "an age after the last wait");
}

#[test]
fn the_build_is_the_version_and_a_commit() {
    let server = Server::builder().start();
    let fields = server.info("durable");
    let build = &fields["durable_build"];
    let commit = build
        .strip_prefix(&format!("{} (", fields["durable_version"]))
        .and_then(|rest| rest.strip_suffix(')'));
    let commit = commit.unwrap_or_else(|| panic!("durable_build is {build}"));
    // Images and packages may use other names for a commit.
    assert!(
        !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_graphic()),
        "{build}"
    );
}

#[test]
fn module_list_shows_the_version_as_one_number() {
    let server = Server::builder().start();
    let modules: Vec<HashMap<String, Value>> = server.run(&["MODULE", "LIST"]);
    let ours = modules
        .iter()
        .find(|module| module["name"] == Value::BulkString(b"durable".to_vec()))
        .unwrap_or_else(|| panic!("the module is not listed: {modules:?}"));
    let version = &server.info("durable")["durable_version"];
    // Two digits for each part: 10203 for 1.2.3.
    let number = version
        .split('.')
        .map(|part| part.parse::<i64>().expect("a part of the version"))
        .fold(0, |number, part| number * 100 + part);
    assert_eq!(ours["ver"], Value::Int(number), "version {version}");
}

/// A wait that takes longer than two milliseconds, by the server's own clock.
fn slow_wait(group: &Replicated) {
    let primary = &group.primary;
    let mut conn = connections(primary, 1).remove(0);
    group.replicas[0].pause();
    send(&mut conn, "DURABLE.SET k v");
    wait_for_waiters(primary, 1);
    let since = server_time(primary);
    eventually("some milliseconds to pass on the server", || {
        server_time(primary) > since + 3000
    });
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
}

#[test]
fn slow_waits_are_in_the_latency_monitor_if_the_operator_wants_them() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut operator = primary.raw();
    slow_wait(&group);
    assert_eq!(
        say(&mut operator, "LATENCY HISTORY durable-wait"),
        "*0\r\n",
        "a sample although the threshold is 0"
    );
    assert_eq!(
        say(&mut operator, "CONFIG SET latency-monitor-threshold 1"),
        "+OK\r\n"
    );
    slow_wait(&group);
    let latest = say(&mut operator, "LATENCY LATEST");
    assert!(latest.contains("durable-wait"), "{latest}");
    // A wait below the threshold is no sample.
    say(
        &mut operator,
        "CONFIG SET latency-monitor-threshold 1000000",
    );
    say(&mut operator, "LATENCY RESET");
    slow_wait(&group);
    assert_eq!(say(&mut operator, "LATENCY HISTORY durable-wait"), "*0\r\n");
    // A wait that times out is a sample, too.
    say(&mut operator, "CONFIG SET latency-monitor-threshold 1");
    group.replicas[0].pause();
    assert!(say(&mut primary.raw(), "DURABLE.SET k v TIMEOUT 10").starts_with("-UNACKED "));
    assert!(say(&mut operator, "LATENCY LATEST").contains("durable-wait"));
    group.replicas[0].resume();
    say(&mut operator, "CONFIG SET latency-monitor-threshold 0");
    say(&mut operator, "LATENCY RESET");
    slow_wait(&group);
    assert_eq!(say(&mut operator, "LATENCY HISTORY durable-wait"), "*0\r\n");
}

#[test]
fn the_times_are_those_of_the_acknowledged_waits() {
    let group = replicated(1);
    let primary = &group.primary;
    let percentiles = || {
        [
            "wait_usec_p50",
            "wait_usec_p99",
            "wait_usec_p999",
            "wait_usec_max",
        ]
        .map(|field| info(primary, field))
    };
    group.replicas[0].pause();
    assert!(say(&mut primary.raw(), "DURABLE.SET k v TIMEOUT 20").starts_with("-UNACKED "));
    assert_eq!(
        percentiles(),
        [0, 0, 0, 0],
        "a wait without an acknowledgement was counted"
    );
    group.replicas[0].resume();
    slow_wait(&group);
    let [half, most, nearly_all, longest] = percentiles();
    assert!(2000 < half, "{half}");
    assert!(half <= most && most <= nearly_all && nearly_all <= longest);
}
