//! `durable.max-waiters`: beyond it nothing is executed.

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
    // What does not wait is none of the many.
    assert_eq!(say(&mut refused, "DURABLE.SET k w REPLICAS 0"), "+OK\r\n");

    // The first that leaves makes room.
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
