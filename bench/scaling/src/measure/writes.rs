//! What single steps of a write cost: the primary, the replica, the load generator.
//!
//! A write of a single client shows the sum of its turns. A burst shows the cost of a write without
//! its turns: the primary is stopped while many clients send, so it executes all of them in one
//! turn. If the replica is stopped too, writing and releasing are seen apart.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use durable_bench::load::{self, Outcome, Plan};
use durable_bench::workload::{command, durable_set, packet, set, wait, Workload};
use testkit::{RawConn, Replicated, Server};

use super::meter::{median, own_us, ServerMeter};
use crate::costs::{Mode, ModeCosts, WriteCosts};

const BURST: usize = 1000;
const BURSTS: usize = 15;
const FEW_PARKED: usize = 200;
const MANY_PARKED: usize = 2000;
const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_millis(400);
/// Longer than a burst takes.
const SETTLED: Duration = Duration::from_millis(60);

pub fn costs(servers: &Replicated) -> Result<WriteCosts> {
    let primary = &servers.primary;
    let meter = ServerMeter::of(primary)?;
    let replica_meter = ServerMeter::of(&servers.replicas[0])?;
    let wait_scan_us = scan_us(servers, &meter, Mode::Wait)?;
    let durable_scan_us = scan_us(servers, &meter, Mode::Durable)?;
    let mut clients: Vec<RawConn> = (0..BURST).map(|_| primary.raw()).collect();
    let mut of = |mode, scan_us: f64| -> Result<ModeCosts> {
        let (write_us, release_us) = burst(servers, &meter, &mut clients, mode)?;
        Ok(ModeCosts {
            // The scan is counted apart: once for the turn of the writes, once for the release.
            write_us: write_us - scan_us,
            release_us: (release_us - scan_us).max(0.0),
            alone_us: 0.0,
        })
    };
    let mut plain = of(Mode::Plain, 0.0)?;
    let mut waiting = of(Mode::Wait, wait_scan_us)?;
    let mut durable = of(Mode::Durable, 0.0)?;
    let bursts = (0..BURSTS).map(|_| {
        let (us, ()) = replica_meter.during(|| send_and_read(&mut clients, Mode::Durable))?;
        Ok(us / BURST as f64)
    });
    let replica_write_us = median(bursts.collect::<Result<_>>()?);
    drop(clients);

    // The ways to write take turns, so disturbances affect all of them.
    let rounds = (0..ROUNDS).map(|_| Alone::measure(servers, &meter, &replica_meter));
    let rounds: Vec<Alone> = rounds.collect::<Result<_>>()?;
    let of = |figure: fn(&Alone) -> f64| median(rounds.iter().map(figure).collect());
    plain.alone_us = of(|round| round.plain_us);
    waiting.alone_us = of(|round| round.wait_us);
    durable.alone_us = of(|round| round.durable_us);
    let (load_us, load_alone_us) = (of(|round| round.load_us), of(|round| round.load_alone_us));
    Ok(WriteCosts {
        hop_us: of(Alone::hop_us),
        plain,
        wait: waiting,
        durable,
        wait_scan_us,
        durable_scan_us,
        replica_write_us,
        replica_turn_us: (of(|round| round.replica_us) - replica_write_us).max(0.0),
        load_us,
        load_turn_us: (load_alone_us - load_us).max(0.0),
    })
}

/// One round of writes of a single client, and of plain writes of many for the load generator.
struct Alone {
    plain_us: f64,
    wait_us: f64,
    durable_us: f64,
    replica_us: f64,
    plain_p50_us: f64,
    load_alone_us: f64,
    load_us: f64,
}

impl Alone {
    fn measure(
        servers: &Replicated,
        meter: &ServerMeter<'_>,
        replica: &ServerMeter<'_>,
    ) -> Result<Alone> {
        let primary = &servers.primary;
        let of = |mode| -> Result<(f64, f64, Outcome)> {
            let own = own_us()?;
            let (us, outcome) = meter.during(|| closed_loop(primary, mode, 1, MEASURED))?;
            let count = outcome.all_cycles as f64;
            Ok((us / count, (own_us()? - own) / count, outcome))
        };
        let (plain_us, load_alone_us, outcome) = of(Mode::Plain)?;
        let (wait_us, _, _) = of(Mode::Wait)?;
        let (replica_us, (durable_us, _, durable)) = replica.during(|| of(Mode::Durable))?;
        let own = own_us()?;
        let many = closed_loop(primary, Mode::Plain, 200, MEASURED)?;
        Ok(Alone {
            plain_us,
            wait_us,
            durable_us,
            replica_us: replica_us / durable.all_cycles as f64,
            plain_p50_us: p50_us(&outcome),
            load_alone_us,
            load_us: (own_us()? - own) / many.all_cycles as f64,
        })
    }

