//! When scripts run: their order, how many in a turn, and how many may wait.
//!
//! In most tests the server is stopped while commands are sent. It then reads all of them in one
//! turn of its event loop, in the order in which they were sent, and runs scripts after that.

use testkit::{eventually, RawConn, Replicated, Server};

use crate::support::scripts::{list, reply, script, PUSH};
use crate::support::{
    connections, get, in_threads, info, patient, replicated, say, send, send_in_one_turn, settles,
};

/// Runs for more than ten milliseconds, twice as long as scripts may in one turn.
const SLOW: &str = "for step = 1, 3000000 do end
    return redis.call('RPUSH', KEYS[1], ARGV[1])";

#[test]
fn a_thousand_scripts_in_one_turn_run_once_each_in_the_order_of_arrival() {
    let group = replicated(1);
    let primary = &group.primary;
    let mut clients = connections(primary, 1000);
    let values: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let words = |value| ["DURABLE.CALL", "EVAL", PUSH, "1", "list", value];
    let commands: Vec<_> = values.iter().map(|value| words(value)).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
    send_in_one_turn(primary, &mut clients, &commands);
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(reply(client), format!(":{}\r\n", number + 1));
    }
    assert_eq!(list(primary), values);
    assert_eq!(list(&group.replicas[0]), values);
    settles(&group);
}

#[test]
fn while_scripts_wait_for_their_turn_other_clients_are_served() {
    let server = Server::builder().start();
    let mut clients = connections(&server, 22);
    let (other, slow) = clients.split_last_mut().expect("clients");
    server.pause();
    for client in slow.iter_mut() {
        script(client, SLOW, "slow");
    }
    server.resume();
    // One turn runs one of these scripts. The list grows while the other client is served.
    let mut lengths = Vec::new();
    eventually("all scripts to run", || {
        let length = say(other, "LLEN list");
        lengths.push(length.clone());
        length == ":21\r\n"
    });
    lengths.dedup();
    assert!(lengths.len() > 2, "{lengths:?}");
    slow.iter_mut().for_each(|client| {
        reply(client);
    });
}

/// With I/O threads, servers can read commands at other moments of a turn.
#[test]
fn with_io_threads_every_script_is_run_once() {
    let server = in_threads(patient(Server::builder())).start();
    let mut clients = connections(&server, 8);
    for round in 0..50 {
        for client in &mut clients {
            script(client, PUSH, &round.to_string());
        }
        for client in &mut clients {
            assert!(reply(client).starts_with(':'));
        }
    }
    let expected: Vec<String> = (0..400).map(|place| (place / 8).to_string()).collect();
    assert_eq!(list(&server), expected);
}

#[test]
fn the_order_within_a_connection_is_kept() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let mut packet = Vec::new();
    for number in 0..50 {
        let value = number.to_string();
        packet.extend(testkit::encode_command(&[
            "DURABLE.CALL",
            "REPLICAS",
            "0",
            "EVAL",
            PUSH,
            "1",
            "list",
            &value,
        ]));
        packet.extend(testkit::encode_command(&["RPUSH", "list", &value]));
    }
    conn.send_bytes(&packet);
    for number in 1..=100 {
        assert_eq!(reply(&mut conn), format!(":{number}\r\n"));
    }
    let expected: Vec<String> = (0..100).map(|place| (place / 2).to_string()).collect();
    assert_eq!(list(&server), expected);
}

/// The server notes the database of a timer when it is armed. A timer may run another script than
/// the one for which it was armed.
/// The permissions, and whether enough replicas count, are looked at when the script runs.
#[test]
fn without_enough_replicas_nothing_is_executed() {
    let server = Server::builder().start();
    let mut conn = server.raw();
    let words = ["DURABLE.CALL", "EVAL", PUSH, "1", "list", "a"];
    assert_eq!(
        conn.call_text(&words),
        "-NOREPLICAS 0 of 1 required replicas are connected; nothing was executed\r\n"
    );
    assert_eq!(list(&server), Vec::<String>::new());
}

#[test]
fn a_script_counts_as_a_waiting_client_from_its_arrival() {
    let server = Server::builder().module_args(&["max-waiters", "3"]).start();
    let mut clients = connections(&server, 5);
    let refused = |clients: &mut [RawConn], words: &str| {
        server.pause();
        clients
            .iter_mut()
            .for_each(|client| script(client, PUSH, "a"));
        server.resume();
        let replies: Vec<String> = clients.iter_mut().map(reply).collect();
        let refusal = format!("-OVERLOADED 3 clients {words}; nothing was executed\r\n");
        replies
            .into_iter()
            .filter(|reply| *reply == refusal)
            .count()
    };
    assert_eq!(refused(&mut clients, "are already waiting"), 2);
    assert_eq!(info(&server, "waiters_peak"), 3);
    say(&mut server.raw(), "CONFIG SET durable.max-waiters 100");
    say(
        &mut server.raw(),
        "CONFIG SET durable.max-waiters-per-user 3",
    );
    assert_eq!(refused(&mut clients, "of this user are already waiting"), 2);
    assert_eq!(info(&server, "overloaded_total"), 4);
    assert_eq!(list(&server).len(), 6);
}

#[test]
fn in_transactions_and_scripts_it_is_refused() {
    let group: Replicated = replicated(1);
    let mut conn = group.primary.raw();
    for options in ["", " REPLICAS 0"] {
        let refused = "ERR scripts cannot run inside DURABLE.CALL in MULTI or a script; nothing \
                       was executed, run the script, then DURABLE.WAIT";
        say(&mut conn, "MULTI");
        let line = format!("DURABLE.CALL{options} EVAL return(1) 0");
        assert_eq!(say(&mut conn, &line), "+QUEUED\r\n");
        assert_eq!(say(&mut conn, "EXEC"), format!("*1\r\n-{refused}\r\n"));
        let nested = format!("return redis.pcall('{}')", line.replace(' ', "','"));
        let answer = conn.call_text(&["EVAL", &nested, "0"]);
        assert!(answer.starts_with(&format!("-{refused}")), "{answer}");
    }
    send(&mut conn, "DURABLE.CALL EVAL return(1) 0");
    assert_eq!(reply(&mut conn), ":1\r\n");
    assert_eq!(get(&group.primary, "list"), None);
}
