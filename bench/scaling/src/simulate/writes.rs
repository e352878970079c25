//! Clients that write in a closed loop: each sends its next write when it has the reply.
//!
//! In production the clients have processors of their own. Then a reply becomes the next write
//! after a round trip. For the comparison with measurements, the load generator is a process too,
//! and shares the cores with both servers.

use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use hdrhistogram::Histogram;

use super::engine::{nanoseconds, Engine, Message, Process, Step, Time};
use super::primary::Primary;
use super::replica::Replica;
use crate::costs::{Mode, WriteCosts};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub mode: Mode,
    pub clients: u32,
    /// The round trip to the replica.
    pub replica_us: f64,
    /// The round trip to the clients, if they have processors of their own.
    pub client_us: f64,
    /// The load generator and both servers share this many cores, on loopback.
    pub shared_cores: Option<usize>,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Time of the primary for each write.
    pub cpu_us: f64,
    /// The busy part of the primary's time.
    pub load: f64,
    /// Writes that share a request, on average. 0 if nobody waits.
    pub per_request: f64,
}

/// The measured time: long enough for this many round trips to the replica, and at least a second.
const ROUND_TRIPS: f64 = 20.0;
const SECOND_US: f64 = 1e6;
/// Of a latency.
const LONGEST_NS: u64 = 600_000_000_000;
/// Before it, this part is left out.
const WARM_UP: f64 = 0.5;
/// Round trips of clients differ by up to this part, so that they do not march in step.
const JITTER: f64 = 0.1;

struct Run<'a> {
    costs: &'a WriteCosts,
    setup: &'a Setup,
    engine: Engine,
    primary: Primary<'a>,
    replica: Replica,
    random: Rng,
    /// What the current turn of each process sends at its end.
    replies: Vec<u32>,
    stream: Option<Message>,
    ack: Option<Message>,
    /// When each client sent its write.
    sent: Vec<Time>,
    /// The measured time.
    window: std::ops::Range<Time>,
    latency: Histogram<u64>,
    busy_us: f64,
    writes: u64,
    requests: u64,
}

/// Plays the protocol. The same setup and costs give the same figures.
pub fn simulate(costs: &WriteCosts, setup: &Setup) -> Result<Figures> {
    ensure!(setup.clients > 0, "there are no clients");
    let measured = (ROUND_TRIPS * setup.replica_us).max(SECOND_US);
    let begin = nanoseconds(measured * WARM_UP);
    let mut run = Run {
        costs,
        setup,
        engine: Engine::new(setup.shared_cores),
        primary: Primary::new(costs, setup.mode),
        replica: Replica::default(),
        random: Rng::with_seed(setup.seed),
        replies: Vec::new(),
        stream: None,
        ack: None,
        sent: vec![0; setup.clients as usize],
        window: begin..begin + nanoseconds(measured),
        latency: Histogram::new_with_bounds(1, LONGEST_NS, 3).context("a histogram")?,
        busy_us: 0.0,
        writes: 0,
        requests: 0,
    };
    // The clients begin within the first tenth.
    let spread = begin / 10;
    for client in 0..setup.clients {
        let delay = run.random.u64(0..=spread);
        run.sent[client as usize] = delay;
        run.engine
            .send(Process::Primary, Message::Write { client }, delay);
    }
    while let Some(step) = run.engine.step() {
        if run.engine.now() >= run.window.end {
            break;
        }
        match step {
            Step::Turn(process, messages) => run.turn(process, &messages),
            Step::Ended(process) => run.ended(process),
        }
    }
    run.figures(measured)
}