    /// A plain write takes two hops: there and back.
    fn hop_us(&self) -> f64 {
        ((self.plain_p50_us - self.plain_us - self.load_alone_us) / 2.0).max(0.0)
    }
}

/// Drives the primary with one packet at a time on each connection.
pub fn closed_loop(
    primary: &Server,
    mode: Mode,
    connections: usize,
    measured: Duration,
) -> Result<Outcome> {
    let plan = Plan {
        connections,
        threads: 1,
        warm_up: Duration::from_millis(100),
        measured,
    };
    let workload = Workload::for_each_key(move |key| vec![packet(&words(mode, key))]);
    load::drive(&primary.addr(), &workload, &plan)
}

pub fn p50_us(outcome: &Outcome) -> f64 {
    outcome.latency.value_at_quantile(0.5) as f64 / 1000.0
}

fn words(mode: Mode, key: &str) -> Vec<Vec<u8>> {
    match mode {
        Mode::Plain => vec![set(key)],
        Mode::Wait => vec![set(key), wait(1)],
        Mode::Durable => vec![durable_set(key, 1)],
    }
}

/// The cost of writing and of releasing, for each of many clients in one turn.
fn burst(
    servers: &Replicated,
    meter: &ServerMeter<'_>,
    clients: &mut [RawConn],
    mode: Mode,
) -> Result<(f64, f64)> {
    let (primary, replica) = (&servers.primary, &servers.replicas[0]);
    let (mut write, mut release) = (Vec::new(), Vec::new());
    for _ in 0..BURSTS {
        servers.wait_until_in_step(1);
        replica.pause();
        let (us, ()) = meter.during(|| {
            primary.pause();
            send(clients, mode);
            primary.resume();
            thread::sleep(SETTLED);
            Ok(())
        })?;
        write.push(us / clients.len() as f64);
        let (us, ()) = meter.during(|| {
            replica.resume();
            read(clients, mode);
            Ok(())
        })?;
        release.push(us / clients.len() as f64);
    }
    // Plain writes are answered in the first half.
    let release = match mode {
        Mode::Plain => 0.0,
        Mode::Wait | Mode::Durable => median(release),
    };
    Ok((median(write), release))
}

fn send_and_read(clients: &mut [RawConn], mode: Mode) -> Result<()> {
    send(clients, mode);
    read(clients, mode);
    Ok(())
}

fn send(clients: &mut [RawConn], mode: Mode) {
    for (number, client) in clients.iter_mut().enumerate() {
        client.send_bytes(&words(mode, &format!("burst:{number:06}")).concat());
    }
}

fn read(clients: &mut [RawConn], mode: Mode) {
    for client in clients {
        for _ in 0..words(mode, "").len() {
            client.read_reply_bytes();
        }
    }
}

/// How much longer a turn lasts for each client that waits. The replica is stopped, so all of them
/// keep waiting, and the turns are those of another client's PINGs.
fn scan_us(servers: &Replicated, meter: &ServerMeter<'_>, mode: Mode) -> Result<f64> {
    let (primary, replica) = (&servers.primary, &servers.replicas[0]);
    let ping = Workload::same(1, command(&["PING"]), 1);
    let plan = Plan {
        connections: 1,
        threads: 1,
        warm_up: Duration::from_millis(50),
        measured: MEASURED,
    };
    let ping_us = |parked: usize| -> Result<f64> {
        servers.wait_until_in_step(1);
        let mut clients: Vec<RawConn> = (0..parked).map(|_| primary.raw()).collect();
        replica.pause();
        send(&mut clients, mode);
        thread::sleep(SETTLED);
        let measured = meter.during(|| load::drive(&primary.addr(), &ping, &plan));
        replica.resume();
        read(&mut clients, mode);
        let (us, outcome) = measured.context("PING beside clients that wait")?;
        Ok(us / outcome.all_cycles as f64)
    };
    let (few, many) = (ping_us(FEW_PARKED)?, ping_us(MANY_PARKED)?);
    Ok(((many - few) / (MANY_PARKED - FEW_PARKED) as f64).max(0.0))
}
