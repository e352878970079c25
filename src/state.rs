//! The module's whole state. It lives on the server's main thread; see [`with`] for the one rule.

use std::collections::HashSet;
use std::ffi::c_int;
use std::time::Instant;

use durable_core::ack_request::AckRequests;
use durable_core::alarms::Alarms;
use durable_core::fsyncs::Fsyncs;
use durable_core::ledger::{Ledger, Loss, WaitId};
use durable_core::replicas::Replicas;
use durable_core::resets::Resets;
use durable_core::servers::{Fact, Facts};
use durable_core::stats::Stats;
use lazy_static::lazy_static;

use crate::config::Config;
use crate::durable::alarms;
use crate::durable::call::KnownCommands;
use crate::durable::call_keys::CallKeys;
use crate::durable::wait_queue::Waiter;
use crate::ffi::main_thread::MainThread;
use crate::ffi::TimerId;
use crate::slothint::SlotHints;

/// Everything that outlives a callback.
pub struct State {
    /// What holds on the running server and not on all.
    pub facts: Facts,
    /// Cluster mode is on.
    pub is_cluster: bool,
    /// When the server's cron runs next, in microseconds.
    pub next_cron: u64,
    /// The settings as they are now.
    pub config: Config,
    /// What operators look at.
    pub stats: Stats,
    /// Whether the server's own counters were reset.
    pub resets: Resets,
    /// Who waits for what.
    pub ledger: Ledger<Waiter>,
    /// The replicas at the last look.
    pub replicas: Replicas,
    /// What the replicas report to have fsynced.
    pub fsyncs: Fsyncs,
    /// False once a replica has come or gone since the last look.
    pub replicas_current: bool,
    /// What the log is told of them.
    pub alarms: Alarms,
    /// Which acknowledgements were asked for.
    pub requests: AckRequests,
    /// The database of the last durable command.
    pub last_db: c_int,
    /// Clients that are unblocked and not yet served, where that is a dangerous state to be in.
    pub unserved: HashSet<WaitId>,
    /// Why the wait that is ended just now is lost.
    pub ending: Option<Loss>,
    /// Where the event loop is.
    pub turn: Turn,
    /// What releases waits within the turn that brought their acknowledgement.
    pub turn_timer: Option<TimerId>,
    /// What wakes the server for the earliest deadline, and when, in microseconds.
    pub deadline_timer: Option<(TimerId, u64)>,
    /// What DURABLE.CALL has found out about the server's commands.
    pub commands: KnownCommands,
    /// The name of a command that was not found there, and had keys.
    pub to_be_learnt: Option<Vec<u8>>,
    /// How the server learns of its keys.
    pub call_keys: CallKeys,
    /// The server's `latency-monitor-threshold`, where it is known.
    pub latency_threshold_ms: Option<u64>,
    /// What slot hints keep.
    pub slothint: SlotHints,
    epoch: Instant,
}

/// Where the event loop is between two of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Clients are being served; the turn's end is still to come.
    Running,
    /// The turn's end has been told. On 7.0 clients can still be served in the rest of it.
    Ended,
}

lazy_static! {
    static ref STATE: MainThread<State> = MainThread::new();
}

impl State {
    fn new(config: Config, facts: Facts) -> Self {
        Self {
            facts,
            slothint: SlotHints::new(facts),
            is_cluster: false,
            next_cron: 0,
            config,
            stats: Stats::default(),
            resets: Resets::default(),
            ledger: Ledger::default(),
            replicas: Replicas::default(),
            fsyncs: Fsyncs::default(),
            replicas_current: false,
            alarms: alarms::of_new_primary(),
            requests: AckRequests::default(),
            last_db: 0,
            unserved: HashSet::new(),
            ending: None,
            turn: Turn::Running,
            turn_timer: None,
            deadline_timer: None,
            commands: KnownCommands::new(),
            to_be_learnt: None,
            call_keys: CallKeys::Asked,
            latency_threshold_ms: None,
            epoch: Instant::now(),
        }
    }

    /// Microseconds since the module was loaded, on a clock that only goes forward.
    pub fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A setting has changed: other links may count, and another requirement may be met.
    pub fn config_changed(&mut self) {
        self.replicas.set_allow(self.config.replica_allow.clone());
        self.replicas_current = false;
        self.alarms.rouse();
    }

    /// Remembers clients that are unblocked and not yet served: 7.2 aborts when CLIENT UNBLOCK hits one.
    pub fn note_unserved(&mut self, clients: impl Iterator<Item = WaitId>) {
        if self.facts.has(Fact::UnblockAbortsOnUnserved) {
            self.unserved.extend(clients);
        }
    }

    /// From 7.2 on the server serves unblocked clients before it tells that a turn ends, so that
    /// they are unblocked from a timer, which comes before both.
    pub fn releases_in_timer(&self) -> bool {
        self.facts.has(Fact::ServesUnblockedBeforeTurnEnd)
    }
}

/// Begins with nothing but the configuration.
pub fn load(config: Config, facts: Facts) {
    let mut state = State::new(config, facts);
    state.config_changed();
    // A module that is loaded into a running server finds replicas that were never asked.
    state.requests.greet_newcomer();
    STATE.set(state);
}

/// Gives everything back.
pub fn unload() {
    STATE.clear();
}

/// Works with the state. **`work` must not call into the server**: the server may call back into
/// the module, which then finds no state. `None` before the load and after the unload.
pub fn with<R>(work: impl FnOnce(&mut State) -> R) -> Option<R> {
    STATE.with(work)
}
