//! Slot hints: which node to ask for a key, before asking. `SLOTHINT`, `SLOTHINT.MAP`, `SLOTHINT.WATCH`.
//!
//! The rules are in `durable_core`: what a look at the topology means, and what each kind of connection is told of
//! it. Here are the [look] itself, the three commands, and the [rhythm] that serves those who
//! wait for a change. Nothing is done on this server while nobody asks, waits or tracks.

pub mod command;
pub mod connection;
pub mod look;
pub mod map;
mod reply;
pub mod rhythm;
pub mod watch;

use durable_core::servers::{Fact, Facts};
use durable_core::slot_map::{
    Connection, Connections, Family, MapCache, MissingPort, Moment, Trackers, Watchers,
};

use crate::ffi::{Blocked, ClientInfo, TimerId};
use crate::state::State;

/// What slot hints keep between callbacks.
pub struct SlotHints {
    pub cache: MapCache,
    watchers: Watchers<Blocked>,
    /// The event loop's turns so far.
    turn: u64,
    /// Whose map has changed since the last release of watchers.
    changed: Vec<Connection>,
    /// Clients that track the map by its key have yet to be told of a change.
    signal_due: bool,
    trackers: Trackers,
    /// What wakes the server for the next look or deadline, and when, in milliseconds.
    timer: Option<(TimerId, u64)>,
    /// What kind each connection is, where the server cannot be asked for one of them.
    connections: Option<Connections>,
    requests: u64,
    keys: u64,
}

/// What `INFO durable` shows of slot hints.
pub struct Figures {
    /// Commands that asked for hints or for the map.
    pub requests: u64,
    /// Keys that were asked for.
    pub keys: u64,
    /// Looks at the topology.
    pub refreshes: u64,
    /// The token that plain connections were last told; 0 if none was.
    pub token: u64,
}

impl SlotHints {
    /// Nothing known yet, on a server with these facts.
    pub fn new(facts: Facts) -> Self {
        let missing_port = if facts.has(Fact::TellsMissingPortAsZero) {
            MissingPort::Zero
        } else {
            MissingPort::OtherKind
        };
        Self {
            cache: MapCache::new(missing_port),
            watchers: Watchers::new(),
            turn: 0,
            changed: Vec::new(),
            signal_due: false,
            trackers: Trackers::default(),
            timer: None,
            connections: None,
            requests: 0,
            keys: 0,
        }
    }

    /// For INFO. Takes no look.
    pub fn figures(&self) -> Figures {
        let map = self.cache.known(Connection::default());
        Figures {
            requests: self.requests,
            keys: self.keys,
            refreshes: self.cache.looked(),
            token: map.map_or(0, |map| map.token().unsigned_abs()),
        }
    }

    /// Counts from 0 again.
    pub fn reset_figures(&mut self) {
        (self.requests, self.keys) = (0, 0);
        self.cache.forget_looked();
    }

    /// A client connected.
    pub fn connected(&mut self, client: &ClientInfo) {
        if let Some(connections) = &mut self.connections {
            connections.connected(client.id(), connection::of_info(client));
        }
    }

    /// A client left.
    pub fn left(&mut self, client: u64) {
        if let Some(connections) = &mut self.connections {
            connections.left(client);
        }
        self.trackers.left(client);
    }

    fn count(&mut self, keys: usize) {
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        self.requests = self.requests.saturating_add(1);
        self.keys = self.keys.saturating_add(keys);
    }
}

/// This moment, on the clock and in turns of the event loop.
fn moment(state: &State) -> Moment {
    Moment {
        ms: state.now() / 1000,
        turn: state.slothint.turn,
    }
}

/// Whether connections of that family can be answered without another look.
fn is_current(state: &State, family: Family) -> bool {
    let max_age_ms = state.config.slothint_max_age_ms;
    let now = moment(state);
    state.slothint.cache.is_current(family, now, max_age_ms)
}
