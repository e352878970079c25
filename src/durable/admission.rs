//! Checks a durable command before it executes anything. After a refusal nothing was executed.

use durable_core::coordinator::TooFewReplicas;
use durable_core::options::OptionError;
use durable_core::requirement::{Options, Requirement, RequirementError};
use durable_core::servers::Fact;

use super::state::{coordinator, coordinator_and_settings};
use super::{look, turn, users};
use crate::ffi::{Ctx, Situation};
use crate::{clock, facts, failover};

/// Why a command is not executed.
#[derive(Debug)]
pub enum Refusal {
    /// An option is wrong.
    Option(OptionError),
    /// The options contradict each other or the configuration.
    Requirement(RequirementError),
    /// This server is a replica.
    Replica,
    /// The command has to wait, and its client is inside MULTI or a script.
    CannotWait,
    /// Scripts run after their handler, and the client is inside MULTI or a script.
    ScriptCannotWait,
    /// This primary holds no term in its failover group.
    Closed,
    /// `durable.failover-strict`: fewer replicas than a failover needs to keep the write.
    NotStrict { required: u32, needed: u32 },
    /// The client is subscribed, and the server does not block subscribed clients. It would refuse
    /// only after the command was executed.
    Subscribed,
    /// Fewer replicas count than required.
    TooFewReplicas(TooFewReplicas),
    /// `durable.max-waiters` clients wait already.
    Overloaded { waiting: usize },
    /// `durable.max-waiters-per-user` clients of this user wait already.
    ShareUsedUp { waiting: usize },
}

impl From<OptionError> for Refusal {
    fn from(bad: OptionError) -> Self {
        Self::Option(bad)
    }
}

impl From<RequirementError> for Refusal {
    fn from(unresolvable: RequirementError) -> Self {
        Self::Requirement(unresolvable)
    }
}

