//! Waits that have ended leave no memory behind, whichever way they ended.

use testkit::{encode_command, eventually, RawConn, Replicated};

use crate::support::{builder, connections, patient, send, wait_for_waiters};

/// How many clients wait at once.
const CLIENTS: usize = 250;
/// Waits of each way.
const WAITS: usize = 5000;
/// The allocator has no smaller allocation than 8 bytes. 20,000 of them are 160,000 bytes.
const BOUND: i64 = 100_000;

const WAIT: &str = "DURABLE.SET k v TIMEOUT 0";

/// Ends so many waits in each of the four ways.
fn end_waits(group: &Replicated, count: usize) {
    let (primary, replica) = (&group.primary, &group.replicas[0]);
    let mut clients = connections(primary, CLIENTS);
    let ids: Vec<u64> = clients.iter_mut().map(RawConn::client_id).collect();
    let mut operator = primary.raw();
    for round in 0..count / CLIENTS {
        replica.pause();
        expire(&mut clients);
        for client in &mut clients {
            send(client, WAIT);
        }
        wait_for_waiters(primary, CLIENTS as i64);
        let how = ["TIMEOUT", "ERROR"][round % 2];
        for id in &ids {
            let words = ["CLIENT", "UNBLOCK", &id.to_string(), how];
            assert_eq!(operator.call_text(&words), ":1\r\n");
        }
        expect(&mut clients, "-UN");
        let mut leaving = connections(primary, CLIENTS);
        for client in &mut leaving {
            send(client, WAIT);
        }
        wait_for_waiters(primary, CLIENTS as i64);
        leaving.into_iter().for_each(RawConn::reset);
        wait_for_waiters(primary, 0);
        for client in &mut clients {
            send(client, WAIT);
        }
        wait_for_waiters(primary, CLIENTS as i64);
        replica.resume();
        expect(&mut clients, "+OK");
    }
    clients.into_iter().for_each(RawConn::reset);
}

fn expire(clients: &mut [RawConn]) {
    let command = encode_command(&["DURABLE.SET", "k", "v", "TIMEOUT", "1"]);
    for client in clients.iter_mut() {
        client.send_bytes(&command);
    }
    expect(clients, "-UNACKED");
}

/// One reply of each client, which begins like this.
#[track_caller]
fn expect(clients: &mut [RawConn], beginning: &str) {
    for client in clients {
        let reply = client.read_reply_bytes();
        let text = reply.escape_ascii();
        assert!(reply.starts_with(beginning.as_bytes()), "{text}");
    }
}

/// `used_memory`, read on a connection that stays open: a new one would have buffers of its own.
fn used_memory(observer: &mut RawConn) -> i64 {
    let text = observer.call_text(&["INFO", "memory"]);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    value
        .and_then(|value| value.parse().ok())
        .expect("a number in used_memory")
}

/// The server frees temporary clients bit by bit. Returns the least of many readings. If it comes
/// too early, the test is less strict, and does not fail.
fn least(observer: &mut RawConn) -> i64 {
    let mut least = used_memory(observer);
    let mut same = 0;
    eventually("the memory to stop falling", || {
        let now = used_memory(observer);
        same = if now < least { 0 } else { same + 1 };
        least = least.min(now);
        same > 200
    });
    least
}

#[test]
fn twenty_thousand_ended_waits_leave_no_memory_behind() {
    let group = builder(1)
        .primary(|builder| {
            patient(builder)
                .config("hz", "500")
                .config("repl-backlog-size", "16kb")
        })
        .start();
    let mut observer = group.primary.raw();
    // Tables, pools and the backlog get their size.
    end_waits(&group, CLIENTS * 4);
    let before = least(&mut observer);
    end_waits(&group, WAITS);
    let mut now = 0;
    eventually(
        &format!("used_memory to return to {before}, within {BOUND} bytes"),
        || {
            now = used_memory(&mut observer);
            now <= before + BOUND
        },
    );
    println!("{before} bytes before, {now} after");
}
