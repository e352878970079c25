//! Counts the round trips and redirections for reading and writing 10,000 random keys: without a
//! cache, with a cache that `MOVED` fills, and with `SLOTHINT` first. With `--demo`, also after a
//! slot has moved and after a failover.
//!
//!     cargo run --release -p redis-durable-client --example round_trips -- --demo
//!     cargo run --release -p redis-durable-client --example round_trips -- redis://10.0.0.1:7000
//!
//! With `--demo` it starts a cluster of three primaries and three replicas, moves a slot and orders
//! a failover there, and stops the cluster. On your own cluster it only sets and deletes keys that
//! begin with `round-trips:`. It does not change slots or roles there.

use anyhow::{bail, Context, Result};
use redis_durable_client::{Client, Command, Error, Stats};
use testkit::{eventually, Cluster, Role, Server};

const HELP: &str = "\
Counts round trips and redirections for 10,000 random keys.

usage: round_trips <address>     redis://[user:password@]host:port of any node
       round_trips --demo        on a cluster of its own

  --keys n      how many keys (default 10000)
  --batch n     how many commands in a batch (default 1000)";

struct Arguments {
    /// None for the demonstration.
    address: Option<String>,
    keys: usize,
    batch: usize,
}

fn main() -> Result<()> {
    let Some(arguments) = arguments()? else {
        println!("{HELP}");
        return Ok(());
    };
    let cluster = arguments.address.is_none().then(|| Cluster::start(3, 1));
    let address = match (&arguments.address, &cluster) {
        (Some(address), _) => address.clone(),
        (None, Some(cluster)) => format!("redis://{}", cluster.nodes[0].addr()),
        (None, None) => bail!("no address"),
    };
    let keys: Vec<String> = (0..arguments.keys)
        .map(|_| format!("round-trips:{:016x}", fastrand::u64(..)))
        .collect();
    println!(
        "{} random keys, each set and read, {} to a batch",
        keys.len(),
        arguments.batch
    );
    println!();
    println!(
        "{:<34} {:>11} {:>8} {:>6} {:>7}",
        "", "round trips", "MOVED", "hints", "errors"
    );
    println!("{:<34} {:>11}", "one command at a time", "");

    let open = |hints: bool| -> Result<Client> {
        Ok(Client::builder([address.as_str()])?
            .hint_batches(hints)
            .build())
    };
    // No cache: a new client for each command.
    let mut sum = [0; 4];
    for key in &keys {
        for command in [Command::set(key, key), Command::get(key)] {
            let client = open(false)?;
            let errors = run(&client, std::slice::from_ref(&command), 1)?;
            for (sum, figure) in sum.iter_mut().zip(figures(client.stats(), errors)) {
                *sum += figure;
            }
        }
    }
    row("  no cache", sum);
    let moved = open(false)?;
    measure("  cache filled by MOVED", &moved, &keys, 1)?;
    let hinted = open(true)?;
    hinted.session().prefill(&keys)?;
    measure("  SLOTHINT first", &hinted, &keys, 1)?;

    println!("{:<34} {:>11}", "in batches", "");
    let moved = open(false)?;
    measure("  cache filled by MOVED", &moved, &keys, arguments.batch)?;
    let hinted = open(true)?;
    hinted.session().prefill(&keys)?;
    measure("  SLOTHINT first", &hinted, &keys, arguments.batch)?;

    if let Some(cluster) = &cluster {
        println!("{:<34} {:>11}", "one at a time, after one slot moved", "");
        move_a_slot(cluster, &keys[0])?;
        changed("  cache filled by MOVED", &moved, &keys)?;
        changed("  SLOTHINT first", &hinted, &keys)?;
        println!("{:<34} {:>11}", "one at a time, after a failover", "");
        fail_over(cluster);
        changed("  cache filled by MOVED", &moved, &keys)?;
        changed("  SLOTHINT first", &hinted, &keys)?;
    }
    let delete: Vec<Command> = keys
        .iter()
        .map(|key| Command::new("DEL").key(key))
        .collect();
    run(&hinted, &delete, arguments.batch)?;
    Ok(())
}

