//! What has to be true before `DURABLE.FAILOVER START` invites anybody.

use durable_failover::{Definition, GroupId, Version, MAX_MEMBERS};

use super::{links, state, view};
use crate::config;
use crate::durable::admission::configured;
use crate::ffi::Ctx;

/// The group that START would form.
///
/// # Errors
/// What is missing.
pub fn definition(ctx: &Ctx) -> Result<Definition, String> {
    let (node, is_member, is_busy, problem) = state::with(|state| {
        (
            state.node,
            state.shard.is_some(),
            state.founding.is_some(),
            state.problem.clone(),
        )
    });
    let Some(node) = node.filter(|_| super::is_on()) else {
        return Err("durable.failover is off".into());
    };
    if let Some(problem) = problem {
        return Err(format!("the file of this member cannot be read: {problem}"));
    }
    if is_member {
        return Err("this server belongs to a group already, see DURABLE.FAILOVER STATUS".into());
    }
    if is_busy {
        return Err("a group is being formed".into());
    }
    if !view::is_primary(ctx) {
        return Err("START needs a primary, this is a replica".into());
    }
    let (expected, acknowledgements) =
        config::read(|config| (config.expected_replicas, config.failover_replicas));
    let own = ctx.own_node();
    let mut replicas = own
        .map(|own| links::replicas_of(ctx, own))
        .unwrap_or_default();
    replicas.sort_unstable();
    let known = replicas.len();
    if u32::try_from(known) != Ok(expected) || known == 0 {
        return Err(format!(
            "the cluster knows {known} replicas of this primary, durable.expected-replicas is \
             {expected}"
        ));
    }
    if ctx.setting(c"dir").is_none() {
        return Err("the module needs the server's command CONFIG, which was renamed".into());
    }
    let required = configured().map_or(0, |requirement| requirement.need.replicas);
    if required < u32::from(acknowledgements) {
        return Err(format!(
            "durable.replicas requires {required}, fewer than durable.failover-replicas \
             {acknowledgements}: a failover could lose what a durable command without options writes"
        ));
    }
    if let Some(missing) = links::not_linked(ctx, &replicas) {
        return Err(missing);
    }
    let definition = Definition {
        id: GroupId::parse(&ctx.random_hex::<32>()).unwrap_or_default(),
        version: Version::FIRST,
        acknowledgements,
        members: std::iter::once(node).chain(replicas).collect(),
    };
    if definition.group().is_none() {
        return Err(format!(
            "durable.failover-replicas {acknowledgements} needs that many of {known} replicas, and a \
             group has {MAX_MEMBERS} members at most"
        ));
    }
    Ok(definition)
}
