//! A durable write with both replicas, with one replica frozen, and with no replica left.

use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::{eventually, Replicated};

use crate::screen::Screen;
use crate::session::Session;

/// Enough for a median, and fast.
const MEASURED_WRITES: usize = 500;
/// Warm-up writes, sent before the measured ones.
const UNMEASURED_WRITES: usize = 100;

pub fn show(screen: &Screen) -> Result<()> {
    let group = screen.with_spinner("Starting a primary and two replicas", || {
        let group = Replicated::start(2);
        Session::open(screen, &group.primary).wait_for_stream(2)?;
        anyhow::Ok(group)
    })?;
    let [first, second] = &group.replicas[..] else {
        anyhow::bail!("the group must have two replicas");
    };
    screen.explain(&format!(
        "{} with the module: a primary at {}, its replicas at {} and {}.",
        group.primary.version(),
        group.primary.addr(),
        first.addr(),
        second.addr()
    ))?;
    both_replicas(screen, &group)?;
    one_replica_frozen(screen, &group)?;
    no_replica_left(screen, &group)
}

fn both_replicas(screen: &Screen, group: &Replicated) -> Result<()> {
    screen.heading("1. A durable write")?;
    screen.explain("OK means: two replicas have the write. It can be read there at once.")?;
    let mut primary = Session::open(screen, &group.primary);
    // Connected first, so that the reads follow the write at once.
    let mut replicas: Vec<Session> = group
        .replicas
        .iter()
        .map(|replica| Session::open(screen, replica))
        .collect();
    primary.run("DURABLE.SET order:1 paid REPLICAS 2", "OK")?;
    for replica in &mut replicas {
        replica.run("GET order:1", "\"paid\"")?;
    }
    let plain = median_time(&mut primary, |number| format!("SET plain:{number} x"))?;
    let durable = median_time(&mut primary, |number| {
        format!("DURABLE.SET durable:{number} x REPLICAS 2")
    })?;
    screen.explain(&format!(
        "Measured here with {MEASURED_WRITES} writes of each kind, one after the other. The median is {} µs for\n\
         DURABLE.SET with both replicas, and {} µs for a plain SET, which does not wait. All servers\n\
         are on this machine. Elsewhere, add the round trip between primary and replicas.",
        durable.as_micros(),
        plain.as_micros()
    ))?;
    Ok(())
}

fn one_replica_frozen(screen: &Screen, group: &Replicated) -> Result<()> {
    screen.heading("2. The same with one replica frozen")?;
    screen.explain(
        "The frozen replica keeps its connection but answers nothing. UNACKED means: the primary has\n\
         the write, too few replicas acknowledged it in time, and it is not rolled back.",
    )?;
    let frozen = &group.replicas[1];
    let mut primary = Session::open(screen, &group.primary);
    frozen.pause();
    screen.event(&format!("kill -STOP the replica at {}", frozen.addr()))?;
    primary.run(
        "DURABLE.SET order:2 paid REPLICAS 2 TIMEOUT 500",
        "(error) UNACKED 1 of 2 replicas acknowledged within 500 ms; \
         applied on the primary, may still reach the replicas",
    )?;
    primary.run("GET order:2", "\"paid\"")?;
    screen.explain("With REPLICAS 1, one replica is enough.")?;
    primary.run("DURABLE.SET order:3 paid REPLICAS 1", "OK")?;
    screen.explain(
        "Once the replica is back, DURABLE.WAIT confirms that both have everything executed so far.",
    )?;
    frozen.resume();
    screen.event(&format!("kill -CONT the replica at {}", frozen.addr()))?;
    primary.run("DURABLE.WAIT REPLICAS 2", "(integer) 2")?;
    Session::open(screen, frozen).run("GET order:2", "\"paid\"")
}

fn no_replica_left(screen: &Screen, group: &Replicated) -> Result<()> {
    screen.heading("3. Both replicas gone")?;
    screen.explain(
        "A write whose requirement cannot be met is refused before anything is executed. The old value\n\
         stays, and a new key is not created.",
    )?;
    let mut primary = Session::open(screen, &group.primary);
    for replica in &group.replicas {
        replica.kill();
        screen.event(&format!("kill -9 the replica at {}", replica.addr()))?;
    }
    eventually("the primary to notice that its replicas are gone", || {
        group.primary.replica_links().is_empty()
    });
    let refusal = "(error) NOREPLICAS 0 of 2 required replicas are connected; nothing was executed";
    primary.run("DURABLE.SET order:1 refunded REPLICAS 2", refusal)?;
    primary.run("GET order:1", "\"paid\"")?;
    primary.run("DURABLE.SET order:4 paid REPLICAS 2", refusal)?;
    primary.run("GET order:4", "(nil)")
}

fn median_time(session: &mut Session, command: impl Fn(usize) -> String) -> Result<Duration> {
    let mut times = Vec::with_capacity(MEASURED_WRITES);
    for number in 0..UNMEASURED_WRITES + MEASURED_WRITES {
        let command = command(number);
        let begun = Instant::now();
        session.run_hidden(&command)?;
        if number >= UNMEASURED_WRITES {
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    Ok(times[MEASURED_WRITES / 2])
}
