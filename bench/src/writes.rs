//! Durable writes: one by one, after pipelines, and the cost of the module for plain commands.

use anyhow::Result;
use testkit::{Replicated, Server, ServerBuilder};

use crate::options::Options;
use crate::results::{Group, Metric};
use crate::rounds::{Case, Rounds};
use crate::workload::{
    command, durable_call, durable_once, durable_set, durable_set_plain, durable_wait, get,
    least_set, numbered, packet, set, wait, Cycle, Step, Workload,
};

const REPLICAS: usize = 2;
const PIPELINE: usize = 16;
const BYSTANDERS: usize = 50;
/// The waits have deadlines, as in production, but a short stall of the machine does not end the
/// run.
const MODULE_ARGUMENTS: [&str; 2] = ["timeout-ms", "15000"];
/// Redis 8 leaves such a connection on its main thread. With OPTIN it tracks no key.
const KEEP_ON_MAIN_THREAD: [&str; 4] = ["CLIENT", "TRACKING", "ON", "OPTIN"];

const COLUMNS: [Metric; 4] = [Metric::P50, Metric::P99, Metric::P999, Metric::Cpu];
const RATE: Metric = Metric::OperationsPerSecond;

pub const PLAIN: &str = "SET, nobody waits";
pub const WAIT_ONE: &str = "SET + WAIT 1, one packet";
pub const WAIT_TWICE: &str = "SET, then WAIT 1, two round trips";
pub const WAIT_TWO: &str = "SET + WAIT 2, one packet";
/// It is too fast with several connections or replicas: any answer to a request also releases
/// writes that came after that request. So it is a bound for what waits, and no module can reach
/// it.
pub const LEAST: &str = "LEAST.SET, the least possible module";
/// Without options: one replica is what is configured if nothing else is.
pub const DURABLE_PLAIN: &str = "DURABLE.SET …";
pub const DURABLE_ONE: &str = "DURABLE.SET … REPLICAS 1";
pub const DURABLE_TWO: &str = "DURABLE.SET … REPLICAS 2";
pub const WAIT_KEPT: &str = "SET + WAIT 1, tracking on";
pub const DURABLE_KEPT: &str = "DURABLE.SET … REPLICAS 1, tracking on";

/// `DURABLE.SET` against the ways to do it without the module, and beside the least possible
/// module, at each number of connections.
pub fn durable(options: &Options, rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting two primaries and their replicas");
    let replicas = usize::from(options.replicas);
    let servers = start(replicas, options);
    let least = start_with(replicas, options, ServerBuilder::least_module);
    let connections = options.connections.iter();
    connections
        .map(|&connections| durable_at(usize::from(connections), &servers, &least, options, rounds))
        .collect()
}

fn durable_at(
    connections: usize,
    servers: &Replicated,
    least: &Replicated,
    options: &Options,
    rounds: &Rounds<'_>,
) -> Result<Group> {
    let each =
        |name, cycle: fn(&str) -> Cycle| in_step(name, servers, Workload::for_each_key(cycle));
    let kept = |name, cycle: fn(&str) -> Cycle| {
        let workload = Workload::for_each_key(cycle).greeted_by(command(&KEEP_ON_MAIN_THREAD));
        in_step(name, servers, workload)
    };
    let mut cases = vec![
        each(PLAIN, |key| vec![packet(&[set(key)])]),
        each(WAIT_ONE, |key| vec![packet(&[set(key), wait(1)])]),
        each(WAIT_TWICE, |key| {
            vec![packet(&[set(key)]), packet(&[wait(1)])]
        }),
        in_step(
            LEAST,
            least,
            Workload::for_each_key(|key| vec![packet(&[least_set(key)])]),
        ),
        each(DURABLE_PLAIN, |key| vec![packet(&[durable_set_plain(key)])]),
        each(DURABLE_ONE, |key| vec![packet(&[durable_set(key, 1)])]),
    ];
    let has_two = options.replicas > 1;
    if has_two {
        cases.push(each(WAIT_TWO, |key| vec![packet(&[set(key), wait(2)])]));
        cases.push(each(DURABLE_TWO, |key| {
            vec![packet(&[durable_set(key, 2)])]
        }));
    }
    if options.io_threads > 1 {
        cases.push(kept(WAIT_KEPT, |key| vec![packet(&[set(key), wait(1)])]));
        cases.push(kept(DURABLE_KEPT, |key| {
            vec![packet(&[durable_set(key, 1)])]
        }));
    }
    let title = titled(
        &format!("Durable writes, replicas: {}", options.replicas),
        connections,
        options,
    );
    let mut group = rounds.group(&title, connections, &COLUMNS, &cases)?;
    for durable in [DURABLE_PLAIN, DURABLE_ONE] {
        group.compare(durable, PLAIN, RATE, None);
        group.compare(durable, WAIT_ONE, RATE, None);
        group.compare(durable, WAIT_ONE, Metric::P50, None);
        group.compare(durable, WAIT_ONE, Metric::P99, None);
        group.compare(durable, LEAST, RATE, None);
        group.compare(durable, LEAST, Metric::P50, None);
    }
    group.compare(LEAST, WAIT_ONE, RATE, None);
    group.compare(LEAST, WAIT_ONE, Metric::P50, None);
    group.compare(DURABLE_ONE, WAIT_TWICE, RATE, None);
    if has_two {
        group.compare(DURABLE_TWO, WAIT_TWO, RATE, None);
    }
    if options.io_threads > 1 {
        group.compare(DURABLE_KEPT, DURABLE_ONE, RATE, None);
        group.compare(DURABLE_KEPT, PLAIN, RATE, None);
    }
    Ok(group)
}

