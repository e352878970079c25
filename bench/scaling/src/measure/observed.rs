//! Writes on real servers, for the comparison with the simulation: on loopback, and with the
//! replica behind a proxy that delays.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use durable_bench::interrupt;
use testkit::{eventually, RawConn, Replicated};

use super::delay::Delay;
use super::meter::{median, ServerMeter};
use super::writes::{closed_loop, p50_us};
use crate::costs::{Mode, Observed};

const CLIENTS: [u32; 4] = [1, 50, 1000, 5000];
const ROUNDS: usize = 3;
/// Ten of the longest round trips.
const MEASURED: Duration = Duration::from_millis(500);
const DELAYS_MS: [f64; 3] = [1.0, 5.0, 50.0];
const PINGS: usize = 21;

pub fn all(servers: &Replicated) -> Result<Vec<Observed>> {
    let mut all = at(servers, &Mode::ALL, 0.0, 0.0)?;
    let direct_us = ping_us(&servers.primary.addr());
    for delay_ms in DELAYS_MS {
        let one_way = Duration::from_secs_f64(delay_ms / 2000.0);
        let primary: SocketAddr = servers.primary.addr().parse().context("an address")?;
        let delay = Delay::to(primary, one_way)?;
        let port = delay.port().to_string();
        let round_trip_us = ping_us(&format!("127.0.0.1:{port}")) - direct_us;
        servers.replicas[0].run::<()>(&["REPLICAOF", "127.0.0.1", &port]);
        eventually("the replica behind the proxy to count", || {
            let wait = ["DURABLE.WAIT", "REPLICAS", "1", "TIMEOUT", "1000"];
            let link = servers.replicas[0].info("replication");
            link.get("master_port") == Some(&port) && servers.primary.try_run::<i64>(&wait).is_ok()
        });
        all.extend(at(servers, &Mode::ALL[1..], delay_ms, round_trip_us)?);
    }
    Ok(all)
}

fn at(
    servers: &Replicated,
    modes: &[Mode],
    delay_ms: f64,
    round_trip_us: f64,
) -> Result<Vec<Observed>> {
    let meter = ServerMeter::of(&servers.primary)?;
    let cases: Vec<(u32, Mode)> = CLIENTS
        .into_iter()
        .flat_map(|clients| modes.iter().map(move |&mode| (clients, mode)))
        .collect();
    let mut rounds: Vec<Vec<Observed>> = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (&(clients, mode), own) in cases.iter().zip(&mut rounds) {
            interrupt::check()?;
            servers.wait_until_in_step(1);
            let drive = || closed_loop(&servers.primary, mode, clients as usize, MEASURED);
            let (us, outcome) = meter.during(drive)?;
            own.push(Observed {
                mode,
                clients,
                delay_ms,
                round_trip_us,
                per_second: outcome.cycles as f64 / outcome.window.as_secs_f64(),
                p50_us: p50_us(&outcome),
                p99_us: outcome.latency.value_at_quantile(0.99) as f64 / 1000.0,
                cpu_us: us / outcome.all_cycles as f64,
            });
        }
    }
    Ok(rounds.iter().filter_map(|own| median_of(own)).collect())
}

/// The median of each figure.
fn median_of(rounds: &[Observed]) -> Option<Observed> {
    let of = |figure: fn(&Observed) -> f64| median(rounds.iter().map(figure).collect());
    Some(Observed {
        per_second: of(|round| round.per_second),
        p50_us: of(|round| round.p50_us),
        p99_us: of(|round| round.p99_us),
        cpu_us: of(|round| round.cpu_us),
        ..*rounds.first()?
    })
}

/// The usual round trip of a PING.
fn ping_us(address: &str) -> f64 {
    let mut connection = RawConn::connect(address);
    let ping = || {
        let sent = Instant::now();
        connection.call(&["PING"]);
        sent.elapsed().as_secs_f64() * 1e6
    };
    median(std::iter::repeat_with(ping).take(PINGS).collect())
}
