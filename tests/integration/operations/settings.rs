//! The settings at run time: CONFIG GET, SET and REWRITE. A change does not touch present waits.

use testkit::differences::REPORTS_FSYNCS;
use testkit::Server;

use crate::support::{info, replicated, say, send, setting, wait_for_waiters};

/// Name, default, another value, lowest and highest value.
const NUMBERS: &[(&str, &str, &str, [&str; 2])] = &[
    ("durable.expected-replicas", "0", "3", ["0", "1000"]),
    ("durable.timeout-ms", "1000", "250", ["0", "86400000"]),
    ("durable.max-waiters", "10000", "77", ["1", "1000000"]),
    ("durable.max-waiters-per-user", "0", "8", ["0", "1000000"]),
    (
        "durable.once-ttl-ms",
        "600000",
        "5000",
        ["1000", "604800000"],
    ),
    ("durable.slothint-max-age-ms", "100", "5", ["0", "60000"]),
];

fn set(server: &Server, name: &str, value: &str) -> String {
    server.raw().call_text(&["CONFIG", "SET", name, value])
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let server = Server::builder().start();
    for (name, default, ..) in NUMBERS {
        assert_eq!(setting(&server, name), *default, "{name}");
    }
    assert_eq!(setting(&server, "durable.replicas"), "1");
    assert_eq!(setting(&server, "durable.fsync"), "0");
    assert_eq!(setting(&server, "durable.call-allow"), "");
    assert_eq!(setting(&server, "durable.replica-allow"), "");
    let all: Vec<String> = server.run(&["CONFIG", "GET", "durable.*"]);
    for (name, default) in [("", "no"), ("-replicas", "1"), ("-strict", "no")] {
        let name = format!("durable.failover{name}");
        assert_eq!(setting(&server, &name), default, "{name}");
    }
    assert_eq!(all.len(), 2 * 13, "{all:?}");
}

#[test]
fn numbers_are_taken_within_their_range_and_refused_beyond_it() {
    let server = Server::builder().start();
    for (name, _, other, ends) in NUMBERS {
        for accepted in [other, &ends[0], &ends[1]] {
            assert_eq!(set(&server, name, accepted), "+OK\r\n", "{name} {accepted}");
            assert_eq!(setting(&server, name), **accepted);
        }
        let [low, high] = ends.map(|end| end.parse::<i64>().expect("a number"));
        for beyond in [low - 1, high + 1] {
            let expected = format!(
                "-ERR CONFIG SET failed (possibly related to argument '{name}') - \
                 argument must be between {low} and {high} inclusive\r\n"
            );
            assert_eq!(set(&server, name, &beyond.to_string()), expected);
        }
        let refused = set(&server, name, "abc");
        assert!(
            refused.contains("argument couldn't be parsed into an integer"),
            "{refused}"
        );
        assert_eq!(
            setting(&server, name),
            ends[1],
            "a refused value changed {name}"
        );
    }
}

#[test]
fn the_number_of_replicas_may_be_a_word() {
    let server = Server::builder().start();
    let words = [
        ("0", "0"),
        ("1000", "1000"),
        ("MAJORITY", "majority"),
        ("All", "all"),
    ];
    for (written, shown) in words {
        assert_eq!(set(&server, "durable.replicas", written), "+OK\r\n");
        assert_eq!(setting(&server, "durable.replicas"), shown);
    }
    for bad in ["1001", "-1", "most", "", "1 2"] {
        assert_eq!(
            set(&server, "durable.replicas", bad),
            "-ERR CONFIG SET failed (possibly related to argument 'durable.replicas') - \
             it takes 0 to 1000, majority or all\r\n"
        );
    }
    assert_eq!(setting(&server, "durable.replicas"), "all");
}

#[test]
fn the_commands_that_may_be_called_are_printable_words() {
    let server = Server::builder().start();
    assert_eq!(
        set(&server, "durable.call-allow", "json.set json.get"),
        "+OK\r\n"
    );
    assert_eq!(setting(&server, "durable.call-allow"), "json.set json.get");
    // Valkey 8.1 writes a quote into redis.conf without escaping it, and then cannot read the file.
    for bad in ["a\nb", "a\"b", "a'b", "a\\b", "\u{e4}"] {
        assert_eq!(
            set(&server, "durable.call-allow", bad),
            "-ERR CONFIG SET failed (possibly related to argument 'durable.call-allow') - it takes names \
             of commands, separated by spaces, without quotes and backslashes\r\n"
        );
    }
    assert_eq!(set(&server, "durable.call-allow", ""), "+OK\r\n");
    assert_eq!(setting(&server, "durable.call-allow"), "");
}

