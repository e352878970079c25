//! MODULE UNLOAD while clients wait, and the pointers to a module's commands that servers keep.

use testkit::differences::REPEATS_ACL_RULES_AFTER_UNLOAD;
use testkit::{eventually, Replicated, Server};

use crate::support::slots::{afresh, set, token, wait_for_blocked};
use crate::support::{
    assert_unload_is_refused, connections, never_unloads, packet, replicated, say, settles,
    unload_and_load_again, wait_for_waiters,
};

#[test]
fn the_module_is_unloaded_and_loaded_between_waits() {
    let group = replicated(1);
    let primary = &group.primary;
    if never_unloads(primary) {
        return unload_and_load_again(primary);
    }
    let mut operator = primary.raw();
    let path = testkit::module_path().display().to_string();
    let mut clients = connections(primary, 5);
    for round in 0..15 {
        for client in &mut clients {
            client.send_bytes(&packet(&[
                &format!("DURABLE.SET k {round}"),
                "DURABLE.GET k",
                // Redis 8 reads a client's last command before its next one, also a command of an
                // unloaded module. So the module must stay until its clients have run another
                // command.
                "ECHO mark",
            ]));
        }
        // Refused while clients wait, and possible after that.
        while !say(&mut operator, "MODULE UNLOAD durable").starts_with('+') {}
        let loaded = operator.call_text(&["MODULE", "LOAD", &path, "timeout-ms", "0"]);
        assert_eq!(loaded, "+OK\r\n");
        for client in &mut clients {
            for _ in 0..3 {
                let reply = String::from_utf8(client.read_reply_bytes())
                    .expect("a reply that is not UTF-8");
                let known = reply == "+OK\r\n"
                    || reply.starts_with('$')
                    || reply.starts_with("-ERR unknown command")
                    // The replica has not acknowledged anything to the new module yet.
                    || reply.starts_with("-NOREPLICAS 0 of 1 ");
                assert!(known, "{reply}");
            }
        }
    }
    eventually("the replica to acknowledge a write", || {
        say(&mut operator, "DURABLE.SET k v") == "+OK\r\n"
    });
    settles(&group);
}

/// Asserts that no timer was armed at MODULE UNLOAD, whose reply is `unloaded`: with a timer the
/// server refuses before it calls the module. The module itself may refuse. Loads it again if it
/// was unloaded.
#[track_caller]
fn no_timer_was_armed(group: &Replicated, unloaded: &str, after: &str) {
    assert!(!unloaded.contains("timer"), "after {after}: {unloaded}");
    let mut operator = group.primary.raw();
    if unloaded.starts_with('+') {
        let path = testkit::module_path().display().to_string();
        let loaded = operator.call_text(&["MODULE", "LOAD", &path]);
        assert_eq!(loaded, "+OK\r\n", "after {after}");
    }
    eventually("the replica to acknowledge a write", || {
        say(&mut operator, "DURABLE.SET k v TIMEOUT 0") == "+OK\r\n"
    });
}

#[test]
fn once_nobody_waits_no_timer_is_armed() {
    let group = replicated(1);
    let mut conn = group.primary.raw();
    for line in [
        "DURABLE.SET k v TIMEOUT 600000",
        "DURABLE.GET k TIMEOUT 600000",
        "DURABLE.CALL TIMEOUT 600000 SET k w",
        "DURABLE.WAIT TIMEOUT 600000",
    ] {
        // The second command is executed as soon as the first one is answered.
        conn.send_bytes(&packet(&[line, "MODULE UNLOAD durable"]));
        let reply = conn.read_reply_bytes();
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
        let unloaded = String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
        no_timer_was_armed(&group, &unloaded, line);
    }
}

#[test]
fn however_the_last_wait_ends_no_timer_is_armed() {
    let group = replicated(1);
    let primary = &group.primary;
    for (timeout, end) in [
        ("20", None),
        ("600000", Some("CLIENT UNBLOCK")),
        ("600000", Some("CLIENT KILL ID")),
    ] {
        let (mut conn, mut operator) = (primary.raw(), primary.raw());
        let id = say(&mut conn, "CLIENT ID");
        let id = id.trim_start_matches(':').trim_end();
        group.replicas[0].pause();
        let set = format!("DURABLE.SET k v TIMEOUT {timeout}");
        let killed = end == Some("CLIENT KILL ID");
        let next = if killed {
            "PING"
        } else {
            "MODULE UNLOAD durable"
        };
        conn.send_bytes(&packet(&[&set, next]));
        if let Some(end) = end {
            wait_for_waiters(primary, 1);
            say(&mut operator, &format!("{end} {id}"));
        }
        let unloaded = if killed {
            say(&mut operator, "MODULE UNLOAD durable")
        } else {
            let reply = conn.read_reply_bytes();
            assert!(reply.starts_with(b"-UNACKED "), "{}", reply.escape_ascii());
            String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned()
        };
        group.replicas[0].resume();
        no_timer_was_armed(&group, &unloaded, &format!("{timeout} {end:?}"));
    }
}

