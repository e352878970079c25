//! Reads processor time: of a server's main thread, and of this process.

use std::fs;

use anyhow::{Context, Result};
use durable_bench::rounds::Meter;
use testkit::Server;

/// How often the cost of a reading itself is measured.
const READINGS: usize = 15;

/// Measures the processor time of one server's main thread, without the time that readings take.
pub struct ServerMeter<'a> {
    server: &'a Server,
    reading_us: f64,
}

impl<'a> ServerMeter<'a> {
    pub fn of(server: &'a Server) -> Result<ServerMeter<'a>> {
        let between = (0..READINGS).map(|_| Ok(-read(server)? + read(server)?));
        let reading_us = median(between.collect::<Result<_>>()?);
        Ok(ServerMeter { server, reading_us })
    }

    /// Microseconds that the server was busy during `action`.
    pub fn during<T>(&self, action: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
        let before = read(self.server)?;
        let result = action()?;
        let busy = read(self.server)? - before - self.reading_us;
        Ok((busy.max(0.0), result))
    }
}

fn read(server: &Server) -> Result<f64> {
    let cpu = Meter::read(server).cpu_us;
    cpu.context("the server does not report the time of its main thread")
}

/// Microseconds that this process has used, in steps of the kernel's clock (10 ms).
pub fn own_us() -> Result<f64> {
    const TICK_US: f64 = 10_000.0;
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let number = |index: usize| -> Result<f64> {
        let field = fields.split_whitespace().nth(index);
        Ok(field.context("a field of /proc/self/stat")?.parse()?)
    };
    // utime and stime are the fields 14 and 15; the third is the first after the name.
    Ok((number(11)? + number(12)?) * TICK_US)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