impl Run<'_> {
    fn turn(&mut self, process: Process, messages: &[Message]) {
        let busy_us = match process {
            Process::Primary => {
                let turn = self.primary.turn(messages);
                if turn.again {
                    self.engine.wake(process);
                }
                if self.window.contains(&self.engine.now()) {
                    self.busy_us += turn.busy_us;
                    let is_write = |message: &&Message| matches!(message, Message::Write { .. });
                    self.writes += messages.iter().filter(is_write).count() as u64;
                    let asks = matches!(turn.stream, Some(Message::Stream { request: true, .. }));
                    self.requests += u64::from(asks);
                }
                self.replies = turn.replies;
                self.stream = turn.stream;
                turn.busy_us
            }
            Process::Replica => {
                let (busy_us, ack) = self.replica.turn(self.costs, messages);
                self.ack = ack;
                busy_us
            }
            Process::Load => self.load(messages),
        };
        self.engine.works(process, nanoseconds(busy_us));
    }

    fn ended(&mut self, process: Process) {
        let hop = nanoseconds(self.costs.hop_us);
        let to_replica = nanoseconds(self.setup.replica_us / 2.0) + hop;
        match process {
            Process::Primary => {
                if let Some(stream) = self.stream.take() {
                    self.engine.send(Process::Replica, stream, to_replica);
                }
                for client in std::mem::take(&mut self.replies) {
                    self.reply(client, hop);
                }
            }
            Process::Replica => {
                if let Some(ack) = self.ack.take() {
                    self.engine.send(Process::Primary, ack, to_replica);
                }
            }
            // Its writes have left during the turn.
            Process::Load => {}
        }
        self.engine.rest(process);
    }

    /// The load generator sends each client's next write as soon as it has read the reply.
    fn load(&mut self, messages: &[Message]) -> f64 {
        let hop = nanoseconds(self.costs.hop_us);
        let mut busy_us = self.costs.load_turn_us;
        for message in messages {
            if let Message::Reply { client } = *message {
                busy_us += self.costs.load_us;
                let after = nanoseconds(busy_us);
                self.received(client, after);
                let write = Message::Write { client };
                self.engine.send(Process::Primary, write, after + hop);
            }
        }
        busy_us
    }

    /// The primary replies. A client with a processor of its own sends its next write at once.
    fn reply(&mut self, client: u32, hop: Time) {
        if self.setup.shared_cores.is_some() {
            self.engine
                .send(Process::Load, Message::Reply { client }, hop);
            return;
        }
        let factor = 1.0 + JITTER * (2.0 * self.random.f64() - 1.0);
        let one_way = nanoseconds(self.setup.client_us * factor / 2.0) + hop;
        self.received(client, one_way);
        self.engine
            .send(Process::Primary, Message::Write { client }, 2 * one_way);
    }

    /// The client has its reply `after` now, and sends its next write.
    fn received(&mut self, client: u32, after: Time) {
        let at = self.engine.now() + after;
        let sent = std::mem::replace(&mut self.sent[client as usize], at);
        if self.window.contains(&at) {
            self.latency.saturating_record((at - sent).max(1));
        }
    }

    fn figures(self, measured_us: f64) -> Result<Figures> {
        ensure!(!self.latency.is_empty(), "no write was completed");
        let quantile = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(Figures {
            per_second: self.latency.len() as f64 * 1e6 / measured_us,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            cpu_us: self.busy_us / self.writes.max(1) as f64,
            load: self.busy_us / measured_us,
            per_request: match self.requests {
                0 => 0.0,
                requests => self.writes as f64 / requests as f64,
            },
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::costs::ModeCosts;

    /// Round numbers, of the size of real ones.
    pub fn costs() -> WriteCosts {
        let mode = |write_us, release_us, alone_us| ModeCosts {
            write_us,
            release_us,
            alone_us,
        };
        WriteCosts {
            plain: mode(8.0, 0.0, 12.0),
            wait: mode(11.0, 2.0, 30.0),
            durable: mode(13.0, 6.0, 60.0),
            wait_scan_us: 0.02,
            durable_scan_us: 0.0,
            replica_write_us: 3.0,
            replica_turn_us: 15.0,
            load_us: 6.0,
            load_turn_us: 5.0,
            hop_us: 5.0,
        }
    }

    fn setup(mode: Mode, clients: u32, replica_us: f64) -> Setup {
        Setup {
            mode,
            clients,
            replica_us,
            client_us: 100.0,
            shared_cores: None,
            seed: 1,
        }
    }

    #[test]
    fn a_durable_write_takes_the_round_trip_and_a_plain_one_does_not() -> Result<()> {
        let costs = costs();
        let p50 = |mode| anyhow::Ok(simulate(&costs, &setup(mode, 1, 50_000.0))?.p50_us);
        for mode in [Mode::Wait, Mode::Durable] {
            let took = p50(mode)?;
            assert!((50_100.0..50_400.0).contains(&took), "{mode:?}: {took}");
        }
        let plain = p50(Mode::Plain)?;
        assert!(plain < 200.0, "{plain}");
        Ok(())
    }

    #[test]
    fn clients_share_requests_when_there_are_many() -> Result<()> {
        let costs = costs();
        let few = simulate(&costs, &setup(Mode::Durable, 1, 1000.0))?;
        let many = simulate(&costs, &setup(Mode::Durable, 10_000, 1000.0))?;
        assert!((few.per_request - 1.0).abs() < 0.01);
        assert!(many.per_request > 10.0);
        assert!(many.cpu_us < few.cpu_us);
        Ok(())
    }

    #[test]
    fn an_idle_primary_serves_every_client_once_in_a_round_trip() -> Result<()> {
        let figures = simulate(&costs(), &setup(Mode::Durable, 100, 50_000.0))?;
        let expected = 100.0 * 1e6 / figures.p50_us;
        assert!((figures.per_second / expected - 1.0).abs() < 0.02);
        Ok(())
    }

    #[test]
    fn the_same_seed_gives_the_same_figures() -> Result<()> {
        let run = || simulate(&costs(), &setup(Mode::Durable, 50, 1000.0));
        assert_eq!(format!("{:?}", run()?), format!("{:?}", run()?));
        Ok(())
    }
}