fn arguments() -> Result<Option<Arguments>> {
    use lexopt::prelude::*;
    let (mut address, mut demo, mut keys, mut batch) = (None, false, 10_000, 1000_usize);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("demo") => demo = true,
            Long("keys") => keys = parser.value()?.parse()?,
            Long("batch") => batch = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            Value(value) if address.is_none() => address = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if demo == address.is_some() {
        bail!("either an address or --demo\n\n{HELP}");
    }
    if keys == 0 || batch == 0 {
        bail!("--keys and --batch are at least 1");
    }
    Ok(Some(Arguments {
        address,
        keys,
        batch,
    }))
}

/// Sets and reads all keys, and prints the counters since the client was made.
fn measure(name: &str, client: &Client, keys: &[String], batch: usize) -> Result<()> {
    let errors = set_and_get(client, keys, batch)?;
    row(name, figures(client.stats(), errors));
    Ok(())
}

/// The same, but prints only what this call adds to the counters. The client knows the cluster as
/// it was before the change.
fn changed(name: &str, client: &Client, keys: &[String]) -> Result<()> {
    let before = figures(client.stats(), 0);
    let errors = set_and_get(client, keys, 1)?;
    let mut figures = figures(client.stats(), errors);
    for (figure, before) in figures.iter_mut().zip(before) {
        *figure -= before;
    }
    row(name, figures);
    Ok(())
}

fn set_and_get(client: &Client, keys: &[String], batch: usize) -> Result<u64> {
    let sets: Vec<Command> = keys.iter().map(|key| Command::set(key, key)).collect();
    let gets: Vec<Command> = keys.iter().map(Command::get).collect();
    Ok(run(client, &sets, batch)? + run(client, &gets, batch)?)
}

/// Returns how many commands ended with an error. The key of a command is its value, so a wrong
/// answer shows.
fn run(client: &Client, commands: &[Command], batch: usize) -> Result<u64> {
    let mut session = client.session();
    let mut errors = 0;
    for part in commands.chunks(batch) {
        for result in session.batch(part) {
            match result {
                Ok(_) => {}
                Err(error @ Error::Connect { .. }) => return Err(error.into()),
                Err(_) => errors += 1,
            }
        }
    }
    Ok(errors)
}

fn figures(stats: Stats, errors: u64) -> [u64; 4] {
    let hints = stats.hint_requests + stats.map_requests;
    [stats.round_trips, stats.moved, hints, errors]
}

fn row(name: &str, [round_trips, moved, hints, errors]: [u64; 4]) {
    println!("{name:<34} {round_trips:>11} {moved:>8} {hints:>6} {errors:>7}");
}

fn move_a_slot(cluster: &Cluster, key: &str) -> Result<()> {
    let slot = cluster.slot_of(key).to_string();
    let from = cluster.owner_of_key(key);
    let to = cluster
        .primaries()
        .into_iter()
        .find(|node| node.port() != from.port())
        .context("a cluster of one primary")?;
    let set = |node: &Server, state: &str, other: &Server| {
        node.run::<()>(&["CLUSTER", "SETSLOT", &slot, state, cluster.id_of(other)]);
    };
    set(to, "IMPORTING", from);
    set(from, "MIGRATING", to);
    let keys: Vec<String> = from.run(&["CLUSTER", "GETKEYSINSLOT", &slot, "100000"]);
    let port = to.port().to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    from.run::<()>(&migrate);
    set(to, "NODE", to);
    set(from, "NODE", to);
    cluster.wait_until_agreed();
    Ok(())
}

fn fail_over(cluster: &Cluster) {
    let replica = &cluster.nodes[4];
    eventually("the failover", || {
        // Refused until the replica is in sync.
        let _ = replica.try_run::<()>(&["CLUSTER", "FAILOVER"]);
        replica.role() == Role::Primary
    });
    cluster.wait_until_agreed();
}