impl Refusal {
    /// The error reply. `command` is the name of the durable command.
    pub fn text(&self, command: &str) -> String {
        match self {
            Self::Option(bad) => format!("ERR {bad}"),
            Self::Requirement(unresolvable) => format!("ERR {unresolvable}"),
            // Clients react to READONLY by looking for the new primary.
            Self::Replica => format!("READONLY {command} needs a primary, this is a replica"),
            Self::CannotWait => format!(
                "ERR {command} cannot wait inside MULTI or a script; nothing was executed, \
                 use DURABLE.WAIT after it"
            ),
            Self::ScriptCannotWait => format!(
                "ERR scripts cannot run inside {command} in MULTI or a script; nothing was \
                 executed, run the script, then DURABLE.WAIT"
            ),
            Self::Closed => "ERR CLOSED this primary holds no term (it restarted, or was promoted and \
                 is not confirmed yet); nothing was executed, see DURABLE.FAILOVER STATUS"
                .to_owned(),
            Self::NotStrict { required, needed } => format!(
                "ERR REPLICAS {required} is below durable.failover-replicas {needed}, so a failover \
                 may lose the write, which durable.failover-strict forbids; nothing was executed"
            ),
            Self::Subscribed => format!(
                "ERR {command} cannot wait on a connection that is subscribed to channels; \
                 nothing was executed, use another connection or unsubscribe"
            ),
            Self::TooFewReplicas(TooFewReplicas {
                connected,
                required,
                others,
            }) => {
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
        }
    }
}

/// Decides whether a command with these options may be executed. Returns its requirement, which no
/// later change of the settings affects.
///
/// # Errors
/// Why it may not be executed.
pub fn admit(ctx: &Ctx, options: Options) -> Result<Requirement, Refusal> {
    let situation = ctx.situation();
    // This check comes first: on a replica the settings do not matter. It refuses `REPLICAS 0` and
    // on writable replicas too, because a replica's own writes never enter the replication stream.
    if !situation.is_primary() {
        return Err(Refusal::Replica);
    }
    let client = ctx.client_id();
    // Most commands are admitted after this one access to the state.
    let (requirement, has_all) = coordinator_and_settings(|coordinator, settings| {
        let requirement = options.resolve(&settings.defaults)?;
        let required = requirement.need.replicas;
        let has_all = settings.max_waiters_per_user == 0
            && coordinator.admits_at_once(client, settings.max_waiters, required);
        Ok::<_, RequirementError>((requirement, has_all))
    })?;
    let required = requirement.need.replicas;
    failover::admits(required)?;
    if requirement.need.is_nothing() {
        return Ok(requirement);
    }
    if !has_all || situation.denies_waiting() || may_be_subscribed(situation) {
        can_wait(ctx, situation, client)?;
        has_room(ctx, client)?;
        enough_replicas(ctx, required)?;
    }
    Ok(requirement)
}

/// Whether the client may be subscribed, on a server that does not block such clients.
///
/// Only RESP3 clients are looked at: in RESP2 a subscribed client cannot send this command. Another
/// module's call usually speaks RESP2, and so is not looked at. It may have the id of a connected
/// client, and `client_info` can make Valkey 9 follow a null pointer for it.
fn may_be_subscribed(situation: Situation) -> bool {
    facts::has(Fact::RefusesToBlockSubscribers) && situation.is_resp3()
}

/// Decides whether a command that runs a script may wait for its turn. That it has enough replicas
/// is checked when the script runs.
///
/// # Errors
/// Why it may not wait.
pub fn admit_script(ctx: &Ctx, options: Options) -> Result<Requirement, Refusal> {
    let situation = ctx.situation();
    if !situation.is_primary() {
        return Err(Refusal::Replica);
    }
    let requirement = resolve(options)?;
    failover::admits(requirement.need.replicas)?;
    let client = ctx.client_id();
    can_wait(ctx, situation, client).map_err(|refusal| match refusal {
        Refusal::CannotWait => Refusal::ScriptCannotWait,
        other => other,
    })?;
    has_room(ctx, client)?;
    Ok(requirement)
}

/// Whether one more client may wait, and one more of this user.
fn has_room(ctx: &Ctx, client: u64) -> Result<(), Refusal> {
    coordinator_and_settings(|coordinator, settings| coordinator.check_room(settings.max_waiters))
        .map_err(|waiting| Refusal::Overloaded { waiting })?;
    users::admit(ctx, client).map_err(|waiting| Refusal::ShareUsedUp { waiting })
}

/// Whether the server can block this client.
fn can_wait(ctx: &Ctx, situation: Situation, client: u64) -> Result<(), Refusal> {
    if situation.denies_waiting() {
        return Err(Refusal::CannotWait);
    }
    // A client that waits sends no second command. But the server gives the temporary client of
    // another module's call the id of a client that was blocked before, and that one may wait.
    if coordinator(|coordinator| coordinator.is_waiting(client)) {
        return Err(Refusal::CannotWait);
    }
    if may_be_subscribed(situation) && ctx.is_connected(client) {
        let info = ctx.client_info();
        if info.is_some_and(|client| client.is_subscribed()) {
            return Err(Refusal::Subscribed);
        }
    }
    Ok(())
}

/// Whether enough replicas count. Takes a new look before it refuses a command: see
/// `Coordinator::knows_enough_replicas`.
///
/// # Errors
/// Too few count.
pub fn enough_replicas(ctx: &Ctx, required: u32) -> Result<(), Refusal> {
    if coordinator(|coordinator| coordinator.knows_enough_replicas(required)) {
        return Ok(());
    }
    turn::used(ctx);
    // The error reply also shows the number of links that do not count.
    look::look_to_show(ctx);
    let now = clock::now();
    coordinator(|coordinator| coordinator.check_replicas(required, now))
        .map_err(Refusal::TooFewReplicas)
}

/// The configured requirement. `None` if the settings contradict each other.
pub fn configured() -> Option<Requirement> {
    resolve(Options::default()).ok()
}

fn resolve(options: Options) -> Result<Requirement, RequirementError> {
    coordinator_and_settings(|_, settings| options.resolve(&settings.defaults))
}
