//! Many clients that operators unblock at random moments, with CLIENT UNBLOCK TIMEOUT and ERROR,
//! also with I/O threads. Each command gets exactly one reply, and in the end no client waits.

use testkit::{RawConn, Replicated};

use crate::support::{
    builder, connections, in_threads, info, packet, patient, replicated, settles, wait_for_waiters,
    Chance, EVERY_KIND,
};

/// Sends random commands of every kind and random CLIENT UNBLOCK, with a running and with a paused
/// replica.
fn storm(group: &Replicated, seed: u64, count: usize) {
    let primary = &group.primary;
    let mut chance = Chance::new(seed);
    let mut clients = connections(primary, count);
    let ids: Vec<u64> = clients.iter_mut().map(RawConn::client_id).collect();
    let mut operators = connections(primary, 2);
    let rounds = 3 * count;
    for round in 0..rounds {
        // The replica is paused for the second half of each third of the rounds.
        if round % count == count / 2 {
            group.replicas[0].pause();
        }
        let mut unblocks: [Vec<String>; 2] = Default::default();
        for (client, id) in clients.iter_mut().zip(&ids) {
            let line = EVERY_KIND[chance.below(EVERY_KIND.len())];
            client.send_bytes(&packet(&[line, &format!("ECHO {round}")]));
            for unblock in &mut unblocks {
                let how = chance.one_of(&["", " TIMEOUT", " ERROR"]);
                unblock.push(format!("CLIENT UNBLOCK {id}{how}"));
            }
        }
        let paused = round % count >= count / 2;
        if paused {
            // Only the operators end these waits. All of them have begun before the first CLIENT
            // UNBLOCK.
            wait_for_waiters(primary, clients.len() as i64);
        }
        for (operator, lines) in operators.iter_mut().zip(&unblocks) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            operator.send_bytes(&packet(&lines));
        }
        for operator in &mut operators {
            for _ in &ids {
                operator.read_reply_bytes();
            }
        }
        for client in &mut clients {
            let reply = client.read_reply_bytes();
            let ended = reply.starts_with(b"-UNACKED ") || reply.starts_with(b"-UNBLOCKED ");
            assert!(
                ended || !paused && !reply.starts_with(b"-"),
                "{}",
                reply.escape_ascii()
            );
            let echo = client.read_reply_bytes();
            let expected = format!("\r\n{round}\r\n");
            assert!(
                echo.ends_with(expected.as_bytes()),
                "{}",
                echo.escape_ascii()
            );
        }
        if round % count == count - 1 {
            group.replicas[0].resume();
        }
    }
    let ended: i64 = ["acked_total", "unacked_total", "disconnected_total"]
        .iter()
        .map(|field| info(primary, field))
        .sum();
    assert_eq!(ended, (rounds * count) as i64);
    settles(group);
}

#[test]
fn storms_of_unblocking_in_both_forms_answer_each_command_once() {
    storm(&replicated(1), 1, 20);
}

#[test]
fn storms_of_unblocking_with_io_threads_answer_each_command_once() {
    let group = builder(1)
        .primary(|builder| in_threads(patient(builder)))
        .start();
    storm(&group, 2, 8);
}

#[test]
fn with_io_threads_reads_and_calls_of_many_clients_are_all_answered() {
    let group = builder(1)
        .primary(|builder| in_threads(patient(builder)))
        .start();
    let primary = &group.primary;
    let mut clients = connections(primary, 10);
    for round in 0..8 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_bytes(&packet(&[
                &format!("DURABLE.SET k{number} {round}"),
                &format!("DURABLE.GET k{number}"),
                &format!("DURABLE.CALL STRLEN k{number}"),
                &format!("SET other{number} {round}"),
                "DURABLE.WAIT",
            ]));
        }
        let value = round.to_string();
        for client in &mut clients {
            let replies = [
                "+OK\r\n".to_owned(),
                format!("${}\r\n{value}\r\n", value.len()),
                format!(":{}\r\n", value.len()),
                "+OK\r\n".to_owned(),
                ":1\r\n".to_owned(),
            ];
            for reply in replies {
                assert_eq!(String::from_utf8_lossy(&client.read_reply_bytes()), reply);
            }
        }
    }
    settles(&group);
}