/// `DURABLE.ONCE` against `DURABLE.CALL`, at each number of connections.
pub fn once(options: &Options, rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting a primary and its replica");
    let servers = start(1, options);
    let connections = options.connections.iter();
    connections
        .map(|&connections| once_at(usize::from(connections), &servers, options, rounds))
        .collect()
}

fn once_at(
    connections: usize,
    servers: &Replicated,
    options: &Options,
    rounds: &Rounds<'_>,
) -> Result<Group> {
    let (call, once) = ("DURABLE.CALL SET", "DURABLE.ONCE id SET");
    let each = |name, step: fn(&str) -> Step| {
        let workload = Workload::for_each_key(move |key| vec![step(key)]);
        // Records of earlier turns would make later ones slower.
        Case::new(name, &servers.primary, workload).before(|| {
            servers.primary.run::<()>(&["FLUSHALL", "SYNC"]);
            servers.wait_until_in_step(1);
            Ok(())
        })
    };
    let cases = [
        each(call, |key| packet(&[durable_call(key)])),
        each(once, |key| numbered(durable_once(key))),
    ];
    let title = titled("Writes that are safe to send again", connections, options);
    let mut group = rounds.group(&title, connections, &COLUMNS, &cases)?;
    group.compare(once, call, RATE, None);
    group.compare(once, call, Metric::Cpu, None);
    Ok(group)
}

/// Sixteen plain writes, then one wait for all of them.
pub fn pipelines(options: &Options, rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting a primary and its replicas");
    let servers = start(REPLICAS, options);
    let connections = options.connections.iter();
    connections
        .map(|&connections| pipelines_at(usize::from(connections), &servers, options, rounds))
        .collect()
}

fn pipelines_at(
    connections: usize,
    servers: &Replicated,
    options: &Options,
    rounds: &Rounds<'_>,
) -> Result<Group> {
    let (plain, native, fence) = (
        "SETs, nobody waits",
        "SETs + WAIT 1",
        "SETs + DURABLE.WAIT REPLICAS 1",
    );
    let with = |name, last| in_step(name, servers, Workload::pipeline(PIPELINE, set, last));
    let cases = [
        with(plain, None),
        with(native, Some(wait(1))),
        with(fence, Some(durable_wait(1))),
    ];
    let title = titled(
        &format!("Pipelines of {PIPELINE} writes"),
        connections,
        options,
    );
    let mut group = rounds.group(&title, connections, &COLUMNS, &cases)?;
    group.compare(fence, native, RATE, None);
    group.compare(fence, plain, RATE, None);
    Ok(group)
}

/// Plain commands on a server with the module and on one without it. A second server without the
/// module shows how much two equal servers differ. A smaller difference has no meaning.
pub fn bystanders(rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting servers with and without the module");
    let (without, with, again) = (
        "without the module",
        "with the module",
        "without the module, again",
    );
    let bare = Server::builder().name(without).module(false).start();
    let loaded = Server::builder()
        .name(with)
        .module_args(&MODULE_ARGUMENTS)
        .start();
    let control = Server::builder().name(again).module(false).start();
    let servers = [(without, &bare), (with, &loaded), (again, &control)];
    // GET must find its keys: a miss does different work.
    for (_, server) in servers {
        fill(server);
    }
    type Encode = fn(&str) -> Vec<u8>;
    let kinds: [(&str, Encode, usize); 4] = [
        ("GET", get, 1),
        ("SET", set, 1),
        ("GET, pipelines of 16", get, PIPELINE),
        ("SET, pipelines of 16", set, PIPELINE),
    ];
    let measure = |(kind, encode, count): (&str, Encode, usize)| {
        let cases = servers
            .map(|(name, server)| Case::new(name, server, Workload::pipeline(count, encode, None)));
        let title = format!("Bystanders: {kind}, {}", count_of(BYSTANDERS));
        let mut group = rounds.group(&title, BYSTANDERS, &COLUMNS, &cases)?;
        for name in [with, again] {
            group.compare(name, without, RATE, None);
            group.compare(name, without, Metric::Cpu, None);
        }
        Ok(group)
    };
    kinds.into_iter().map(measure).collect()
}

fn start(replicas: usize, options: &Options) -> Replicated {
    start_with(replicas, options, |builder| {
        builder.module_args(&MODULE_ARGUMENTS)
    })
}

/// `load` says what the primary loads. The replicas have the module in any case.
fn start_with(
    replicas: usize,
    options: &Options,
    load: fn(ServerBuilder) -> ServerBuilder,
) -> Replicated {
    let io_threads = options.io_threads.to_string();
    Replicated::builder()
        .replicas(replicas)
        .primary(move |builder| load(builder).config("io-threads", &io_threads))
        .start()
}

/// Each turn begins after the replicas have caught up with the turn before.
fn in_step<'a>(name: &str, servers: &'a Replicated, workload: Workload) -> Case<'a> {
    Case::new(name, &servers.primary, workload).before(|| {
        servers.wait_until_in_step(servers.replicas.len());
        Ok(())
    })
}

/// Writes every key of every connection.
fn fill(server: &Server) {
    let mut connection = server.raw();
    let workload = Workload::pipeline(PIPELINE, set, None);
    for step in (0..BYSTANDERS)
        .flat_map(|number| workload.cycles(number))
        .flatten()
    {
        connection.send_bytes(&step.bytes);
        for _ in 0..step.replies {
            connection.read_reply_bytes();
        }
    }
}

fn titled(what: &str, connections: usize, options: &Options) -> String {
    let threads = match options.io_threads {
        1 => String::new(),
        threads => format!(", io-threads {threads}"),
    };
    format!("{what}, {}{threads}", count_of(connections))
}

fn count_of(connections: usize) -> String {
    let plural = if connections == 1 { "" } else { "s" };
    format!("{connections} connection{plural}")
}
