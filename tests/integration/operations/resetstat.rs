//! CONFIG RESETSTAT resets the module's counters together with the server's. Nothing else resets
//! them.

use testkit::{eventually, RawConn, Server};

use crate::support::slots::alone;
use crate::support::{builder, connections, info, packet, replicated, say, send, wait_for_waiters};

const QUEUED: &str = "+QUEUED\r\n";

/// A write that is refused and counted, since the primary does not have nine replicas.
const REFUSED: &str = "DURABLE.INCR n REPLICAS 9 FSYNC 0";

/// Makes `times` refused writes.
#[track_caller]
fn refuse(conn: &mut RawConn, times: usize) {
    for _ in 0..times {
        assert!(say(conn, REFUSED).starts_with("-NOREPLICAS "));
    }
}

fn refused(server: &Server) -> i64 {
    info(server, "noreplicas_total")
}

/// Sends the commands as one packet, and returns their replies.
#[track_caller]
fn at_once(conn: &mut RawConn, lines: &[&str]) -> Vec<String> {
    conn.send_bytes(&packet(lines));
    let reply = |_: &&str| String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
    lines.iter().map(reply).collect()
}

#[test]
fn counters_and_percentiles_begin_anew_and_gauges_stay() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters", "2"]))
        .start();
    let primary = &group.primary;
    let mut conns = connections(primary, 4);
    assert_eq!(say(&mut conns[0], "DURABLE.INCR n"), ":1\r\n");
    refuse(&mut conns[0], 1);
    group.replicas[0].pause();
    assert!(say(&mut conns[0], "DURABLE.INCR n TIMEOUT 10").starts_with("-UNACKED "));
    send(&mut conns[1], "DURABLE.INCR n");
    send(&mut conns[2], "DURABLE.INCR n");
    wait_for_waiters(primary, 2);
    assert!(say(&mut conns[0], "DURABLE.INCR n").starts_with("-OVERLOADED "));
    conns.remove(2);
    wait_for_waiters(primary, 1);
    let counters = [
        "waiters_peak",
        "acked_total",
        "unacked_total",
        "noreplicas_total",
        "overloaded_total",
        "disconnected_total",
        "ack_requests_total",
        "wait_usec_p50",
        "wait_usec_p99",
        "wait_usec_p999",
        "wait_usec_max",
    ];
    for counter in counters {
        assert!(info(primary, counter) > 0, "{counter}");
    }
    assert_eq!(say(&mut conns[0], "CONFIG RESETSTAT"), "+OK\r\n");
    for counter in &counters[1..] {
        assert_eq!(info(primary, counter), 0, "{counter}");
    }
    // One client has waited since before the reset.
    assert_eq!(info(primary, "waiters_peak"), 1);
    assert_eq!(info(primary, "waiters"), 1);
    assert_eq!(info(primary, "replicas_online"), 1);
    assert!(info(primary, "acknowledged_offset") > 0);
    group.replicas[0].resume();
    assert_eq!(conns[1].read_reply_bytes(), b":3\r\n");
    assert_eq!(info(primary, "acked_total"), 1);
    assert!(info(primary, "wait_usec_max") > 0);
}

#[test]
fn the_totals_of_slot_hints_begin_anew_and_the_token_stays() {
    let cluster = alone("60000");
    let server = &cluster.nodes[0];
    let mut conn = server.raw();
    let totals = || {
        [
            "slothint_requests_total",
            "slothint_keys_total",
            "slothint_map_refreshes_total",
        ]
        .map(|field| info(server, field))
    };
    say(&mut conn, "SLOTHINT a b");
    assert_eq!(totals()[..2], [1, 2]);
    assert!(totals()[2] > 0);
    let token = info(server, "slothint_token");
    assert_eq!(say(&mut conn, "CONFIG RESETSTAT"), "+OK\r\n");
    assert_eq!(totals(), [0, 0, 0]);
    assert_eq!(info(server, "slothint_token"), token);
    say(&mut conn, "SLOTHINT a b c");
    assert_eq!(totals()[..2], [1, 3]);
}

#[test]
fn what_is_counted_after_a_reset_in_the_same_packet_stays() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    // Only one command is between the two resets, and many follow before the turn ends.
    for _ in 0..2 {
        let mut lines = vec!["CONFIG RESETSTAT", REFUSED, "config resetstat"];
        lines.extend(["PING"; 50]);
        lines.extend([REFUSED, REFUSED]);
        let replies = at_once(&mut conn, &lines);
        assert_eq!((&*replies[0], &*replies[2]), ("+OK\r\n", "+OK\r\n"));
        assert_eq!(refused(&server), 2);
    }
}

#[test]
fn a_reset_that_the_server_refuses_resets_nothing() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let many = ["PING"; 50];
    refuse(&mut conn, 3);
    say(&mut conn, "ACL SETUSER guest on nopass ~* +@all -config");
    let mut guest = server.raw();
    assert_eq!(say(&mut guest, "AUTH guest x"), "+OK\r\n");
    assert!(say(&mut guest, "CONFIG RESETSTAT").starts_with("-NOPERM "));
    assert_eq!(refused(&server), 3, "reset without permission");
    assert!(at_once(&mut guest, &["CONFIG RESETSTAT", "PING"])[0].starts_with("-NOPERM "));
    at_once(&mut guest, &many);
    assert_eq!(
        refused(&server),
        3,
        "reset without permission, in a pipeline"
    );
    assert!(say(&mut conn, "CONFIG RESETSTAT now").starts_with("-ERR "));
    assert_eq!(refused(&server), 3, "reset with a wrong arity");
    for script in [
        "return redis.call('CONFIG','RESETSTAT')",
        "return redis.pcall('CONFIG','RESETSTAT')",
    ] {
        let reply = String::from_utf8(conn.call(&["EVAL", script, "0"]))
            .expect("a reply that is not UTF-8");
        assert!(reply.starts_with("-ERR "), "{reply}");
        assert_eq!(refused(&server), 3, "{script}");
    }
    // Other commands with the same words.
    assert_eq!(say(&mut conn, "GET RESETSTAT"), "$-1\r\n");
    assert!(say(&mut conn, "DURABLE.CALL CONFIG RESETSTAT").starts_with("-ERR "));
    assert_eq!(refused(&server), 3);
    say(&mut conn, "CONFIG SET requirepass secret");
    let reply = say(&mut server.raw(), "CONFIG RESETSTAT");
    assert!(reply.starts_with("-NOAUTH "), "{reply}");
    conn.call(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(refused(&server), 3, "reset without authentication");
}

