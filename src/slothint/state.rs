//! The state of slot hints. Only `slothint/` uses it.
//!
//! **The closure given to [`with`] must not call into the server.** The server may call back into
//! the module, which would borrow the state a second time and panic.

use durable_core::servers::Fact;
use durable_core::slot_map::{
    AddressFamily, Connection, Connections, KeyHint, MapCache, MissingPort, Moment, Trackers,
    Watchers,
};
use lazy_static::lazy_static;

use super::pairs::Pairs;
use crate::ffi::main_thread::MainThread;
use crate::ffi::{Blocked, TimerId};
use crate::{clock, config, event_loop, facts, resets};

/// Everything that slot hints keep between callbacks.
pub struct SlotHints {
    /// The map for each kind of connection.
    pub cache: MapCache,
    /// Clients that wait for a change of the map.
    pub watchers: Watchers<Blocked>,
    /// The number of the event loop's turn.
    pub turn: u64,
    /// [`event_loop::begun`] when turns were last counted.
    pub hearing_begun: u64,
    /// The kinds of connection whose map has changed since watchers were last released.
    pub changed: Vec<Connection>,
    /// The map has changed, and the clients that track it have not been sent a message yet.
    pub signal_due: bool,
    /// Whether there are clients that track the map.
    pub trackers: Trackers,
    /// The armed timer, and when it fires, in milliseconds.
    pub timer: Option<(TimerId, u64)>,
    /// The kind of each connection, on servers where the module has to remember it: see
    /// `connection.rs`.
    pub connections: Option<Connections>,
    /// Parts of replies to SLOTHINT.
    pub pairs: Pairs,
    /// What the module's own call of SLOTHINT, which is under way, has to write.
    pub pairs_to_write: Option<Vec<KeyHint>>,
    requests: u64,
    keys: u64,
    /// The count of resets of statistics when `requests` and `keys` were last reset.
    resets: u64,
}

lazy_static! {
    static ref STATE: MainThread<SlotHints> = MainThread::new();
}

/// Starts without a map.
pub fn load() {
    let missing_port = if facts::has(Fact::TellsMissingPortAsZero) {
        MissingPort::Zero
    } else {
        MissingPort::OtherKind
    };
    STATE.set(SlotHints {
        cache: MapCache::new(missing_port),
        watchers: Watchers::new(),
        turn: 0,
        hearing_begun: event_loop::begun(),
        changed: Vec::new(),
        signal_due: false,
        trackers: Trackers::at_load(now_ms()),
        timer: None,
        connections: None,
        pairs: Pairs::default(),
        pairs_to_write: None,
        requests: 0,
        keys: 0,
        resets: resets::count(),
    });
}

/// Frees the memory.
pub fn unload() {
    STATE.clear();
}

/// Works with the state. First applies a reset of statistics since the last access.
pub fn with<R>(work: impl FnOnce(&mut SlotHints) -> R) -> R {
    STATE.with(|hints| {
        let resets = resets::count();
        if hints.resets != resets {
            hints.reset_figures();
            hints.resets = resets;
        }
        work(hints)
    })
}

/// The time in milliseconds, on the clock that slot hints use.
pub fn now_ms() -> u64 {
    clock::now().to_millis().get()
}

/// For how long a look at the topology is valid, in milliseconds. With 0 it is valid for one turn.
pub fn max_age_ms() -> u64 {
    config::read(|config| config.slothint_max_age_ms)
}

/// What `INFO durable` shows of slot hints.
pub struct Figures {
    /// Commands that requested hints or the map.
    pub requests: u64,
    /// Keys for which hints were requested.
    pub keys: u64,
    /// Looks at the topology.
    pub refreshes: u64,
    /// The token of the last map for plain connections; 0 if there is none.
    pub token: u64,
}

impl SlotHints {
    /// The present time, on the clock and in turns of the event loop.
    pub fn moment(&self) -> Moment {
        Moment {
            ms: now_ms(),
            turn: self.turn,
        }
    }

    /// Whether the last look is still valid for connections of that family.
    pub fn is_current(&self, family: AddressFamily) -> bool {
        self.cache.is_current(family, self.moment(), max_age_ms())
    }

    /// For INFO.
    pub fn figures(&self) -> Figures {
        let map = self.cache.last_map(Connection::default());
        Figures {
            requests: self.requests,
            keys: self.keys,
            refreshes: self.cache.looks_taken(),
            token: map.map_or(0, |map| map.token().unsigned_abs()),
        }
    }

    /// Counts a command that requests hints for `keys` keys, or the map.
    pub fn count_request(&mut self, keys: usize) {
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        self.requests = self.requests.saturating_add(1);
        self.keys = self.keys.saturating_add(keys);
    }

    fn reset_figures(&mut self) {
        (self.requests, self.keys) = (0, 0);
        self.cache.reset_looks_taken();
    }
}
