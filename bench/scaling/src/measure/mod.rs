//! Measures on real servers: what single steps cost, and what the simulation is compared with.

mod delay;
mod map;
mod meter;
mod observed;
mod writes;

use std::thread::available_parallelism;

use anyhow::Result;
use durable_bench::interrupt;
use testkit::Replicated;

use crate::costs::{Costs, Machine};

/// Measures everything. Takes a few minutes.
pub fn all() -> Result<Costs> {
    let machine = durable_bench::machine::Machine::inspect()?;
    let servers = Replicated::builder()
        .replicas(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "15000"]))
        .start();
    eprintln!("measuring single writes");
    let writes = writes::costs(&servers)?;
    eprintln!("measuring what the simulation is compared with");
    let observed = observed::all(&servers)?;
    drop(servers);
    interrupt::check()?;
    eprintln!("measuring slot maps on a node that knows a thousand shards");
    let map = map::costs()?;
    Ok(Costs {
        machine: Machine {
            server: machine.server,
            processor: machine.processor,
            cores: available_parallelism().map_or(1, usize::from),
        },
        writes,
        map,
        observed,
    })
}
