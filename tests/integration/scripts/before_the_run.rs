//! What happens between the arrival of a script and its run: its client leaves or is unblocked, the
//! server is paused or demoted, the user changes.
//!
//! The server is stopped while commands are sent. It then reads all of them in one turn of its
//! event loop, in the order in which they were sent, and runs scripts after that.

use testkit::{eventually, RawConn, Server};

use crate::support::scripts::{list, reply, script, PUSH};
use crate::support::{connections, info, replicated, say, send_in_one_turn, settles, user};

/// Sends a script of the first client, and then a command of the second. The server reads both
/// before it runs the script.
fn before_it_runs(server: &Server, clients: &mut [RawConn], command: &[&str]) {
    let words = [
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL",
        PUSH,
        "1",
        "list",
        "a",
    ];
    send_in_one_turn(server, clients, &[&words, command]);
}

#[test]
fn a_client_that_leaves_before_its_script_ran_takes_it_with_it() {
    let server = Server::builder().start();
    let mut clients = connections(&server, 2);
    let id = clients[0].client_id().to_string();
    let left = info(&server, "disconnected_total");
    before_it_runs(&server, &mut clients, &["CLIENT", "KILL", "ID", &id]);
    assert_eq!(reply(&mut clients[1]), ":1\r\n");
    assert_eq!(clients[0].read_until_closed(), b"");
    assert_eq!(list(&server), Vec::<String>::new());
    assert_eq!(info(&server, "waiters"), 0);
    assert_eq!(info(&server, "disconnected_total"), left + 1);
}

#[test]
fn a_script_runs_in_the_database_of_its_own_client() {
    let server = Server::builder().start();
    let mut clients = connections(&server, 3);
    say(&mut clients[0], "SELECT 5");
    let id = clients[0].client_id().to_string();
    let words = [
        "DURABLE.CALL",
        "REPLICAS",
        "0",
        "EVAL",
        PUSH,
        "1",
        "list",
        "a",
    ];
    let leave = ["CLIENT", "UNBLOCK", &id];
    send_in_one_turn(&server, &mut clients, &[&words, &words, &leave]);
    assert!(reply(&mut clients[0]).starts_with("-ERR the client was unblocked"));
    assert_eq!(reply(&mut clients[1]), ":1\r\n");
    assert_eq!(say(&mut clients[0], "EXISTS list"), ":0\r\n");
    assert_eq!(say(&mut clients[1], "EXISTS list"), ":1\r\n");
}

#[test]
fn an_unblocked_client_is_told_that_nothing_was_executed() {
    let server = Server::builder().start();
    for (how, expected) in [
        (
            "TIMEOUT",
            "-ERR the client was unblocked before its script ran; nothing was executed\r\n",
        ),
        (
            "ERROR",
            "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
        ),
    ] {
        let mut clients = connections(&server, 2);
        let id = clients[0].client_id().to_string();
        before_it_runs(&server, &mut clients, &["CLIENT", "UNBLOCK", &id, how]);
        assert_eq!(reply(&mut clients[1]), ":1\r\n");
        assert_eq!(reply(&mut clients[0]), expected);
        assert_eq!(list(&server), Vec::<String>::new());
        // The connection goes on.
        script(&mut clients[0], PUSH, "b");
        assert_eq!(reply(&mut clients[0]), ":1\r\n");
        say(&mut clients[1], "DEL list");
    }
}

#[test]
fn in_a_pause_no_script_runs() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 2);
    before_it_runs(
        primary,
        &mut clients,
        &["CLIENT", "PAUSE", "600000", "WRITE"],
    );
    assert_eq!(reply(&mut clients[1]), "+OK\r\n");
    // Several turns pass.
    for _ in 0..20 {
        assert_eq!(say(&mut clients[1], "LLEN list"), ":0\r\n");
    }
    assert!(!clients[0].is_readable_now());
    assert_eq!(info(primary, "waiters"), 1);
    assert_eq!(say(&mut clients[1], "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(reply(&mut clients[0]), ":1\r\n");
    settles(&group);
}

#[test]
fn a_primary_that_is_demoted_runs_no_script_any_more() {
    let group = replicated(2);
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let mut clients = connections(primary, 2);
    replica.promote();
    let port = replica.port().to_string();
    before_it_runs(primary, &mut clients, &["REPLICAOF", "127.0.0.1", &port]);
    assert_eq!(reply(&mut clients[1]), "+OK\r\n");
    let answer = reply(&mut clients[0]);
    assert!(answer.starts_with("-UNBLOCKED "), "{answer}");
    eventually("the synchronization", || {
        primary.info("replication")["master_link_status"] == "up"
    });
    assert_eq!(list(primary), Vec::<String>::new());
    assert_eq!(info(primary, "waiters"), 0);
}

#[test]
fn what_changed_between_arrival_and_run_counts() {
    let server = Server::builder().start();
    let operator = server.raw();
    let limited = user(&server, "~* +@all");
    let mut clients = [limited, operator];
    before_it_runs(
        &server,
        &mut clients,
        &["ACL", "SETUSER", "limited", "-eval"],
    );
    assert_eq!(reply(&mut clients[1]), "+OK\r\n");
    let answer = reply(&mut clients[0]);
    assert!(answer.starts_with("-NOPERM "), "{answer}");
    before_it_runs(&server, &mut clients, &["PING"]);
    assert_eq!(reply(&mut clients[1]), "+PONG\r\n");
    assert!(reply(&mut clients[0]).starts_with("-NOPERM "));
    assert_eq!(list(&server), Vec::<String>::new());
}

#[test]
fn a_deleted_user_runs_no_script() {
    let server = Server::builder().start();
    let operator = server.raw();
    let limited = user(&server, "~* +@all");
    let mut clients = [limited, operator];
    before_it_runs(&server, &mut clients, &["ACL", "DELUSER", "limited"]);
    assert_eq!(reply(&mut clients[1]), ":1\r\n");
    clients[0].read_until_closed();
    assert_eq!(list(&server), Vec::<String>::new());
    assert!(server.is_alive());
}

#[test]
fn the_module_is_not_unloaded_while_a_script_waits() {
    let server = Server::builder().start();
    let mut clients = connections(&server, 2);
    before_it_runs(&server, &mut clients, &["MODULE", "UNLOAD", "durable"]);
    let refused = reply(&mut clients[1]);
    assert!(
        refused.starts_with("-ERR Error unloading module"),
        "{refused}"
    );
    assert_eq!(reply(&mut clients[0]), ":1\r\n");
}
