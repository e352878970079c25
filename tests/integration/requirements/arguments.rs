//! Refused arguments: each error names what was wrong and what is accepted, and nothing was
//! executed.

use testkit::differences::REPORTS_FSYNCS;

use crate::support::{builder, info, replicated, say};

const OPTIONS: &str = "accepted are [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]";
const REPLICAS: &str = "0 to 1000, MAJORITY or ALL";
const TIMEOUT: &str = "0 to 86400000 milliseconds, 0 for ever";

/// Options after `DURABLE.SET k v` or `DURABLE.WAIT`, and the error without its end, which is the
/// same for all.
fn refusals() -> Vec<(String, String)> {
    let mut refusals: Vec<(String, String)> = vec![
        (
            "TIMEOUT".into(),
            format!("TIMEOUT needs a value: {TIMEOUT}"),
        ),
        (
            "REPLICAS".into(),
            format!("REPLICAS needs a value: {REPLICAS}"),
        ),
        (
            "replicas 1 fsync".into(),
            "FSYNC needs a value: 0 to 1000".into(),
        ),
        (
            "TIMEOUT 1 timeout 1".into(),
            "TIMEOUT is given twice, it is taken once".into(),
        ),
        (
            "REPLICAS 1 REPLICAS ALL".into(),
            "REPLICAS is given twice, it is taken once".into(),
        ),
        (
            "FSYNC 0 TIMEOUT 1 FSYNC 0".into(),
            "FSYNC is given twice, it is taken once".into(),
        ),
        (
            "TIMEOUT 1 bogus".into(),
            format!("'bogus' is not a requirement option, {OPTIONS}"),
        ),
        (
            "REPLICAS 1 NX".into(),
            format!("'NX' is not a requirement option, {OPTIONS}"),
        ),
        (
            "TIMEOUT REPLICAS 1".into(),
            format!("TIMEOUT does not take 'REPLICAS', but {TIMEOUT}"),
        ),
    ];
    for bad in [
        "-1",
        "1001",
        "abc",
        "+1",
        "01",
        "1.0",
        "0x1",
        "99999999999999999999",
        "most",
    ] {
        let text = format!("REPLICAS does not take '{bad}', but {REPLICAS}");
        refusals.push((format!("REPLICAS {bad}"), text));
    }
    for bad in ["-1", "1001", "all", "majority"] {
        let text = format!("FSYNC does not take '{bad}', but 0 to 1000");
        refusals.push((format!("FSYNC {bad}"), text));
    }
    for bad in ["-1", "86400001", "1e3", "abc", "1s"] {
        let text = format!("TIMEOUT does not take '{bad}', but {TIMEOUT}");
        refusals.push((format!("TIMEOUT {bad}"), text));
    }
    refusals
}

#[test]
fn every_bad_option_is_refused_by_name_and_nothing_is_executed() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "SET old v");
    let offset = group.primary.offset();
    for (options, text) in refusals() {
        let expected = format!("-ERR {text}; nothing was executed\r\n");
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET k v {options}")),
            expected
        );
        assert_eq!(
            say(&mut conn, &format!("DURABLE.SET old w XX GET {options}")),
            expected
        );
        assert_eq!(say(&mut conn, &format!("DURABLE.WAIT {options}")), expected);
    }
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
    assert_eq!(say(&mut conn, "GET old"), "$1\r\nv\r\n");
    assert_eq!(group.primary.offset(), offset);
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
}

#[test]
fn a_fence_takes_nothing_but_options() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let refused =
        format!("-ERR 'k' is not a requirement option, {OPTIONS}; nothing was executed\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT k"), refused);
    // The arguments of WAIT are not those of DURABLE.WAIT.
    let refused =
        format!("-ERR '1' is not a requirement option, {OPTIONS}; nothing was executed\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT 1 100"), refused);
}

