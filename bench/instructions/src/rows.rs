//! The rows of the table, and the fixed load that each puts on its server.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Result};
use tempfile::TempDir;
use testkit::{encode_command, least_module_path, module_path, RawConn, Replicated, ServerBuilder};

use crate::asleep::wait_until_asleep;
use crate::callgrind;

/// Each connection writes this many keys in turn.
const KEYS: usize = 100;
/// How often all keys are written before anything is counted. The first time makes them, the second
/// time ends the rehashing of their table.
const WARM_UPS: usize = 2;
/// More than two periods of the cron.
const QUIET: Duration = Duration::from_millis(2500);
const VALUE: [u8; 64] = [b'v'; 64];

/// One way to write. A number is that of the replicas that have to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Bare,
    Idle,
    Wait(u16),
    Least,
    /// The requirement is the configured one: a single replica.
    Configured,
    DurableSet(u16),
    Call,
    Once,
}

impl Row {
    /// The rows for a primary with this many replicas: writes that wait for one replica, then those
    /// that wait for all.
    pub fn all(replicas: u16) -> Vec<Row> {
        let mut rows = vec![
            Row::Bare,
            Row::Idle,
            Row::Wait(1),
            Row::Least,
            Row::Configured,
            Row::DurableSet(1),
            Row::Call,
            Row::Once,
        ];
        if replicas > 1 {
            rows.extend([Row::Wait(replicas), Row::DurableSet(replicas)]);
        }
        rows
    }

    pub fn name(self) -> String {
        match self {
            Row::Bare => "SET, no module".into(),
            Row::Idle => "SET, module loaded and idle".into(),
            Row::Wait(replicas) => format!("SET and WAIT {replicas} in one packet"),
            Row::Least => "LEAST.SET …, the least possible module".into(),
            Row::Configured => "DURABLE.SET …".into(),
            Row::DurableSet(replicas) => format!("DURABLE.SET … REPLICAS {replicas}"),
            Row::Call => "DURABLE.CALL REPLICAS 1 SET …".into(),
            Row::Once => "DURABLE.ONCE id REPLICAS 1 SET …".into(),
        }
    }

    /// One packet, and the number of its replies. `number` is another one for each packet.
    fn packet(self, key: &str, number: u64) -> (Vec<u8>, usize) {
        let command = |words: &[&str]| {
            let words = words.iter().map(|word| word.as_bytes());
            encode_command(&words.collect::<Vec<_>>())
        };
        let value = String::from_utf8_lossy(&VALUE);
        match self {
            Row::Bare | Row::Idle => (command(&["SET", key, &value]), 1),
            Row::Wait(replicas) => {
                let wait = command(&["WAIT", &replicas.to_string(), "0"]);
                ([command(&["SET", key, &value]), wait].concat(), 2)
            }
            Row::Least => (command(&["LEAST.SET", key, &value]), 1),
            Row::Configured => (command(&["DURABLE.SET", key, &value]), 1),
            Row::DurableSet(replicas) => {
                let replicas = replicas.to_string();
                let words = ["DURABLE.SET", key, &value, "REPLICAS", &replicas];
                (command(&words), 1)
            }
            Row::Call => {
                let words = ["DURABLE.CALL", "REPLICAS", "1", "SET", key, &value];
                (command(&words), 1)
            }
            Row::Once => {
                let id = format!("5f0c1e0e-8d5b-4a39-a0a5-{number:012}");
                let words = ["DURABLE.ONCE", &id, "REPLICAS", "1", "SET", key, &value];
                (command(&words), 1)
            }
        }
    }
}

/// A primary without the module, one with it, and one with the least possible module instead. Each
/// is in callgrind and has replicas of its own.
pub struct Servers {
    bare: Replicated,
    loaded: Replicated,
    least: Replicated,
    replicas: usize,
    directory: TempDir,
    /// The number of the next packet.
    next: Cell<u64>,
}

impl Servers {
    pub fn start(replicas: u16) -> Result<Servers> {
        callgrind::check()?;
        let directory = tempfile::tempdir()?;
        let replicas = usize::from(replicas);
        let wrapper = callgrind::wrapper(directory.path())?;
        let start = |load: fn(ServerBuilder) -> ServerBuilder| {
            let wrapper = wrapper.clone();
            Replicated::builder()
                .replicas(replicas)
                .module_on_replicas(false)
                .primary(move |builder| {
                    let words: Vec<&str> = wrapper.iter().map(String::as_str).collect();
                    load(builder)
                        .inside(&words)
                        // The cron, which is subtracted, runs once a second.
                        .config("hz", "1")
                        .config("dynamic-hz", "no")
                })
                .start()
        };
        Ok(Servers {
            bare: start(|builder| builder.module(false)),
            loaded: start(|builder| builder.module_args(&["timeout-ms", "0"])),
            least: start(ServerBuilder::least_module),
            replicas,
            directory,
            next: Cell::new(0),
        })
    }

    pub fn version(&self) -> String {
        self.loaded.primary.version().to_string()
    }

    /// The instructions for each write.
    pub fn count(
        &self,
        row: Row,
        connections: usize,
        writes: u64,
        keep: Option<&Path>,
    ) -> Result<String> {
        let (servers, module) = match row {
            Row::Bare => (&self.bare, module_path()),
            Row::Least => (&self.least, least_module_path()),
            _ => (&self.loaded, module_path()),
        };
        let primary = &servers.primary;
        let mut clients: Vec<RawConn> = (0..connections).map(|_| primary.raw()).collect();
        let turns = usize::try_from(writes)?.div_ceil(connections);
        let mut run = |turns: usize| -> Result<()> {
            for turn in 0..turns {
                let packets: Vec<_> = (0..connections)
                    .map(|client| {
                        let key = format!("count:{client:04}:{:03}", turn % KEYS);
                        row.packet(&key, self.next.replace(self.next.get() + 1))
                    })
                    .collect();
                // One connection needs no stop: its packet is read in a turn of its own, because
                // the server sleeps.
                let stops = connections > 1;
                if stops {
                    primary.pause();
                }
                for (client, (packet, _)) in clients.iter_mut().zip(&packets) {
                    client.send_bytes(packet);
                }
                if stops {
                    primary.resume();
                }
                for (client, (_, replies)) in clients.iter_mut().zip(&packets) {
                    for _ in 0..*replies {
                        let reply = client.read_reply_bytes();
                        ensure!(
                            !reply.starts_with(b"-"),
                            "the server answers {}",
                            reply.escape_ascii()
                        );
                    }
                }
                if !stops {
                    wait_until_asleep(primary.pid())?;
                }
            }
            Ok(())
        };
        primary.run::<()>(&["FLUSHALL", "SYNC"]);
        servers.wait_until_in_step(self.replicas);
        if row == Row::Idle {
            // A module that nobody uses stops hearing turns within two crons.
            std::thread::sleep(QUIET);
        }
        for _ in 0..WARM_UPS {
            run(KEYS)?;
        }
        let pid = primary.pid();
        let counted = callgrind::count(pid, self.directory.path(), module, keep, || run(turns))?;
        Ok(counted.for_each(turns * connections))
    }
}
