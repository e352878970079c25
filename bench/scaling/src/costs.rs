//! The measured costs that the simulation starts from, and the measurements that it is compared
//! with. All of it can be written to a file and read again.

use serde::{Deserialize, Serialize};

/// Everything that was measured, in one run on one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    pub machine: Machine,
    pub writes: WriteCosts,
    pub map: MapCosts,
    pub observed: Vec<Observed>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub server: String,
    pub processor: String,
    pub cores: usize,
}

/// How a write is made durable, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// SET. Nobody waits.
    Plain,
    /// SET and WAIT 1 in one packet.
    Wait,
    /// DURABLE.SET … REPLICAS 1.
    Durable,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Plain, Mode::Wait, Mode::Durable];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Plain => "SET",
            Mode::Wait => "SET + WAIT 1",
            Mode::Durable => "DURABLE.SET",
        }
    }
}

/// Processor time in microseconds, each of one step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriteCosts {
    pub plain: ModeCosts,
    pub wait: ModeCosts,
    pub durable: ModeCosts,
    /// What the server does for each client that waits in WAIT, in every turn.
    pub wait_scan_us: f64,
    /// What the module does for each client that waits in DURABLE.SET, in every turn.
    pub durable_scan_us: f64,
    /// The replica: for each write, and for each turn with a request.
    pub replica_write_us: f64,
    pub replica_turn_us: f64,
    /// The load generator of `durable-bench`: for each write, and for each turn.
    pub load_us: f64,
    pub load_turn_us: f64,
    /// From the end of one process's turn to the begin of the next one's, on loopback.
    pub hop_us: f64,
}

/// The costs of the primary for one way to write.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModeCosts {
    /// One write: reading, executing, replicating, and blocking if the client waits.
    pub write_us: f64,
    /// One release: unblocking and replying. 0 if nobody waits.
    pub release_us: f64,
    /// A single write of a single client, all of its turns together.
    pub alone_us: f64,
}

impl WriteCosts {
    pub fn of(&self, mode: Mode) -> &ModeCosts {
        match mode {
            Mode::Plain => &self.plain,
            Mode::Wait => &self.wait,
            Mode::Durable => &self.durable,
        }
    }

    /// What a turn of the event loop costs without any command.
    pub fn turn_us(&self) -> f64 {
        (self.plain.alone_us - self.plain.write_us).max(0.0)
    }

    /// A request and its answer. A SET with WAIT takes two turns: one until the request, one for
    /// the answer. Both scan its one wait.
    pub fn request_us(&self) -> f64 {
        let fixed = self.wait.alone_us - self.wait.write_us - self.wait.release_us;
        (fixed - 2.0 * (self.turn_us() + self.wait_scan_us)).max(0.0)
    }

    /// One look of the module at the replicas. A DURABLE.SET takes three turns, two of them with a
    /// look, and a request.
    pub fn look_us(&self) -> f64 {
        let fixed = self.durable.alone_us - self.durable.write_us - self.durable.release_us;
        let looks = fixed - 3.0 * self.turn_us() - self.request_us();
        (looks / 2.0 - self.durable_scan_us).max(0.0)
    }
}

/// What a call costs one server of a cluster of a thousand shards.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Call {
    pub cpu_us: f64,
    pub reply_bytes: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapCosts {
    pub cluster_slots: Call,
    pub moved: Call,
    pub hint_100: Call,
    pub map: Call,
    /// SLOTHINT.WATCH: waiting, and the answer after a change.
    pub watch: Call,
    /// One look at the topology.
    pub look_us: f64,
    /// How much longer a second of a watched server is busy than one of an unwatched server.
    pub watched_us_per_second: f64,
}

/// One measurement that the simulation is compared with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Observed {
    pub mode: Mode,
    pub clients: u32,
    /// The delay of the proxy, both ways together. 0 without a proxy.
    pub delay_ms: f64,
    /// The round trip through the proxy in excess of one without it, as measured.
    pub round_trip_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub cpu_us: f64,
}
