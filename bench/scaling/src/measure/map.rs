//! What the ways to learn the slot map cost one server of a cluster of a thousand shards.
//!
//! One real node has the configuration of that cluster (`bench/src/large_cluster.rs`). The shards
//! have no replicas here. With replicas all replies that list nodes are longer.

use std::thread;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use durable_bench::large_cluster;
use testkit::{RawConn, Server};

use super::meter::ServerMeter;
use crate::costs::{Call, MapCosts};

const CALLS: usize = 2000;
/// For replies of the whole map.
const LARGE_CALLS: usize = 300;
const FEW_WATCHERS: usize = 50;
const MANY_WATCHERS: usize = 550;
/// Longer than the maximum age of the map.
const OUTDATED: Duration = Duration::from_millis(200);
const WATCHED: Duration = Duration::from_secs(3);
/// A long maximum age: the map is read once, and not for each command.
const WARM_MS: &str = "60000";
const DEFAULT_MS: &str = "100";

pub fn costs() -> Result<MapCosts> {
    let node = large_cluster::start()?;
    let server = &node.server;
    let meter = ServerMeter::of(server)?;
    let keys: Vec<String> = (0..100)
        .map(|number| format!("customer:{number:06}:orders"))
        .collect();
    let hint: Vec<&str> = ["SLOTHINT"]
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .collect();
    set_max_age(server, WARM_MS)?;
    let cluster_slots = call(server, &meter, &["CLUSTER", "SLOTS"], LARGE_CALLS)?;
    // Of this node's slots, this key has none: the reply is MOVED.
    let moved = call(server, &meter, &["GET", "customer:000001:orders"], CALLS)?;
    let hint_100 = call(server, &meter, &hint, CALLS)?;
    let map = call(server, &meter, &["SLOTHINT.MAP"], LARGE_CALLS)?;
    set_max_age(server, "0")?;
    let cold = call(server, &meter, &hint, LARGE_CALLS)?;
    set_max_age(server, DEFAULT_MS)?;
    let (few_us, _) = watchers(server, &meter, FEW_WATCHERS)?;
    let (many_us, reply_bytes) = watchers(server, &meter, MANY_WATCHERS)?;
    let more = (MANY_WATCHERS - FEW_WATCHERS) as f64;
    Ok(MapCosts {
        cluster_slots,
        moved,
        hint_100,
        map,
        watch: Call {
            cpu_us: (many_us - few_us) / more,
            reply_bytes,
        },
        look_us: cold.cpu_us - hint_100.cpu_us,
        watched_us_per_second: watched(server, &meter)?,
    })
}

/// One client that calls again and again.
fn call(server: &Server, meter: &ServerMeter<'_>, words: &[&str], calls: usize) -> Result<Call> {
    let mut connection = server.raw();
    let reply_bytes = connection.call(words).len() as f64;
    let (us, ()) = meter.during(|| {
        for _ in 0..calls {
            connection.call(words);
        }
        Ok(())
    })?;
    Ok(Call {
        cpu_us: us / calls as f64,
        reply_bytes,
    })
}

/// Watchers that all get the map after a slot has moved. Returns the server's time for all of it,
/// and the length of one reply.
fn watchers(server: &Server, meter: &ServerMeter<'_>, count: usize) -> Result<(f64, f64)> {
    let mut connections: Vec<RawConn> = (0..count).map(|_| server.raw()).collect();
    let own: String = server.run(&["CLUSTER", "MYID"]);
    let nodes: String = server.run(&["CLUSTER", "NODES"]);
    let other = nodes
        .lines()
        .find(|line| !line.contains("myself"))
        .and_then(|line| line.split(' ').next())
        .context("another node")?;
    // The map that the node knows may be older than the last move.
    thread::sleep(OUTDATED);
    let token = token(server)?;
    let (us, bytes) = meter.during(|| {
        for connection in &mut connections {
            connection.send(&["SLOTHINT.WATCH", &token, "0"]);
        }
        // All of them wait by then.
        ensure!(server.raw().call_text(&["PING"]) == "+PONG\r\n", "no PONG");
        server.run::<()>(&["CLUSTER", "SETSLOT", "0", "NODE", other]);
        let bytes: usize = connections
            .iter_mut()
            .map(|connection| connection.read_reply_bytes().len())
            .sum();
        Ok(bytes as f64 / count as f64)
    })?;
    server.run::<()>(&["CLUSTER", "SETSLOT", "0", "NODE", &own]);
    Ok((us, bytes))
}

/// How much longer a server is busy in a second with a watcher than in one without.
fn watched(server: &Server, meter: &ServerMeter<'_>) -> Result<f64> {
    let idle = || {
        thread::sleep(WATCHED);
        Ok(())
    };
    thread::sleep(OUTDATED);
    let (without_us, ()) = meter.during(idle)?;
    let mut watcher = server.raw();
    watcher.send(&["SLOTHINT.WATCH", &token(server)?, "0"]);
    let (with_us, ()) = meter.during(idle)?;
    Ok((with_us - without_us).max(0.0) / WATCHED.as_secs_f64())
}

/// The token of the map: the first element of the reply.
fn token(server: &Server) -> Result<String> {
    let reply = server.raw().call(&["SLOTHINT.MAP"]);
    let start = String::from_utf8_lossy(&reply[..reply.len().min(64)]).into_owned();
    let line = start.lines().nth(1).and_then(|line| line.strip_prefix(':'));
    Ok(line.context("a map begins with its token")?.to_string())
}

fn set_max_age(server: &Server, age: &str) -> Result<()> {
    server.run::<()>(&["CONFIG", "SET", "durable.slothint-max-age-ms", age]);
    Ok(())
}
