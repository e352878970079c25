//! The state of durable commands: the coordinator and its armed timers. `durable/` uses it, and
//! INFO reads it.
//!
//! **The argument `work` of these functions must not call into the server.** The server may call
//! back into the module, and the state would be borrowed twice.

use durable_core::coordinator::{Coordinator, ReleasePoint, Setup};
use durable_core::replicas::ReplicaAllow;
use durable_core::requirement::Defaults;
use durable_core::servers::Fact;
use durable_core::units::Micros;
use lazy_static::lazy_static;

use super::waiter::Waiter;
use crate::ffi::main_thread::MainThread;
use crate::ffi::TimerId;
use crate::{config, facts, resets};

/// The ids of the coordinator's two timers in the server, while they are armed.
#[derive(Debug, Default)]
pub struct ArmedTimers {
    pub turn: Option<TimerId>,
    pub deadline: Option<TimerId>,
}

/// How often settings changed, and how often statistics were reset.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counts {
    config_changes: u64,
    resets: u64,
}

/// The settings that decide about each command.
#[derive(Clone, Copy, Debug)]
pub struct CommandSettings {
    pub defaults: Defaults,
    pub max_waiters: usize,
    pub max_waiters_per_user: usize,
}

impl CommandSettings {
    fn read() -> Self {
        config::read(|config| Self {
            defaults: Defaults {
                replicas: config.replicas,
                expected: config.expected_replicas,
                fsync: config.fsync,
                timeout_ms: config.timeout_ms,
                fsyncs_are_known: facts::has(Fact::TellsFsyncs),
            },
            max_waiters: config.max_waiters,
            max_waiters_per_user: config.max_waiters_per_user,
        })
    }
}

struct State {
    coordinator: Coordinator<Waiter>,
    /// A copy, because each command reads them and the coordinator together.
    settings: CommandSettings,
    timers: ArmedTimers,
    /// The server's `latency-monitor-threshold`. `None` until it is looked up.
    latency_threshold_ms: Option<u64>,
    /// Waits were released by the command filter in this turn: the longest of them.
    released_in_filter: Option<Micros>,
    /// The only addresses that may count: see `failover/links.rs`.
    confirmed: Option<Vec<(Vec<u8>, u16)>>,
    /// The changes of settings and the resets that the coordinator has applied.
    followed: Counts,
}

lazy_static! {
    static ref STATE: MainThread<State> = MainThread::new();
}

/// Starts without waits.
pub fn load(is_cluster: bool) {
    let hears_acknowledgements =
        facts::has(Fact::ServesUnblockedBeforeTurnEnd) && facts::has(Fact::TellsFsyncs);
    let setup = Setup {
        release_point: if facts::has(Fact::ServesUnblockedBeforeTurnEnd) {
            ReleasePoint::Timer
        } else {
            ReleasePoint::TurnEnd
        },
        is_cluster,
        hears_acknowledgements,
        releases_when_heard: hears_acknowledgements && !facts::has(Fact::UnblockAbortsOnUnserved),
        wakes_after_last_timer: facts::has(Fact::WakesAfterLastTimer),
    };
    STATE.set(State {
        coordinator: Coordinator::new(setup),
        settings: CommandSettings::read(),
        timers: ArmedTimers::default(),
        latency_threshold_ms: None,
        released_in_filter: None,
        confirmed: None,
        followed: Counts {
            // No real count is that high, so the first access applies the settings.
            config_changes: u64::MAX,
            resets: resets::count(),
        },
    });
}

/// Frees the memory.
pub fn unload() {
    STATE.clear();
}

/// Works with the coordinator. First applies changes of settings and resets of statistics since the
/// last access.
pub fn coordinator<R>(work: impl FnOnce(&mut Coordinator<Waiter>) -> R) -> R {
    coordinator_and_settings(|coordinator, _| work(coordinator))
}

/// As [`coordinator`], and reads the settings of commands.
pub fn coordinator_and_settings<R>(
    work: impl FnOnce(&mut Coordinator<Waiter>, &CommandSettings) -> R,
) -> R {
    STATE.with(|state| {
        let current = Counts {
            config_changes: config::changes(),
            resets: resets::count(),
        };
        if state.followed != current {
            state.follow(current);
        }
        work(&mut state.coordinator, &state.settings)
    })
}

/// Only links with these addresses may count from now on; `None` for all. The next look applies it,
/// and until then no acknowledgement is believed.
pub fn restrict_to(confirmed: Option<Vec<(Vec<u8>, u16)>>) {
    STATE.with(|state| {
        state.confirmed = confirmed;
        let allow = state.allow();
        state.coordinator.settings_changed(allow);
    });
}

/// Works with the armed timers.
pub fn timers<R>(work: impl FnOnce(&mut ArmedTimers) -> R) -> R {
    STATE.with(|state| work(&mut state.timers))
}

/// Works with the known latency threshold.
pub fn latency_threshold_ms<R>(work: impl FnOnce(&mut Option<u64>) -> R) -> R {
    STATE.with(|state| work(&mut state.latency_threshold_ms))
}

/// The command filter has released waits.
pub fn note_released_in_filter(longest: Micros) {
    STATE.with(|state| {
        let before = state.released_in_filter.unwrap_or_default();
        state.released_in_filter = Some(before.max(longest));
    });
}

/// The longest of the waits that the command filter has released since the last call.
pub fn take_released_in_filter() -> Option<Micros> {
    STATE.with(|state| state.released_in_filter.take())
}

impl State {
    /// The setting, within the failover group's restriction.
    fn allow(&self) -> ReplicaAllow {
        let allow = config::read(|config| config.replica_allow.clone());
        allow.restricted_to(self.confirmed.clone())
    }

    #[cold]
    fn follow(&mut self, current: Counts) {
        if self.followed.config_changes != current.config_changes {
            self.settings = CommandSettings::read();
            self.coordinator.settings_changed(self.allow());
        }
        if self.followed.resets != current.resets {
            self.coordinator.reset_statistics();
        }
        self.followed = current;
    }
}
