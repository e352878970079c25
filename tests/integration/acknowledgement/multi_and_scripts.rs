//! In MULTI and scripts a client cannot wait, so commands that would have to wait are refused
//! there. DURABLE.WAIT works after EXEC or after the script.

use testkit::eventually;

use crate::support::{get, info, packet, replicated, say};

const REFUSED: &str =
    "ERR DURABLE.SET cannot wait inside MULTI or a script; nothing was executed, \
                       use DURABLE.WAIT after it";

#[test]
fn a_durable_write_in_a_transaction_is_refused_before_it_writes() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let before = group.primary.offset();
    assert_eq!(say(&mut conn, "MULTI"), "+OK\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k v"), "+QUEUED\r\n");
    assert_eq!(say(&mut conn, "DURABLE.SET k v NX"), "+QUEUED\r\n");
    assert_eq!(say(&mut conn, "EXISTS k"), "+QUEUED\r\n");
    let expected = format!("*3\r\n-{REFUSED}\r\n-{REFUSED}\r\n:0\r\n");
    assert_eq!(say(&mut conn, "EXEC"), expected);
    assert_eq!(group.primary.offset(), before);
    assert_eq!(info(&group.primary, "waiters_peak"), 0);
}

#[test]
fn a_fence_in_a_transaction_is_refused_and_works_behind_it() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    conn.send_bytes(&packet(&[
        "MULTI",
        "SET k v",
        "DURABLE.WAIT",
        "EXEC",
        "DURABLE.WAIT",
    ]));
    for reply in ["+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n"] {
        assert_eq!(String::from_utf8_lossy(&conn.read_reply_bytes()), reply);
    }
    let executed = conn.read_reply_bytes();
    let executed = String::from_utf8_lossy(&executed);
    assert!(
        executed
            .starts_with("*2\r\n+OK\r\n-ERR DURABLE.WAIT cannot wait inside MULTI or a script; "),
        "{executed}"
    );
    assert_eq!(conn.read_reply_bytes(), b":1\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("v"));
}

#[test]
fn what_requires_nothing_is_executed_in_a_transaction() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "MULTI");
    say(&mut conn, "DURABLE.SET k v REPLICAS 0");
    say(&mut conn, "DURABLE.SET k w GET REPLICAS 0");
    say(&mut conn, "DURABLE.WAIT REPLICAS 0");
    let executed = say(&mut conn, "EXEC");
    // DURABLE.WAIT counts the replicas that have acknowledged the offset before the transaction,
    // because the writes of the transaction are not in the stream yet. The count may be 0 or 1.
    assert!(
        executed.starts_with("*3\r\n+OK\r\n$1\r\nv\r\n:"),
        "{executed}"
    );
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("w"));
}

#[test]
fn a_durable_write_in_a_script_is_refused_before_it_writes() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let caught = conn.call_text(&[
        "EVAL",
        "return redis.pcall('DURABLE.SET', KEYS[1], 'v').err",
        "1",
        "k",
    ]);
    // Some servers put the error code first, others do not.
    assert!(
        caught.contains("DURABLE.SET cannot wait inside MULTI or a script; nothing was executed"),
        "{caught}"
    );
    let raised = conn.call_text(&[
        "EVAL",
        "return redis.call('DURABLE.SET', KEYS[1], 'v')",
        "1",
        "k",
    ]);
    assert!(raised.starts_with(&format!("-{REFUSED}")), "{raised}");
    assert_eq!(say(&mut conn, "EXISTS k"), ":0\r\n");
}

#[test]
fn what_requires_nothing_is_executed_in_a_script() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    let script = "return {redis.call('DURABLE.SET', KEYS[1], 'v', 'REPLICAS', '0'), redis.call('GET', KEYS[1])}";
    let reply = conn.call_text(&["EVAL", script, "1", "k"]);
    assert_eq!(reply, "*2\r\n+OK\r\n$1\r\nv\r\n");
    assert_eq!(say(&mut conn, "DURABLE.WAIT"), ":1\r\n");
    assert_eq!(get(&group.replicas[0], "k").as_deref(), Some("v"));
}

#[test]
fn a_configuration_that_requires_nothing_lets_both_through() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    say(&mut conn, "CONFIG SET durable.replicas 0");
    say(&mut conn, "MULTI");
    say(&mut conn, "DURABLE.SET k v");
    assert_eq!(say(&mut conn, "EXEC"), "*1\r\n+OK\r\n");
    let script = "return redis.call('DURABLE.SET', KEYS[1], 'w')";
    assert_eq!(conn.call_text(&["EVAL", script, "1", "k"]), "+OK\r\n");
    // A command may require more than the setting.
    say(&mut conn, "MULTI");
    say(&mut conn, "DURABLE.SET k x REPLICAS 1");
    assert_eq!(say(&mut conn, "EXEC"), format!("*1\r\n-{REFUSED}\r\n"));
    eventually("the write to reach the replica", || {
        get(&group.replicas[0], "k").as_deref() == Some("w")
    });
}

#[test]
fn a_durable_write_breaks_a_watch_as_a_plain_one_does() {
    let group = replicated(1);
    let (mut conn, mut other) = (group.primary.raw(), group.primary.raw());
    say(&mut conn, "WATCH k");
    assert_eq!(say(&mut other, "DURABLE.SET k v"), "+OK\r\n");
    say(&mut conn, "MULTI");
    say(&mut conn, "SET k w");
    assert_eq!(say(&mut conn, "EXEC"), "*-1\r\n");
}