#[test]
fn fsync_is_a_setting_of_servers_that_know_it() {
    let server = Server::builder().start();
    let reply = set(&server, "durable.fsync", "1");
    if server.has(REPORTS_FSYNCS) {
        assert_eq!(reply, "+OK\r\n");
        assert_eq!(setting(&server, "durable.fsync"), "1");
        let beyond = set(&server, "durable.fsync", "1001");
        assert!(
            beyond.contains("argument must be between 0 and 1000 inclusive"),
            "{beyond}"
        );
    } else {
        assert_eq!(
            reply,
            "-ERR CONFIG SET failed (possibly related to argument 'durable.fsync') - \
             FSYNC needs Redis 7.2 or later\r\n"
        );
        assert_eq!(setting(&server, "durable.fsync"), "0");
    }
}

#[test]
fn settings_survive_a_rewrite_and_a_restart() {
    let server = Server::builder().start();
    let mut changed: Vec<(&str, &str)> = NUMBERS.iter().map(|row| (row.0, row.2)).collect();
    changed.extend([
        ("durable.replicas", "majority"),
        ("durable.call-allow", "a.b c.d"),
    ]);
    for (name, other) in &changed {
        assert_eq!(set(&server, name, other), "+OK\r\n");
    }
    assert_eq!(say(&mut server.raw(), "CONFIG REWRITE"), "+OK\r\n");
    server.restart();
    for (name, other) in &changed {
        assert_eq!(setting(&server, name), *other, "{name} after the restart");
    }
    // Back to the defaults: no line with another value is left in the file.
    for (name, default, ..) in NUMBERS {
        assert_eq!(set(&server, name, default), "+OK\r\n");
    }
    set(&server, "durable.replicas", "1");
    set(&server, "durable.call-allow", "");
    assert_eq!(say(&mut server.raw(), "CONFIG REWRITE"), "+OK\r\n");
    server.restart();
    for (name, default, ..) in NUMBERS {
        assert_eq!(setting(&server, name), *default);
    }
    assert_eq!(setting(&server, "durable.replicas"), "1");
    assert_eq!(setting(&server, "durable.call-allow"), "");
}

#[test]
fn a_requirement_is_fixed_when_its_command_is_accepted() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conn = primary.raw();
    group.replicas[0].pause();
    send(&mut conn, "DURABLE.SET k v");
    wait_for_waiters(primary, 1);
    let relaxed = [
        ("durable.replicas", "0"),
        ("durable.timeout-ms", "1"),
        ("durable.max-waiters", "1"),
    ];
    for (name, other) in relaxed {
        assert_eq!(set(primary, name, other), "+OK\r\n");
    }
    // A later command follows the new settings. Its reply shows that turns have passed.
    let mut later = primary.raw();
    assert_eq!(say(&mut later, "DURABLE.SET later v"), "+OK\r\n");
    assert_eq!(info(primary, "waiters"), 1);
    assert!(
        !conn.is_readable_now(),
        "the new settings ended an earlier wait"
    );
    // A stricter setting does not change the wait either.
    assert_eq!(set(primary, "durable.replicas", "2"), "+OK\r\n");
    group.replicas[0].resume();
    assert_eq!(conn.read_reply_bytes(), b"+OK\r\n");
    assert!(say(&mut later, "DURABLE.SET k v").starts_with("-NOREPLICAS 1 of 2 "));
}

#[test]
fn information_is_given_in_a_section_of_its_own() {
    let server = Server::builder().start();
    let fields = server.info("durable");
    let numbers = [
        "waiters",
        "waiters_peak",
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
    ];
    assert!(fields.contains_key("durable_version"), "{fields:?}");
    for name in numbers {
        let shown = fields.get(&format!("durable_{name}"));
        assert_eq!(shown.map(String::as_str), Some("0"), "{name}");
    }
    let group = replicated(1);
    assert_eq!(say(&mut group.primary.raw(), "DURABLE.SET k v"), "+OK\r\n");
    assert_eq!(info(&group.primary, "waiters_peak"), 1);
    let [half, most, longest] =
        ["wait_usec_p50", "wait_usec_p999", "wait_usec_max"].map(|name| info(&group.primary, name));
    assert!(
        0 < half && half <= most && most <= longest,
        "{half} {most} {longest}"
    );
}
