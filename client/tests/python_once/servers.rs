//! A primary and its replica, each behind a proxy for the other, and the faults that befall them.

use testkit::{eventually, Cut, Server};

use super::clients::{Clients, Reports};

/// As many timeouts as there are clients: most clients have one, and some send a second time.
const TIMEOUTS: u64 = 20;
/// A fault that delays no reply ends after this many more.
const REPLIES: u64 = 200;

/// Two servers. Each may be the primary of the other.
pub struct Pair {
    servers: [Server; 2],
    /// The way of a replica to each server.
    ways: [Cut; 2],
    primary: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The replica answers nothing for a while.
    ReplicaFrozen,
    /// Nothing passes between the two for a while. Then the connection is closed.
    LinkCut,
    /// The primary answers nothing for a while. Then it executes what has arrived in the meantime.
    PrimaryFrozen,
    /// The primary is killed, and its replica promoted. Later the former primary starts again and
    /// becomes the replica.
    Failover,
}

impl Fault {
    pub const ALL: [Fault; 4] = [
        Fault::ReplicaFrozen,
        Fault::LinkCut,
        Fault::PrimaryFrozen,
        Fault::Failover,
    ];
}

impl Pair {
    pub fn start() -> Pair {
        let servers = ["one", "two"].map(|name| {
            let settings = [
                ("appendonly", "yes"),
                ("appendfsync", "always"),
                ("durable.replicas", "1"),
                // Longer than the test: at its end the records are counted.
                ("durable.once-ttl-ms", "86400000"),
            ];
            let builder = Server::builder().name(name);
            settings
                .into_iter()
                .fold(builder, |builder, (name, value)| {
                    builder.config(name, value)
                })
                .start()
        });
        let ways = [Cut::to(&servers[0]), Cut::to(&servers[1])];
        let pair = Pair {
            servers,
            ways,
            primary: 0,
        };
        pair.join();
        pair
    }

    pub fn ports(&self) -> [u16; 2] {
        [self.servers[0].port(), self.servers[1].port()]
    }

    pub fn primary(&self) -> &Server {
        &self.servers[self.primary]
    }

    pub fn replica(&self) -> &Server {
        &self.servers[1 - self.primary]
    }

    /// Injects a fault, and repairs it after clients have felt it. When it returns, the replica is
    /// in step.
    pub fn inject(&mut self, fault: Fault, clients: &Clients) {
        let feel = || clients.wait_for_effect(TIMEOUTS, REPLIES);
        match fault {
            Fault::ReplicaFrozen => {
                self.replica().pause();
                feel();
                self.replica().resume();
            }
            Fault::LinkCut => {
                let way = &self.ways[self.primary];
                way.freeze();
                way.sever();
                feel();
                way.release();
                way.thaw();
            }
            Fault::PrimaryFrozen => {
                self.primary().pause();
                feel();
                self.primary().resume();
            }
            // The replica is connected here, since no other fault is present. So it has every
            // write that was acknowledged, and the promotion loses none.
            Fault::Failover => {
                self.primary().kill();
                self.replica().promote();
                self.primary = 1 - self.primary;
                self.replica().restart();
                self.join();
            }
        }
        self.wait_until_in_step();
    }

    /// Stops the clients while the replica is frozen: some of them never get a reply.
    pub fn stop_while_frozen(&self, clients: Clients) -> Reports {
        self.replica().pause();
        clients.wait_for_effect(TIMEOUTS, REPLIES);
        let reports = clients.stop();
        self.replica().resume();
        reports
    }

    /// The value of the counter, and the number of keys.
    pub fn contents(server: &Server) -> (u64, u64) {
        (server.run(&["GET", "counter"]), server.run(&["DBSIZE"]))
    }

    /// Makes the other server the replica of the primary.
    fn join(&self) {
        let port = self.ways[self.primary].port().to_string();
        self.replica().run::<()>(&["REPLICAOF", "127.0.0.1", &port]);
        self.wait_until_in_step();
    }

    /// Waits until the replica has acknowledged everything that was executed so far.
    pub fn wait_until_in_step(&self) {
        let primary = self.primary();
        primary.run::<()>(&["PUBLISH", "in", "step?"]);
        let offset = primary.offset();
        eventually("the replica to be in step", || {
            let links = primary.replica_links();
            links.len() == 1 && links[0].acked_offset >= offset
        });
    }
}