#[test]
fn a_word_of_the_user_is_shown_in_one_printable_line() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let reply = conn.call(&[&b"DURABLE.WAIT"[..], b"\r\n-ERR \0\xff%s"]);
    let expected = format!(
        "-ERR '\\r\\n-ERR \\x00\\xff%s' is not a requirement option, {OPTIONS}; nothing was executed\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&reply), expected);
    let long = "x".repeat(100_000);
    let reply = say(&mut conn, &format!("DURABLE.SET k v REPLICAS {long}"));
    let expected = format!(
        "-ERR REPLICAS does not take '{}...', but {REPLICAS}; nothing was executed\r\n",
        &long[..64]
    );
    assert_eq!(reply, expected);
}

#[test]
fn too_few_arguments_are_a_wrong_number_of_them() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let wrong = "-ERR wrong number of arguments for 'durable.set' command\r\n";
    for line in ["DURABLE.SET", "DURABLE.SET k", "durable.set k"] {
        // The server prints the registered name.
        assert_eq!(
            say(&mut conn, line).replace("DURABLE.SET", "durable.set"),
            wrong
        );
    }
}

#[test]
fn majority_and_all_need_to_know_how_many_are_expected() {
    let group = replicated(2);
    let mut conn = group.primary.raw();
    for word in ["MAJORITY", "ALL"] {
        let expected = format!(
            "-ERR REPLICAS {word} needs durable.expected-replicas, which is 0 (not set); \
             nothing was executed\r\n"
        );
        let command = format!("DURABLE.SET k v REPLICAS {}", word.to_lowercase());
        assert_eq!(say(&mut conn, &command), expected);
        assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
        // The same from the configuration.
        say(&mut conn, &format!("CONFIG SET durable.replicas {word}"));
        assert_eq!(say(&mut conn, "DURABLE.SET k v"), expected);
        assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS 1"), "+OK\r\n");
        say(&mut conn, "DEL k");
    }
}

#[test]
fn majority_and_all_are_of_the_expected_replicas_and_not_of_the_connected_ones() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "expected-replicas", "4"]))
        .start();
    let mut conn = group.primary.raw();
    let missing = |required: u32| {
        format!(
            "-NOREPLICAS 1 of {required} required replicas are connected; \
             nothing was executed\r\n"
        )
    };
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS ALL"), missing(4));
    // Two replicas and the primary are three of five servers.
    assert_eq!(
        say(&mut conn, "DURABLE.SET k v REPLICAS MAJORITY"),
        missing(2)
    );
    say(&mut conn, "CONFIG SET durable.expected-replicas 1");
    assert_eq!(say(&mut conn, "DURABLE.SET k v REPLICAS ALL"), "+OK\r\n");
    assert_eq!(
        say(&mut conn, "DURABLE.SET k v REPLICAS majority"),
        "+OK\r\n"
    );
}

#[test]
fn fsync_is_refused_by_servers_that_do_not_tell_it() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    assert_eq!(say(&mut conn, "DURABLE.SET k v FSYNC 0"), "+OK\r\n");
    if !group.primary.has(REPORTS_FSYNCS) {
        let refused = "-ERR FSYNC needs Redis 7.2 or later\r\n";
        assert_eq!(say(&mut conn, "DURABLE.SET k w FSYNC 1"), refused);
        assert_eq!(say(&mut conn, "DURABLE.WAIT FSYNC 1"), refused);
        assert_eq!(say(&mut conn, "GET k"), "$1\r\nv\r\n");
    }
}

#[test]
fn more_fsyncs_than_replicas_are_refused() {
    let group = replicated(1);
    if !group.primary.has(REPORTS_FSYNCS) {
        // fsync_is_refused_by_servers_that_do_not_tell_it tests these servers.
        return;
    }
    let mut conn = group.primary.raw();
    let expected = "-ERR FSYNC 2 is more than REPLICAS 1; FSYNC takes 0 to the number of \
                    replicas required; nothing was executed\r\n";
    assert_eq!(say(&mut conn, "DURABLE.SET k v FSYNC 2"), expected);
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
}
