//! `durable.max-waiters` and `durable.max-waiters-per-user`: commands above the limit are refused
//! before anything is executed.

use testkit::{RawConn, Server};

use crate::support::{builder, connections, info, replicated, say, send, wait_for_waiters};

#[test]
fn one_client_more_than_may_wait_is_refused_before_it_writes() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters", "3"]))
        .start();
    let primary = &group.primary;
    let mut clients = connections(primary, 3);
    let mut refused = primary.raw();
    group.replicas[0].pause();
    for client in &mut clients {
        send(client, "DURABLE.SET k v");
    }
    wait_for_waiters(primary, 3);
    let expected = "-OVERLOADED 3 clients are already waiting; nothing was executed\r\n";
    assert_eq!(say(&mut refused, "DURABLE.SET refused v"), expected);
    assert_eq!(say(&mut refused, "DURABLE.WAIT"), expected);
    assert_eq!(info(primary, "overloaded_total"), 2);
    assert_eq!(say(&mut refused, "EXISTS refused"), ":0\r\n");
    // A command that does not wait is not limited.
    assert_eq!(say(&mut refused, "DURABLE.SET k w REPLICAS 0"), "+OK\r\n");

    // A client that leaves makes room for another.
    clients.pop();
    wait_for_waiters(primary, 2);
    send(&mut refused, "DURABLE.SET accepted v");
    wait_for_waiters(primary, 3);
    group.replicas[0].resume();
    assert_eq!(refused.read_reply_bytes(), b"+OK\r\n");
    for client in &mut clients {
        assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(info(primary, "waiters_peak"), 3);
}

#[test]
fn a_limit_below_the_number_of_those_that_wait_sends_nobody_away() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 5);
    group.replicas[0].pause();
    for client in &mut clients {
        send(client, "DURABLE.SET k v");
    }
    wait_for_waiters(primary, 5);
    let mut operator = primary.raw();
    assert_eq!(
        say(&mut operator, "CONFIG SET durable.max-waiters 2"),
        "+OK\r\n"
    );
    let refused = say(&mut operator, "DURABLE.SET k v");
    assert_eq!(
        refused,
        "-OVERLOADED 5 clients are already waiting; nothing was executed\r\n"
    );
    group.replicas[0].resume();
    for client in &mut clients {
        assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(say(&mut operator, "DURABLE.SET k v"), "+OK\r\n");
}

#[test]
fn as_many_as_may_wait_in_one_turn_do_and_the_rest_is_refused() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters", "20"]))
        .start();
    let primary = &group.primary;
    let mut clients = connections(primary, 50);
    primary.pause();
    for (number, client) in clients.iter_mut().enumerate() {
        send(client, &format!("DURABLE.SET k{number} v"));
    }
    primary.resume();
    let mut written = 0;
    for client in &mut clients {
        let reply = client.read_reply_bytes();
        if reply == b"+OK\r\n" {
            written += 1;
        } else {
            let expected = b"-OVERLOADED 20 clients are already waiting; nothing was executed\r\n";
            assert_eq!(reply, expected, "{}", reply.escape_ascii());
        }
    }
    assert_eq!(written, 20);
    assert_eq!(say(&mut primary.raw(), "DBSIZE"), ":20\r\n");
}

/// Connections of a user with all permissions.
fn of_user(server: &Server, name: &str, count: usize) -> Vec<RawConn> {
    let mut clients = connections(server, count);
    say(
        &mut clients[0],
        &format!("ACL SETUSER {name} on nopass ~* &* +@all"),
    );
    for client in &mut clients {
        assert_eq!(say(client, &format!("AUTH {name} any")), "+OK\r\n");
    }
    clients
}

const SHARE_USED_UP: &str =
    "-OVERLOADED 2 clients of this user are already waiting; nothing was executed\r\n";

#[test]
fn one_client_more_than_the_share_of_its_user_is_refused_before_it_writes() {
    let group = builder(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "0", "max-waiters-per-user", "2"]))
        .start();
    let primary = &group.primary;
    let mut alice = of_user(primary, "alice", 3);
    let mut bob = of_user(primary, "bob", 2);
    group.replicas[0].pause();
    for (number, client) in alice[..2].iter_mut().enumerate() {
        send(client, "DURABLE.SET k v");
        wait_for_waiters(primary, number as i64 + 1);
    }
    assert_eq!(say(&mut alice[2], "DURABLE.SET refused v"), SHARE_USED_UP);
    assert_eq!(say(&mut alice[2], "DURABLE.WAIT"), SHARE_USED_UP);
    assert_eq!(info(primary, "overloaded_total"), 2);
    assert_eq!(say(&mut alice[2], "EXISTS refused"), ":0\r\n");
    assert_eq!(say(&mut alice[2], "DURABLE.SET k w REPLICAS 0"), "+OK\r\n");
    // Another user has a share of its own.
    for (number, client) in bob.iter_mut().enumerate() {
        send(client, "DURABLE.SET k v");
        wait_for_waiters(primary, number as i64 + 3);
    }

    // A client that leaves makes room in the share, as does a wait that times out or is
    // acknowledged.
    alice.remove(0);
    wait_for_waiters(primary, 3);
    let given_up = say(&mut alice[1], "DURABLE.SET accepted v TIMEOUT 1");
    assert!(given_up.starts_with("-UNACKED "), "{given_up}");
    send(&mut alice[1], "DURABLE.SET accepted v");
    wait_for_waiters(primary, 4);
    group.replicas[0].resume();
    for client in alice.iter_mut().chain(&mut bob) {
        assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
    }
    for client in &mut alice {
        assert_eq!(say(client, "DURABLE.SET k v"), "+OK\r\n");
    }
}

#[test]
fn a_share_counts_those_that_wait_already_when_it_is_set() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut alice = of_user(primary, "alice", 4);
    group.replicas[0].pause();
    for client in &mut alice[..2] {
        send(client, "DURABLE.SET k v");
    }
    wait_for_waiters(primary, 2);
    let mut operator = primary.raw();
    let mut set = |share: &str| {
        let line = format!("CONFIG SET durable.max-waiters-per-user {share}");
        assert_eq!(say(&mut operator, &line), "+OK\r\n");
    };
    set("2");
    assert_eq!(say(&mut alice[2], "DURABLE.SET k v"), SHARE_USED_UP);
    // Without a limit waits are not counted per user. A new limit also counts the waits that began
    // meanwhile.
    set("0");
    send(&mut alice[2], "DURABLE.SET k v");
    wait_for_waiters(primary, 3);
    set("3");
    let refused = say(&mut alice[3], "DURABLE.SET k v");
    assert_eq!(refused, SHARE_USED_UP.replace('2', "3"));
    group.replicas[0].resume();
    for client in &mut alice[..3] {
        assert_eq!(client.read_reply_bytes(), b"+OK\r\n");
    }
    assert_eq!(say(&mut alice[3], "DURABLE.SET k v"), "+OK\r\n");
}
