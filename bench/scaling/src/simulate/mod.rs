//! The simulations: durable writes, and slot maps. They take the measured costs as arguments.

pub mod engine;
pub mod map;
pub mod primary;
pub mod replica;
pub mod writes;

use anyhow::{ensure, Result};

use crate::costs::{Mode, WriteCosts};
use crate::options::Options;
use writes::{simulate, Figures, Setup};

/// The results for one number of clients, one distance and one way to write.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub mode: Mode,
    pub clients: u32,
    pub replica_ms: f64,
    pub figures: Figures,
}

/// Every way to write, at every distance, with every number of clients. Clients have processors of
/// their own, as in production.
pub fn sweep(costs: &WriteCosts, options: &Options) -> Result<Vec<Point>> {
    let finite = |ms: &f64| (0.0..=10_000.0).contains(ms);
    ensure!(
        options
            .replica_ms
            .iter()
            .chain([&options.client_ms])
            .all(finite),
        "round trips are from 0 to 10000 ms"
    );
    let mut points = Vec::new();
    for &replica_ms in &options.replica_ms {
        for &clients in &options.clients {
            for mode in Mode::ALL {
                let setup = Setup {
                    mode,
                    clients,
                    replica_us: replica_ms * 1000.0,
                    client_us: options.client_ms * 1000.0,
                    shared_cores: None,
                    seed: options.seed,
                };
                points.push(Point {
                    mode,
                    clients,
                    replica_ms,
                    figures: simulate(costs, &setup)?,
                });
            }
        }
    }
    Ok(points)
}
