//! MODULE UNLOAD while clients wait, and what the server keeps of a module's commands after it.

use testkit::{eventually, Product, Server};

use crate::bad_days::settles;
use crate::support::{
    assert_stays, connections, packet, replicated, say, stays_for_good, unload_and_load_again,
};

#[test]
fn the_module_is_unloaded_and_loaded_between_waits() {
    let group = replicated(1);
    let primary = &group.primary;
    if stays_for_good(primary) {
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
                // Redis 8 looks at a client's last command before its next one, also when that was
                // a module's that is gone: a module must not go before its clients have done with it.
                "ECHO mark",
            ]));
        }
        // Tried while they wait, refused then; done once they do not.
        while !say(&mut operator, "MODULE UNLOAD durable").starts_with('+') {}
        let loaded = operator.call_text(&["MODULE", "LOAD", &path, "timeout-ms", "0"]);
        assert_eq!(loaded, "+OK\r\n");
        for client in &mut clients {
            for _ in 0..3 {
                let reply = String::from_utf8(client.read_reply_bytes()).expect("a text");
                let known = reply == "+OK\r\n"
                    || reply.starts_with('$')
                    || reply.starts_with("-ERR unknown command")
                    // To the new module the replica has yet to say something.
                    || reply.starts_with("-NOREPLICAS 0 of 1 ");
                assert!(known, "{reply}");
            }
        }
    }
    eventually("the replica to count", || {
        say(&mut operator, "DURABLE.SET k v") == "+OK\r\n"
    });
    settles(&group);
}

/// Tries to unload the module; if that is done, loads it again. Either is fine: what is asked is that the
/// server lives.
fn try_to_unload(server: &Server) {
    let mut operator = server.raw();
    if say(&mut operator, "MODULE UNLOAD durable").starts_with('+') {
        // Takes what the module's commands have left.
        let script = "for i = 1, 500 do redis.call('SET', i, string.rep('x', i)) end";
        operator.call(&["EVAL", script, "0"]);
        let path = testkit::module_path().display().to_string();
        let loaded = operator.call_text(&["MODULE", "LOAD", &path, "replicas", "0"]);
        assert_eq!(loaded, "+OK\r\n");
    }
}

#[test]
fn a_client_whose_last_command_was_durable_does_not_meet_its_remains() {
    // Servers keep each client's last command, and Redis 8 compares its name with the next one's.
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

/// Valkey 9 and Redis 8.4 look up all commands of a pipeline before they execute the first.
#[test]
fn commands_behind_others_in_a_pipeline_do_not_meet_its_remains() {
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut conn = server.raw();
    conn.send_bytes(&packet(&["BLPOP q 0", "DURABLE.SET k v", "DURABLE.GET k"]));
    eventually("the first to wait", || {
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
    // Servers keep the commands of a transaction that is not executed yet.
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
    // Servers repeat all rules when commands have gone, and do not expect one of them to be unknown.
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let mut operator = server.raw();
    let version = server.version();
    let repeats_rules = version.is_valkey() || version.at_least(Product::Redis, (7, 2, 0));
    for (rules, without) in [
        ("+durable.set", "-@all"),
        ("+@all -durable.call", "+@all"),
        ("(~k +slothint.map)", "clearselectors"),
    ] {
        let give = format!("ACL SETUSER app on nopass ~* {rules}");
        assert_eq!(say(&mut operator, &give), "+OK\r\n");
        try_to_unload(&server);
        assert_eq!(say(&mut operator, "PING"), "+PONG\r\n");
        if repeats_rules && !stays_for_good(&server) {
            assert_stays(
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
