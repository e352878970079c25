//! What is checked before a durable command executes anything. Each refusal here means that
//! nothing was executed, and says so.

use durable_core::options::BadOption;
use durable_core::requirement::{Defaults, Options, Requirement, Unresolvable};
use durable_core::servers::Fact;
use durable_core::stats::bump;

use super::{look, shares};
use crate::ffi::Ctx;
use crate::state::{self, State};

/// Why a command is not executed.
#[derive(Debug)]
pub enum Refusal {
    /// An option is wrong.
    Option(BadOption),
    /// The options contradict each other or the configuration.
    Requirement(Unresolvable),
    /// This server is a replica.
    Replica,
    /// The client is inside MULTI or a script and the command has to wait.
    CannotWait,
    /// Valkey lets no module block a subscribed client, and says so only when it is asked to, which is
    /// after the execution.
    Subscribed,
    /// So many replicas are connected and so many are required; `others` are links that do not
    /// count.
    TooFewReplicas {
        connected: u32,
        required: u32,
        others: usize,
    },
    /// As many clients as are allowed wait already.
    Overloaded { waiting: usize },
    /// As many clients of this user as it has a share of wait already.
    ShareUsedUp { waiting: usize },
    /// The module has no state: it is a bug.
    Unloaded,
}

impl From<BadOption> for Refusal {
    fn from(bad: BadOption) -> Self {
        Self::Option(bad)
    }
}

impl From<Unresolvable> for Refusal {
    fn from(unresolvable: Unresolvable) -> Self {
        Self::Requirement(unresolvable)
    }
}

impl Refusal {
    /// The error reply; `command` is the durable command's name.
    pub fn text(&self, command: &str) -> String {
        match self {
            Self::Option(bad) => format!("ERR {bad}"),
            Self::Requirement(unresolvable) => format!("ERR {unresolvable}"),
            // By this code clients look for the new primary after a failover.
            Self::Replica => format!("READONLY {command} needs a primary, this is a replica"),
            Self::CannotWait => format!(
                "ERR {command} cannot wait inside MULTI or a script; nothing was executed, \
                 use DURABLE.WAIT after it"
            ),
            Self::Subscribed => format!(
                "ERR {command} cannot wait on a connection that is subscribed to channels; \
                 nothing was executed, use another connection or unsubscribe"
            ),
            Self::TooFewReplicas {
                connected,
                required,
                others,
            } => {
                let others = match others {
                    0 => String::new(),
                    _ => format!(", {others} more links do not count (see DURABLE.REPLICAS)"),
                };
                format!(
                    "NOREPLICAS {connected} of {required} required replicas are connected{others}; \
                     nothing was executed"
                )
            }
            Self::Overloaded { waiting } => {
                format!("OVERLOADED {waiting} clients are already waiting; nothing was executed")
            }
            Self::ShareUsedUp { waiting } => format!(
                "OVERLOADED {waiting} clients of this user are already waiting; nothing was executed"
            ),
            Self::Unloaded => "ERR redis-durable is not loaded; nothing was executed".into(),
        }
    }
}

/// Decides whether a command with these options may be executed, and fixes what it then requires.
pub fn admit(ctx: &Ctx, options: Options) -> Result<Requirement, Refusal> {
    let situation = ctx.situation();
    // A writable replica executes writes, and they never enter the stream. Its settings do not
    // matter either.
    if !situation.is_primary() {
        return Err(Refusal::Replica);
    }
    let requirement =
        state::with(|state| options.resolve(&defaults(state))).ok_or(Refusal::Unloaded)??;
    if requirement.need.is_nothing() {
        return Ok(requirement);
    }
    if situation.denies_waiting() {
        return Err(Refusal::CannotWait);
    }
    // The server gives the temporary client of another module's call the id of some client that was
    // blocked before. Under an id that waits already nothing else can wait.
    let client = ctx.client_id();
    if state::with(|state| state.ledger.get(client).is_some()) == Some(true) {
        return Err(Refusal::CannotWait);
    }
    // Only RESP3 lets a subscribed client send commands at all.
    let is_refused = state::with(|state| state.facts.has(Fact::RefusesToBlockSubscribers));
    if is_refused == Some(true) && situation.is_resp3() && ctx.is_connected(client) {
        let info = ctx.client_info();
        if info.is_some_and(|client| client.is_subscribed()) {
            return Err(Refusal::Subscribed);
        }
    }
    let full = state::with(|state| {
        let waiting = state.ledger.len();
        let full = waiting >= state.config.max_waiters;
        if full {
            bump(&mut state.stats.counters.overloaded);
        }
        full.then_some(waiting)
    });
    if let Some(waiting) = full.ok_or(Refusal::Unloaded)? {
        return Err(Refusal::Overloaded { waiting });
    }
    shares::admit(ctx, client)?;
    enough_replicas(ctx, requirement.need.replicas)?;
    Ok(requirement)
}

/// The replicas at the last look are still the connected ones unless one has come or gone, which
/// the server tells. What it does not tell is that one has begun to count, so that nobody is
/// refused without a new look.
fn enough_replicas(ctx: &Ctx, required: u32) -> Result<(), Refusal> {
    let known = state::with(|state| {
        let known = state.replicas_current && connected(state) >= required;
        // Links that were still synchronizing leave without an event, and a refusal counts them.
        if !known && state.replicas.has_syncing() {
            state.replicas.owe_listing();
        }
        known
    });
    if known == Some(true) {
        return Ok(());
    }
    look::look(ctx);
    state::with(|state| {
        let connected = connected(state);
        if connected >= required {
            return Ok(());
        }
        bump(&mut state.stats.counters.noreplicas);
        state.alarms.rouse();
        let counted = usize::try_from(connected).unwrap_or(usize::MAX);
        Err(Refusal::TooFewReplicas {
            connected,
            required,
            others: state.replicas.links().saturating_sub(counted),
        })
    })
    .ok_or(Refusal::Unloaded)?
}

/// How many replicas the configured requirement asks for, and whether a write with it could be
/// admitted as far as replicas are concerned. 0 and no where the configuration contradicts itself.
pub fn outlook(state: &State, primary: bool) -> (u32, bool) {
    match Options::default().resolve(&defaults(state)) {
        Ok(Requirement { need, .. }) => {
            let met = need.is_nothing() || connected(state) >= need.replicas;
            (need.replicas, primary && met)
        }
        Err(_) => (0, false),
    }
}

/// Those that count, and those that did until a moment ago: a link that flaps behind a NAT voids
/// what others have proved, and must not get commands refused.
fn connected(state: &State) -> u32 {
    state.replicas.admissible(state.now())
}

/// The configuration as it is now.
pub fn defaults(state: &State) -> Defaults {
    Defaults {
        replicas: state.config.replicas,
        expected: state.config.expected_replicas,
        fsync: state.config.fsync,
        timeout_ms: state.config.timeout_ms,
        fsync_known: state.facts.has(Fact::TellsFsyncs),
    }
}
