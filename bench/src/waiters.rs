//! Durable writes while thousands of other clients wait for a replica that is frozen.
//!
//! One replica works, the other is stopped by a signal. The parked clients wait for both. Their
//! waits are in the ledger, and each acknowledgement of the working replica could concern them.

use std::cell::RefCell;

use anyhow::Result;
use testkit::{eventually, RawConn, Replicated};

use crate::results::{Goal, Group, Metric};
use crate::rounds::{Case, Rounds};
use crate::workload::{command, durable_set, packet, set, wait, Workload};

/// How many other clients there are.
const PARKED: usize = 10_000;
const CONNECTIONS: usize = 50;
const COLUMNS: [Metric; 4] = [Metric::P50, Metric::P99, Metric::Worst, Metric::Cpu];

/// The other clients during a turn.
struct Park<'a> {
    servers: &'a Replicated,
    clients: RefCell<Vec<RawConn>>,
}

impl Park<'_> {
    /// Ends what the turn before has left: the replica continues, and the parked clients leave.
    fn clear(&self) {
        self.servers.replicas[1].resume();
        self.clients.take().into_iter().for_each(RawConn::reset);
        let primary = &self.servers.primary;
        eventually("the parked clients to be gone", || {
            primary.info_number("clients", "connected_clients") < 10
        });
        self.servers.wait_until_in_step(2);
    }

    /// Freezes the second replica, and opens `count` clients that run `command`. With a `command`
    /// the clients are blocked when this returns.
    fn fill(&self, count: usize, command: Option<&[u8]>) {
        self.clear();
        self.servers.replicas[1].pause();
        let primary = &self.servers.primary;
        let mut clients: Vec<RawConn> = (0..count).map(|_| primary.raw()).collect();
        for client in &mut clients {
            client.call(&["SET", "parked", "v"]);
        }
        if let Some(command) = command {
            // Sent while the server is stopped: native WAIT scans all waiting clients each time.
            primary.pause();
            for client in &mut clients {
                client.send_bytes(command);
            }
            primary.resume();
            eventually("all parked clients to wait", || {
                primary.info_number("clients", "blocked_clients") == count as i64
            });
        }
        self.clients.replace(clients);
    }
}

/// Writes with and without waiting clients beside them, by the module and by the server's WAIT.
pub fn waiters(rounds: &Rounds<'_>) -> Result<Vec<Group>> {
    rounds.say("starting a primary and its replicas");
    let room = (PARKED + 500).to_string();
    let servers = Replicated::builder()
        .replicas(2)
        .primary(move |builder| {
            builder
                .config("maxclients", &room)
                // The frozen replica is not given up.
                .config("repl-timeout", "3600")
                .config("client-output-buffer-limit", "replica 0 0 0")
                .module_args(&["timeout-ms", "0", "max-waiters", &room])
        })
        .replica(|_, builder| builder.config("repl-timeout", "3600"))
        .start();
    let park = Park {
        servers: &servers,
        clients: RefCell::default(),
    };
    let durable = command(&[
        "DURABLE.SET",
        "parked",
        "v",
        "REPLICAS",
        "2",
        "TIMEOUT",
        "0",
    ]);
    let native = command(&["WAIT", "2", "0"]);
    let case = |name: &str, workload: Workload, count: usize, command: Option<Vec<u8>>| {
        let park = &park;
        Case::new(name, &servers.primary, workload).before(move || {
            park.fill(count, command.as_deref());
            Ok(())
        })
    };
    let by_module = || Workload::for_each_key(|key| vec![packet(&[durable_set(key, 1)])]);
    let by_server = || Workload::for_each_key(|key| vec![packet(&[set(key), wait(1)])]);
    let (alone, idle, waiting) = (
        "DURABLE.SET … REPLICAS 1, alone",
        "DURABLE.SET, beside idle clients",
        "DURABLE.SET, beside waiting clients",
    );
    let (native_alone, native_waiting) = (
        "SET + WAIT 1, alone",
        "SET + WAIT 1, beside clients in WAIT 2",
    );
    let cases = [
        case(alone, by_module(), 0, None),
        case(idle, by_module(), PARKED, None),
        case(waiting, by_module(), PARKED, Some(durable)),
        case(native_alone, by_server(), 0, None),
        case(native_waiting, by_server(), PARKED, Some(native)),
    ];
    let title = format!("Durable writes beside {PARKED} clients, {CONNECTIONS} connections");
    let mut group = rounds.group(&title, CONNECTIONS, &COLUMNS, &cases)?;
    let rate = Metric::OperationsPerSecond;
    group.compare(waiting, alone, rate, Some(Goal::AtLeast(0.97)));
    group.compare(waiting, idle, rate, Some(Goal::AtLeast(0.97)));
    group.compare(waiting, idle, Metric::Cpu, None);
    group.compare(native_waiting, native_alone, rate, None);
    park.clear();
    Ok(vec![group])
}