#[test]
fn once_nobody_watches_no_timer_is_armed() {
    let cluster = afresh(1, 0).start();
    let node = &cluster.nodes[0];
    set(node, "durable.slothint-max-age-ms", "60000");
    for end in [None, Some("CLIENT UNBLOCK")] {
        let mut conn = node.raw();
        let id = say(&mut conn, "CLIENT ID");
        let id = id.trim_start_matches(':').trim_end();
        let token = token(&mut conn);
        let timeout = end.map_or("20", |_| "600000");
        let watch = format!("SLOTHINT.WATCH {token} {timeout}");
        conn.send_bytes(&packet(&[&watch, "MODULE UNLOAD durable"]));
        if let Some(end) = end {
            wait_for_blocked(node, 1);
            say(&mut node.raw(), &format!("{end} {id}"));
        }
        assert_eq!(conn.read_reply_bytes(), b"$-1\r\n");
        let unloaded = String::from_utf8_lossy(&conn.read_reply_bytes()).into_owned();
        assert!(!unloaded.contains("timer"), "{end:?}: {unloaded}");
        if unloaded.starts_with('+') {
            let path = testkit::module_path().display().to_string();
            let loaded = conn.call_text(&["MODULE", "LOAD", &path]);
            assert_eq!(loaded, "+OK\r\n");
        }
    }
}

/// Tries to unload the module, and loads it again if that worked. Both are correct, as long as the
/// server survives.
fn try_to_unload(server: &Server) {
    let mut operator = server.raw();
    if say(&mut operator, "MODULE UNLOAD durable").starts_with('+') {
        // Reuses the memory that the module's commands have freed.
        let script = "for i = 1, 500 do redis.call('SET', i, string.rep('x', i)) end";
        operator.call(&["EVAL", script, "0"]);
        let path = testkit::module_path().display().to_string();
        let loaded = operator.call_text(&["MODULE", "LOAD", &path, "replicas", "0"]);
        assert_eq!(loaded, "+OK\r\n");
    }
}

#[test]
fn a_client_whose_last_command_was_durable_does_not_meet_its_remains() {
    // Servers keep each client's last command. Redis 8 compares its name with that of the next one.
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut clients = connections(&server, 50);
    for _ in 0..10 {
        for client in &mut clients {
            assert_eq!(say(client, "DURABLE.SET k v"), "+OK\r\n");
        }
        try_to_unload(&server);
        for client in &mut clients {
            assert_eq!(say(client, "PING"), "+PONG\r\n");
        }
    }
}

/// Some servers look up all commands of a pipeline before they execute the first.
#[test]
fn commands_behind_others_in_a_pipeline_do_not_meet_its_remains() {
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut conn = server.raw();
    conn.send_bytes(&packet(&["BLPOP q 0", "DURABLE.SET k v", "DURABLE.GET k"]));
    eventually("the first command to block", || {
        server.info_number("clients", "blocked_clients") == 1
    });
    try_to_unload(&server);
    say(&mut server.raw(), "RPUSH q x");
    for expected in ["*2\r\n", "+OK\r\n", "$1\r\nv\r\n"] {
        let reply = conn.read_reply_bytes();
        assert!(
            reply.starts_with(expected.as_bytes()),
            "{}",
            reply.escape_ascii()
        );
    }
    let mut operator = server.raw();
    operator.send_bytes(&packet(&[
        "MODULE UNLOAD durable",
        "DURABLE.SET k v",
        "PING",
    ]));
    let last = [(); 3].map(|()| operator.read_reply_bytes());
    assert_eq!(last[2], b"+PONG\r\n");
}

#[test]
fn a_transaction_with_a_durable_command_in_it_does_not_meet_its_remains() {
    // Servers keep pointers to the commands of a queued transaction.
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut conn = server.raw();
    for line in ["MULTI", "DURABLE.SET k v", "DURABLE.CALL SET k v", "PING"] {
        assert!(say(&mut conn, line).starts_with('+'), "{line}");
    }
    try_to_unload(&server);
    let executed = say(&mut conn, "EXEC");
    assert!(
        executed.starts_with('*') || executed.starts_with("-EXECABORT"),
        "{executed}"
    );
    assert_eq!(say(&mut conn, "PING"), "+PONG\r\n");
}

#[test]
fn while_a_users_rules_name_a_command_of_the_module_it_stays() {
    // Servers apply all ACL rules again when commands were removed, and abort at an unknown
    // command.
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut operator = server.raw();
    let repeats_rules = server.has(REPEATS_ACL_RULES_AFTER_UNLOAD);
    for (rules, without) in [
        ("+durable.set", "-@all"),
        ("+@all -durable.call", "+@all"),
        ("(~k +slothint.map)", "clearselectors"),
    ] {
        let give = format!("ACL SETUSER app on nopass ~* {rules}");
        assert_eq!(say(&mut operator, &give), "+OK\r\n");
        try_to_unload(&server);
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
        if repeats_rules && !never_unloads(&server) {
            assert_unload_is_refused(
                &server,
                "the rules of user 'app' name a command of the module",
            );
        }
        say(&mut operator, &format!("ACL SETUSER app {without}"));
        try_to_unload(&server);
    }
    assert_eq!(say(&mut operator, "ACL DELUSER app"), ":1\r\n");
    unload_and_load_again(&server);
}
