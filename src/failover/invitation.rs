//! A replica's part in forming a group: it is invited, and accepts or declines. `founding` has the
//! primary's part.

use durable_failover::{Body, Decline, Definition, GroupId, NodeId, Shard, Version};

use super::founding::{self, Founding};
use super::{bus, joining, state, switch};
use crate::config;
use crate::ffi::Ctx;

/// A primary asks this server to be a member of its group.
pub fn invited(ctx: &Ctx, from: NodeId, definition: Definition) {
    let id = definition.id;
    let answer = match considered(ctx, from, &definition) {
        Ok(true) => Some(Body::Accept),
        Ok(false) => {
            accept(ctx, definition);
            None
        }
        Err(why) => Some(Body::Decline(why)),
    };
    if let Some(body) = answer {
        bus::say(ctx, from, id, body);
    }
}

/// Whether this server accepts an invitation: `true` if it has already.
fn considered(ctx: &Ctx, from: NodeId, definition: &Definition) -> Result<bool, Decline> {
    let is_first = definition.version == Version::FIRST;
    if definition.members.first() != Some(&from) || !is_first {
        return Err(Decline::FollowsAnother);
    }
    agrees(ctx, from, definition)?;
    state::with(|state| {
        let Some(shard) = &state.shard else {
            return Ok(false);
        };
        if shard.definition().id == definition.id {
            return Ok(true);
        }
        // A group that never began: the same primary invites again.
        if never_began(shard, from) {
            Ok(false)
        } else {
            Err(Decline::Member(shard.definition().id))
        }
    })
}

/// Whether this server replicates the sender and its settings are those of the group.
///
/// # Errors
/// Why not.
pub(super) fn agrees(ctx: &Ctx, from: NodeId, definition: &Definition) -> Result<(), Decline> {
    let (replicas, acknowledgements) =
        config::read(|config| (config.expected_replicas, config.failover_replicas));
    let primary = ctx.primary_in_cluster().and_then(|id| NodeId::parse(&id));
    let (node, has_problem) = state::with(|state| (state.node, state.problem.is_some()));
    let node = node.ok_or(Decline::Off)?;
    if has_problem {
        return Err(Decline::NoFile);
    }
    if primary != Some(from) {
        return Err(Decline::FollowsAnother);
    }
    let expected = definition.members.len().saturating_sub(1);
    let agrees = usize::try_from(replicas) == Ok(expected)
        && acknowledgements == definition.acknowledgements
        && definition.group().is_some()
        && definition.place(node).is_some();
    if agrees {
        Ok(())
    } else {
        Err(Decline::Differs {
            replicas,
            acknowledgements,
        })
    }
}

fn accept(ctx: &Ctx, definition: Definition) {
    let path = switch::path(ctx);
    let is_new = state::with(|state| {
        let known = state.founding.as_ref().map(Founding::group);
        let me = state.node.and_then(|node| definition.place(node));
        let (Some(me), false) = (me, known == Some(definition.id)) else {
            return false;
        };
        state.founding = Some(Founding::joining(
            definition,
            me,
            founding::founding_promise(),
            path,
        ));
        true
    });
    if is_new {
        founding::write(ctx);
    }
}

/// The primary has given a group up that this server has accepted.
pub fn withdrawn(ctx: &Ctx, from: NodeId, group: GroupId) {
    let never_began = state::with(|state| {
        state.founding = None;
        let shard = state.shard.as_ref()?;
        let is_it = shard.definition().id == group;
        (is_it && never_began(shard, from)).then(|| state.before.take())
    });
    let Some(before) = never_began else { return };
    state::with(|state| {
        state.shard = None;
        state.disk = None;
        state.confirmed = None;
    });
    let path = switch::path(ctx);
    joining::remove(ctx, &path);
    if let Some(before) = before {
        switch::set(ctx, before);
    }
    crate::durable::state::restrict_to(None);
    ctx.log_notice("failover: its primary has formed no group: this server is no member");
}

/// A group of this founder that has never had a term as far as this member knows.
fn never_began(shard: &Shard, founder: NodeId) -> bool {
    let member = shard.member();
    member.kept() == founding::founding_promise()
        && !member.is_voter()
        && shard.definition().members.first() == Some(&founder)
}

/// Why a server does not want to be a member, for an operator.
pub(super) fn reason(why: Decline) -> String {
    match why {
        Decline::Off => "durable.failover is off there".to_owned(),
        Decline::Differs {
            replicas,
            acknowledgements,
        } => format!(
            "there durable.expected-replicas is {replicas} and durable.failover-replicas is \
             {acknowledgements}"
        ),
        Decline::Member(other) => format!("it belongs to group {other}"),
        Decline::FollowsAnother => "it does not replicate this primary".to_owned(),
        Decline::NoFile => "its file cannot be read or written".to_owned(),
    }
}
