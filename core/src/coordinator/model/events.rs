//! The events of the simulation, and their effects on the simulated server.

use super::super::*;
use super::simulated_server::{Replica, SimulatedServer, Wanted};
use crate::ack_request::GETACK_BYTES;
use crate::units::{Millis, Offset};

/// An event of the simulation. Each is in an event-loop turn of its own.
#[derive(Clone, Debug)]
pub enum Event {
    /// A durable command. Without bytes it is a read.
    Durable {
        client: u64,
        need: Need,
        bytes: u64,
        timeout_ms: Option<u64>,
    },
    /// A plain write. Without a command, the server itself deletes a key.
    Write {
        bytes: u64,
        by_command: bool,
    },
    /// A replica reads the stream and answers the requests in it.
    Deliver(usize),
    /// A replica acknowledges what it has read, as it does once a second.
    Report(usize),
    /// A replica comes. One that does not announce itself was connected before the module was
    /// loaded, or announces itself in a way that the module does not hear.
    Join {
        announces: bool,
    },
    /// A client that is no replica acknowledges: what the replica has not read, or more than was
    /// written.
    Pretend {
        index: usize,
        ahead: bool,
    },
    Leave(usize),
    ClientLeaves(u64),
    OperatorUnblocks(u64),
    /// Milliseconds.
    TimePasses(u64),
    /// The server stops or resumes the traffic to replicas.
    Pause(bool),
    /// The server becomes a primary, or a replica.
    Role(bool),
    /// The module notices it at the end of the server's cron, or in a timer.
    ClusterFails {
        in_cron: bool,
    },
}

impl SimulatedServer {
    pub fn run(&mut self, event: Event) {
        match event {
            Event::Durable {
                client,
                need,
                bytes,
                timeout_ms,
            } => self.durable(client, need, bytes, timeout_ms),
            Event::Write { bytes, by_command } => {
                self.commands += u64::from(by_command);
                self.write(bytes);
            }
            Event::Deliver(index) => self.deliver(index),
            Event::Report(index) => self.report(index),
            Event::Join { announces } => self.join(announces),
            Event::Pretend { index, ahead } => self.pretend(index, ahead),
            Event::Leave(index) => {
                if index < self.replicas.len() {
                    let gone = self.replicas.remove(index);
                    self.coordinator.fsyncs.client_left(gone.port.into());
                    self.coordinator.replica_changed(false);
                }
            }
            Event::ClientLeaves(client) => {
                let left = self.coordinator.wait_of(client).is_some();
                if left {
                    let wait = self.coordinator.disconnected(client, false, |_| true);
                    assert!(wait.is_some() && self.waits.remove(&client).is_some());
                }
            }
            Event::OperatorUnblocks(client) => {
                if self.coordinator.wait_of(client).is_some() {
                    self.end(client);
                }
            }
            Event::TimePasses(ms) => {
                self.now = self.now.saturating_add(Millis::new(ms).to_micros())
            }
            Event::Pause(paused) => self.is_paused = paused,
            Event::Role(is_primary) => {
                if is_primary != self.is_primary {
                    self.change_role(is_primary);
                }
            }
            Event::ClusterFails { in_cron: false } => self.has_failed = true,
            Event::ClusterFails { in_cron: true } => {
                self.has_failed = true;
                self.cron();
            }
        }
    }

    fn durable(&mut self, client: u64, need: Need, bytes: u64, timeout_ms: Option<u64>) {
        if !self.is_primary || self.coordinator.wait_of(client).is_some() {
            return;
        }
        self.commands += 1;
        self.write(bytes);
        let timeout = timeout_ms.map(|ms| Millis::new(ms).to_micros());
        let accepted = self
            .coordinator
            .accept(client, need, timeout, 0, self.now, client);
        self.woken |= accepted.expect("the client does not wait");
        let wanted = Wanted {
            need,
            data: self.data,
            has_deadline: timeout.is_some(),
            is_lost: false,
        };
        self.waits.insert(client, wanted);
    }

    fn write(&mut self, bytes: u64) {
        if bytes > 0 && self.is_primary {
            self.stream += bytes;
            self.data = self.stream;
        }
    }

    fn deliver(&mut self, index: usize) {
        let Some(replica) = self.replicas.get_mut(index) else {
            return;
        };
        let from = replica.read;
        let answered = self.requests.iter().filter(|&&at| at >= from);
        let answered = answered.filter(|&&at| at + GETACK_BYTES <= self.stream);
        let answer = answered.max().copied();
        replica.read = self.stream;
        // The answer is sent while the replica reads, before it fsyncs the bytes that it reads.
        if let Some(acked) = answer {
            self.acknowledge(index, acked);
        }
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.fsynced = self.stream;
        }
    }

    fn report(&mut self, index: usize) {
        let read = self.replicas.get(index).map(|replica| replica.read);
        if let Some(read) = read.filter(|&read| read > 0) {
            self.acknowledge(index, read);
        }
    }

    fn acknowledge(&mut self, index: usize, acked: u64) {
        let Some(replica) = self.replicas.get_mut(index) else {
            return;
        };
        replica.acked = replica.acked.max(acked);
        let report = format!("ACK {acked} FACK {}", replica.fsynced);
        let words = report.split(' ').map(str::as_bytes);
        let client = replica.port.into();
        let heard = self.coordinator.fsyncs.replconf(client, words);
        assert_eq!(heard, Some(Offset::new(acked)));
        self.hear(client, acked);
    }

    fn hear(&mut self, client: u64, acked: u64) {
        let acked = Offset::new(acked);
        self.commands += 1;
        self.coordinator.acknowledgement_seen();
        if self
            .coordinator
            .acknowledgement_heard(client, acked, self.now)
        {
            let actions = self.coordinator.release_heard(self.now);
            self.carry_out(actions);
        }
    }

    fn pretend(&mut self, index: usize, ahead: bool) {
        let Some(replica) = self.replicas.get(index) else {
            return;
        };
        let client = 60_000 + u64::from(replica.port);
        let acked = if ahead {
            self.stream + 1000
        } else {
            self.stream
        };
        let words = format!("listening-port {} ACK {acked}", replica.port);
        let words = words.split(' ').map(str::as_bytes);
        self.coordinator.fsyncs.replconf(client, words);
        self.hear(client, acked);
    }

    fn join(&mut self, announces: bool) {
        if !self.is_primary || self.replicas.len() >= 4 {
            return;
        }
        self.joined += 1;
        let port = 1000 + u16::try_from(self.joined).expect("few replicas");
        self.replicas.push(Replica {
            port,
            announced: announces,
            read: self.stream,
            fsynced: self.stream,
            acked: 0,
        });
        if announces {
            let words = format!("listening-port {port}");
            let words = words.split(' ').map(str::as_bytes);
            self.coordinator.fsyncs.replconf(port.into(), words);
        }
        self.coordinator.replica_changed(true);
        self.newcomer = true;
    }

    fn change_role(&mut self, is_primary: bool) {
        self.is_primary = is_primary;
        for replica in std::mem::take(&mut self.replicas) {
            self.coordinator.fsyncs.client_left(replica.port.into());
        }
        self.woken |= self.coordinator.role_changed(is_primary);
        self.lose_all();
        // The next offsets belong to another stream.
        (self.stream, self.data) = (self.stream + 1000, self.stream + 1000);
        self.requests.clear();
        (self.newcomer, self.delayed) = (false, false);
    }
}
