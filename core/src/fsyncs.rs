//! The offsets that replicas report as fsynced, and which replica sent each report.
//!
//! No command shows a replica's fsynced offset. It is sent in `REPLCONF ACK n FACK m`, which any
//! client can send. A report belongs to the replica at a host and port if the server lists its
//! client as a replica (flag `S` of `CLIENT LIST`):
//! - the port is the `listening-port` that the client announced by REPLCONF;
//! - the host is the `ip-address` that it announced, or else the one that it connects from.
//!
//! Example: client 7 sends `REPLCONF listening-port 6380`, then `REPLCONF ACK 100 FACK 90`. Once
//! the server lists client 7 as a replica from 10.0.0.1, the replica 10.0.0.1:6380 has fsynced 90.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use crate::resp::number;
use crate::units::{ClientId, Offset};

/// What one client has announced and reported. It is kept until the client leaves, so there are at
/// most as many of these as clients. Any client can send such words, even before it authenticates.
#[derive(Debug, Default)]
struct Reporter {
    /// `listening-port`
    port: Option<u16>,
    /// `ip-address`
    announced: Option<Vec<u8>>,
    /// It has acknowledged or reported something.
    reports: bool,
    /// The last message with a fsynced offset.
    report: Option<Report>,
    identity: Identity,
}

/// The last message of a replica that reported a fsynced offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The offset that the same message acknowledged; 0 if it acknowledged none.
    pub acked: Offset,
    /// The offset that is on disk.
    pub fsynced: Offset,
}

/// What the server's client list shows of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Identity {
    /// The client was not looked up yet.
    #[default]
    Unknown,
    /// It is not a replica. It is not looked up again before a replica comes or goes.
    NoReplica,
    /// It is a replica that connects from this host.
    ReplicaFrom(Vec<u8>),
}

/// All clients that announced or reported something.
#[derive(Debug, Default)]
pub struct FsyncReports {
    /// Hashed by a cheap function: the server chooses the ids.
    clients: FxHashMap<ClientId, Reporter>,
    /// The clients that the server lists as replicas. A look reads only these.
    replicas: Vec<ClientId>,
    /// Some client with a report was not looked up yet.
    lookup_due: bool,
    /// Some client has reported a fsynced offset. Replicas without an append-only file never do.
    has_reports: bool,
}

/// Who has sent an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// The only replica that shows this host and port.
    Replica {
        /// Its host.
        host: &'a [u8],
        /// Its port.
        port: u16,
    },
    /// It was looked up, and is no replica. The server ignores what it acknowledges.
    NoReplica,
    /// It was not looked up yet, or another replica shows the same address.
    Unknown,
}

/// An announced address is cut after this many bytes.
const LONGEST_ADDRESS: usize = 255;

impl FsyncReports {
    /// Takes the words of a `REPLCONF` command after its name. Returns the offset that it
    /// acknowledges.
    pub fn replconf<'a>(
        &mut self,
        client: u64,
        words: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Offset> {
        let client = ClientId::new(client);
        let mut words = words;
        let (mut acked, mut fsynced) = (None, None);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if name.eq_ignore_ascii_case(b"listening-port") {
                if let Ok(port) = number(value) {
                    self.clients.entry(client).or_default().port = Some(port);
                }
            } else if name.eq_ignore_ascii_case(b"ip-address") {
                let address = value.iter().copied().take(LONGEST_ADDRESS).collect();
                self.clients.entry(client).or_default().announced = Some(address);
            } else if name.eq_ignore_ascii_case(b"ack") {
                acked = number(value).ok();
            } else if name.eq_ignore_ascii_case(b"fack") {
                fsynced = Some(number(value).ok());
            }
        }
        let acked = acked.map(Offset::new);
        if acked.is_none() && fsynced.is_none() {
            return None;
        }
        // A client that has announced nothing is not kept: without a port it matches no replica.
        if let Some(reporter) = self.clients.get_mut(&client) {
            if let Some(fsynced) = fsynced {
                self.has_reports = true;
                reporter.report = fsynced.map(|fsynced| Report {
                    acked: acked.unwrap_or_default(),
                    fsynced: Offset::new(fsynced),
                });
            }
            reporter.reports = true;
            self.lookup_due |= reporter.identity == Identity::Unknown;
        }
        acked
    }

    /// Which replica a client is.
    pub fn sender(&self, client: u64) -> Sender<'_> {
        let Some(reporter) = self.clients.get(&ClientId::new(client)) else {
            return Sender::Unknown;
        };
        match (&reporter.identity, reporter.port) {
            (Identity::NoReplica, _) => Sender::NoReplica,
            (Identity::ReplicaFrom(from), Some(port)) => {
                let host = reporter.announced.as_ref().unwrap_or(from);
                match self.of(host, port).nth(1) {
                    None => Sender::Replica { host, port },
                    Some(_) => Sender::Unknown,
                }
            }
            _ => Sender::Unknown,
        }
    }

    /// A client left. The server does not give its id to another client.
    pub fn client_left(&mut self, client: u64) {
        let client = ClientId::new(client);
        if self.clients.remove(&client).is_some() {
            self.replicas.retain(|&replica| replica != client);
        }
    }

    /// The clients to look up in the server's client list. There are none until a client that was
    /// not looked up yet acknowledges something. Then all that were not looked up yet are returned,
    /// because a client without a report may be another link of the same replica.
    pub fn clients_to_look_up(&mut self) -> Vec<u64> {
        if !std::mem::take(&mut self.lookup_due) {
            return Vec::new();
        }
        let clients = self.clients.iter();
        let unknown = clients.filter(|(_, reporter)| reporter.identity == Identity::Unknown);
        unknown.map(|(client, _)| client.get()).collect()
    }

    /// A replica came or went: all clients have to be looked up again.
    pub fn replicas_changed(&mut self) {
        self.replicas.clear();
        for reporter in self.clients.values_mut() {
            reporter.identity = Identity::Unknown;
            self.lookup_due |= reporter.reports;
        }
    }

    /// Takes the result of a look-up of [`clients_to_look_up`](Self::clients_to_look_up). `listed`
    /// has the clients of `asked` that the server still has: for a replica the host that it
    /// connects from, for others `None`. The other clients of `asked` are forgotten.
    pub fn looked_up(&mut self, asked: &[u64], listed: &HashMap<u64, Option<Vec<u8>>>) {
        for client in asked {
            let id = ClientId::new(*client);
            match (listed.get(client), self.clients.get_mut(&id)) {
                (Some(Some(host)), Some(reporter)) => {
                    reporter.identity = Identity::ReplicaFrom(host.clone());
                    self.replicas.push(id);
                }
                (Some(None), Some(reporter)) => reporter.identity = Identity::NoReplica,
                _ => self.client_left(*client),
            }
        }
    }

    /// True if no replica can have reported a fsynced offset.
    pub fn is_empty(&self) -> bool {
        !self.has_reports || self.replicas.is_empty()
    }

    /// One item for each replica with this host and port: its report, or `None` if it has not
    /// reported yet.
    pub fn of<'a>(
        &'a self,
        host: &'a [u8],
        port: u16,
    ) -> impl Iterator<Item = Option<Report>> + 'a {
        let replicas = self.replicas.iter();
        let reporters = replicas.filter_map(|replica| self.clients.get(replica));
        let matching = reporters.filter(move |reporter| {
            let Identity::ReplicaFrom(from) = &reporter.identity else {
                return false;
            };
            reporter.port == Some(port) && reporter.announced.as_ref().unwrap_or(from) == host
        });
        matching.map(|reporter| reporter.report)
    }
}

#[cfg(test)]
mod tests;
