//! What waits leave behind when they have ended, in each way in which a wait can end.
//!
//! Memory of the module is memory of the server: the module allocates by the server's allocator. So
//! `used_memory` contains everything that the module has not freed.

use std::time::Duration;

use anyhow::Result;
use testkit::{encode_command, Replicated};

use crate::crowd::{servers, Crowd};
use crate::observer::{Memory, Observer};

/// How many clients wait at once.
const CLIENTS: usize = 1000;
/// The waits of each way before the first reading. Tables and pools of the server have their size
/// then.
const WARM_UP: usize = 5000;
/// With this `hz` the server frees 25,000 temporary clients in a second; with the usual 10 it frees
/// 500.
const HZ: &str = "500";
const QUIET: Duration = Duration::from_secs(3);
/// Bytes of `used_memory`. Some come and go: the percentiles of the last minute, tables of the
/// server.
const LIMIT: i64 = 65_536;

const WAIT: [&str; 7] = ["DURABLE.SET", "k", "v", "REPLICAS", "1", "TIMEOUT", "0"];
const SHORT_WAIT: [&str; 7] = ["DURABLE.SET", "k", "v", "REPLICAS", "1", "TIMEOUT", "1"];

type Way = fn(&Replicated, &mut Observer, usize);

const WAYS: [(&str, Way); 5] = [
    ("timeouts of 1 ms", time_out),
    ("clients that disconnect", disconnect),
    ("CLIENT UNBLOCK … TIMEOUT", unblock),
    ("CLIENT UNBLOCK … ERROR", unblock_with_error),
    ("released by the replica", release),
];

/// Prints a table and the verdict. Returns false if memory is left.
pub fn measure(waits: usize) -> Result<bool> {
    let servers = servers(CLIENTS, HZ);
    let mut observer = Observer::of(&servers.primary);
    for (_, way) in WAYS {
        way(&servers, &mut observer, WARM_UP);
    }
    let before = observer.settled(QUIET);
    let each = waits / WAYS.len();
    println!(
        "{}, waits begun and ended, {CLIENTS} clients at once\n",
        servers.primary.version()
    );
    println!("{:30}{:>10}{:>14}{:>14}", "", "waits", "used_memory", "RSS");
    print_line("before", WARM_UP * WAYS.len(), before);
    let mut after = before;
    for (name, way) in WAYS {
        way(&servers, &mut observer, each);
        after = observer.settled(QUIET);
        print_line(name, each, after);
    }
    let growth = after.used - before.used;
    let per_wait = growth as f64 / (each * WAYS.len()) as f64;
    let resident = after.resident - before.resident;
    let is_met = growth <= LIMIT;
    let verdict = if is_met {
        "nothing is left"
    } else {
        "MEMORY IS LEFT"
    };
    println!(
        "\nused_memory: {growth:+} bytes (at most {LIMIT}), {per_wait:.3} for each wait: {verdict}"
    );
    println!("RSS: {resident:+} bytes\n");
    Ok(is_met)
}

fn print_line(name: &str, waits: usize, memory: Memory) {
    let Memory { used, resident } = memory;
    println!("{name:30}{waits:>10}{used:>14}{resident:>14}");
}

/// Each client sends its waits one after the other.
fn time_out(servers: &Replicated, observer: &mut Observer, count: usize) {
    servers.replicas[0].pause();
    let mut crowd = Crowd::open(&servers.primary, CLIENTS);
    let command = encode_command(&SHORT_WAIT);
    for _ in 0..count / CLIENTS {
        crowd.send_bytes(&command);
        crowd.expect("-UNACKED");
    }
    end(servers, observer, crowd);
}

fn disconnect(servers: &Replicated, observer: &mut Observer, count: usize) {
    servers.replicas[0].pause();
    for _ in 0..count / CLIENTS {
        let mut crowd = Crowd::open(&servers.primary, CLIENTS);
        crowd.send(&WAIT);
        observer.waiters(CLIENTS);
        crowd.leave();
        observer.waiters(0);
    }
    servers.replicas[0].resume();
    servers.wait_until_in_step(1);
}

fn unblock(servers: &Replicated, observer: &mut Observer, count: usize) {
    unblock_by(servers, observer, count, "TIMEOUT", "-UNACKED");
}

fn unblock_with_error(servers: &Replicated, observer: &mut Observer, count: usize) {
    unblock_by(servers, observer, count, "ERROR", "-UNBLOCKED");
}

fn unblock_by(servers: &Replicated, observer: &mut Observer, count: usize, how: &str, reply: &str) {
    servers.replicas[0].pause();
    let mut crowd = Crowd::open(&servers.primary, CLIENTS);
    let ids = crowd.ids();
    let unblocks: Vec<Vec<u8>> = ids
        .iter()
        .map(|id| encode_command(&["CLIENT", "UNBLOCK", &id.to_string(), how]))
        .collect();
    for _ in 0..count / CLIENTS {
        crowd.send(&WAIT);
        observer.waiters(CLIENTS);
        let unblocked = observer.run_all(&unblocks);
        assert!(unblocked.iter().all(|reply| reply == b":1\r\n"));
        crowd.expect(reply);
    }
    end(servers, observer, crowd);
}

/// All clients wait for a frozen replica, which then continues.
fn release(servers: &Replicated, observer: &mut Observer, count: usize) {
    let mut crowd = Crowd::open(&servers.primary, CLIENTS);
    for _ in 0..count / CLIENTS {
        servers.replicas[0].pause();
        crowd.send(&WAIT);
        observer.waiters(CLIENTS);
        servers.replicas[0].resume();
        crowd.expect("+OK");
    }
    end(servers, observer, crowd);
}

fn end(servers: &Replicated, observer: &mut Observer, crowd: Crowd) {
    crowd.leave();
    observer.waiters(0);
    servers.replicas[0].resume();
    servers.wait_until_in_step(1);
}
