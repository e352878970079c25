//! Waits that expire together: their cost for the server, and the delay for other clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context, Result};
use hdrhistogram::Histogram;
use testkit::{eventually, RawConn, Replicated, Server};

use crate::interrupt;
use crate::options::Options;
use crate::results::{Contender, Goal, Group, Metric, Sample};
use crate::rounds::{Meter, Rounds};
use crate::workload::command;

/// Fits into the usual limit of 10,000 clients, together with a replica and a few others.
const WAITS: usize = 9000;
/// Long enough for all clients to wait before the first one is given up.
const TIMEOUT_MS: &str = "4000";
/// Measuring starts this long after the commands were sent. Native WAIT scans all waiting clients
/// in every turn of the event loop. Measuring from the start would include these scans.
const QUIET: Duration = Duration::from_millis(3700);
/// Between two PINGs of the observer.
const PAUSE: Duration = Duration::from_millis(1);

/// Clients that wait for a frozen replica, by the server's WAIT and by the module's commands.
pub fn expiry(options: &Options, rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting a primary and its replica");
    let servers = Replicated::builder()
        .replicas(1)
        .primary(|builder| {
            builder
                .config("maxclients", "10000")
                .module_args(&["max-waiters", "10000"])
        })
        .start();
    let native = "WAIT";
    let cases = [
        (
            native,
            [
                command(&["SET", "k", "v"]),
                command(&["WAIT", "1", TIMEOUT_MS]),
            ]
            .concat(),
        ),
        (
            "DURABLE.WAIT",
            [
                command(&["SET", "k", "v"]),
                command(&["DURABLE.WAIT", "REPLICAS", "1", "TIMEOUT", TIMEOUT_MS]),
            ]
            .concat(),
        ),
        (
            "DURABLE.SET",
            command(&[
                "DURABLE.SET",
                "k",
                "v",
                "REPLICAS",
                "1",
                "TIMEOUT",
                TIMEOUT_MS,
            ]),
        ),
    ];
    let title =
        format!("{WAITS} waits that expire together; latencies are those of a concurrent PING");
    let mut contenders: Vec<Contender> = cases
        .iter()
        .map(|(name, _)| Contender {
            name: (*name).into(),
            samples: Vec::new(),
        })
        .collect();
    for _ in 0..options.rounds {
        for ((name, wait), contender) in cases.iter().zip(&mut contenders) {
            interrupt::check()?;
            rounds.say(&format!("{title}: {name}"));
            let sample = turn(&servers, wait).with_context(|| format!("{title}, {name}"))?;
            contender.samples.push(sample);
        }
    }
    let mut group = Group {
        title,
        connections: WAITS,
        contenders,
        comparisons: Vec::new(),
        columns: vec![Metric::Cpu, Metric::P50, Metric::P99, Metric::Worst],
    };
    for (name, _) in &cases[1..] {
        group.compare(name, native, Metric::Cpu, Some(Goal::AtMost(3.0)));
        group.compare(name, native, Metric::Worst, None);
    }
    Ok(vec![group])
}

/// One turn: opens the clients, freezes the replica, and lets all waits expire together.
fn turn(servers: &Replicated, wait: &[u8]) -> Result<Sample> {
    let primary = &servers.primary;
    servers.wait_until_in_step(1);
    let replica = &servers.replicas[0];
    let mut clients: Vec<RawConn> = (0..WAITS)
        .map(|_| {
            let mut client = primary.raw();
            client.call(&["PING"]);
            client
        })
        .collect();
    replica.pause();
    let measured = storm(primary, &mut clients, wait);
    replica.resume();
    drop(clients);
    eventually("the clients to be gone", || {
        primary.info_number("clients", "connected_clients") < 10
    });
    measured
}

/// Sends the commands while the server is stopped, so that it reads all of them at once. Measures
/// from shortly before the timeout until every client has its reply.
fn storm(primary: &Server, clients: &mut [RawConn], wait: &[u8]) -> Result<Sample> {
    let mut observer = primary.raw();
    primary.pause();
    for client in clients.iter_mut() {
        client.send_bytes(wait);
    }
    primary.resume();
    let resumed = Instant::now();
    eventually("all clients to wait", || {
        primary.info_number("clients", "blocked_clients") == WAITS as i64
    });
    // A separate SET is answered at once. Its reply is not part of the measurement.
    for client in clients.iter_mut() {
        if client.is_readable_now() {
            client.read_reply_bytes();
        }
    }
    thread::sleep(QUIET.saturating_sub(resumed.elapsed()));
    let before = Meter::read(primary);
    let done = AtomicBool::new(false);
    let (pings, took) = thread::scope(|scope| {
        let pings = scope.spawn(|| ping_until(&done, &mut observer));
        let mut bytes = 0;
        let mut first = None;
        for client in clients.iter_mut() {
            bytes += client.read_reply_bytes().len();
            first.get_or_insert_with(Instant::now);
        }
        done.store(true, Ordering::Relaxed);
        let took = first.map_or(Duration::ZERO, |first| first.elapsed());
        let pings = pings.join().map_err(|_| anyhow!("the observer failed"))??;
        anyhow::Ok((pings, (took, bytes)))
    })?;
    let after = Meter::read(primary);
    let (took, bytes) = took;
    ensure!(
        !pings.is_empty(),
        "no PING was answered during the measurement"
    );
    let us = |ns: u64| ns as f64 / 1000.0;
    Ok(Sample {
        operations_per_second: WAITS as f64 / took.as_secs_f64(),
        p50_us: us(pings.value_at_quantile(0.5)),
        p99_us: us(pings.value_at_quantile(0.99)),
        p999_us: us(pings.value_at_quantile(0.999)),
        worst_us: us(pings.max()),
        cpu_us: after
            .cpu_us
            .zip(before.cpu_us)
            .map(|(after, before)| (after - before) / WAITS as f64),
        executed_us: None,
        reply_bytes: bytes as f64 / WAITS as f64,
    })
}

/// Latencies of PING, in nanoseconds.
fn ping_until(done: &AtomicBool, client: &mut RawConn) -> Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    while !done.load(Ordering::Relaxed) {
        let sent = Instant::now();
        client.call(&["PING"]);
        latencies.record(u64::try_from(sent.elapsed().as_nanos())?)?;
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}