#[test]
fn inside_a_transaction_it_resets_when_that_is_executed_and_not_before() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let mut other = server.raw();
    // The numbers of commands since the last reset and in the transaction do not matter.
    for others in [0, 1, 40] {
        say(&mut other, "CONFIG RESETSTAT");
        refuse(&mut other, 2);
        say(&mut conn, "MULTI");
        assert_eq!(say(&mut conn, "CONFIG RESETSTAT"), QUEUED);
        assert_eq!(refused(&server), 2, "reset by a queued command");
        for _ in 0..30 {
            assert_eq!(say(&mut conn, "PING"), QUEUED);
        }
        // Other transactions in between.
        for _ in 0..others {
            at_once(&mut other, &["MULTI", "PING", "EXEC"]);
        }
        assert_eq!(refused(&server), 2, "reset before EXEC");
        assert!(say(&mut conn, "EXEC").starts_with("*31\r\n+OK\r\n"));
        assert_eq!(
            refused(&server),
            0,
            "not reset by EXEC, with {others} other transactions"
        );
        refuse(&mut other, 1);
        assert_eq!(
            refused(&server),
            1,
            "not counted after EXEC, with {others} other transactions"
        );
    }
    // The whole transaction as one packet, followed by refused writes.
    refuse(&mut other, 5);
    let lines = [
        "MULTI",
        "CONFIG RESETSTAT",
        "PING",
        "EXEC",
        REFUSED,
        "PING",
        REFUSED,
    ];
    assert_eq!(at_once(&mut conn, &lines)[3], "*2\r\n+OK\r\n+PONG\r\n");
    assert_eq!(refused(&server), 2);
}

#[test]
fn what_a_transaction_ends_counts_if_the_reset_precedes_it() {
    let group = replicated(1);
    let primary = &group.primary;
    group.replicas[0].pause();
    let mut conn = primary.raw();
    for (order, counted) in [("reset, kill", 1), ("kill, reset", 0)] {
        let mut waiting = connections(primary, 1).remove(0);
        let kill = format!("CLIENT KILL ID {}", waiting.client_id());
        send(&mut waiting, "DURABLE.INCR n");
        wait_for_waiters(primary, 1);
        let mut lines = ["MULTI", "CONFIG RESETSTAT", &kill, "EXEC"];
        if order == "kill, reset" {
            lines.swap(1, 2);
        }
        let replies = at_once(&mut conn, &lines);
        assert!(replies[3].starts_with("*2\r\n"), "{replies:?}");
        wait_for_waiters(primary, 0);
        assert_eq!(info(primary, "disconnected_total"), counted, "{order}");
    }
    group.replicas[0].resume();
}

#[test]
fn a_transaction_that_is_not_executed_resets_nothing() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    refuse(&mut conn, 2);
    say(&mut conn, "MULTI");
    assert_eq!(say(&mut conn, "CONFIG RESETSTAT"), QUEUED);
    assert_eq!(say(&mut conn, "DISCARD"), "+OK\r\n");
    at_once(&mut conn, &["MULTI", "PING", "EXEC"]);
    assert_eq!(refused(&server), 2, "reset after DISCARD");
    say(&mut conn, "MULTI");
    say(&mut conn, "CONFIG RESETSTAT");
    assert!(say(&mut conn, "NO.SUCH.COMMAND").starts_with("-ERR "));
    assert!(say(&mut conn, "EXEC").starts_with("-EXECABORT "));
    assert_eq!(refused(&server), 2, "reset by an aborted transaction");
    say(&mut conn, "MULTI");
    say(&mut conn, "CONFIG RESETSTAT");
    drop(conn);
    eventually("the client to disappear", || {
        server.info_number("clients", "connected_clients") == 1
    });
    assert_eq!(refused(&server), 2, "reset by a client that left");
}

#[test]
fn it_is_heard_by_whatever_name_the_operator_gave_it() {
    let server = Server::builder()
        .config("rename-command", "CONFIG settings")
        .start();
    let mut conn = server.raw();
    refuse(&mut conn, 2);
    let mut lines = vec!["SETTINGS RESETSTAT", REFUSED];
    lines.extend(["PING"; 50]);
    assert_eq!(at_once(&mut conn, &lines)[0], "+OK\r\n");
    assert_eq!(refused(&server), 1);
}

#[test]
fn an_acknowledgement_that_follows_a_reset_is_counted() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut conns = connections(primary, 2);
    for _ in 0..3 {
        group.replicas[0].pause();
        send(&mut conns[0], "DURABLE.INCR n");
        wait_for_waiters(primary, 1);
        assert_eq!(say(&mut conns[1], "CONFIG RESETSTAT"), "+OK\r\n");
        group.replicas[0].resume();
        assert!(conns[0].read_reply_bytes().starts_with(b":"));
        assert_eq!(info(primary, "acked_total"), 1);
    }
}
