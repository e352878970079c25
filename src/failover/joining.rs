//! Servers that are no members of the group of their primary: they may join it, and those that have
//! been exchanged for another node leave it. `replace` has the primary's part.

use std::path::Path;

use durable_failover::{
    Ballot, Body, Change, Decline, Definition, GroupId, Kept, NodeId, Position, ServerSettings,
    Shard,
};

use super::founding::{self, Founding};
use super::{bus, invitation, links, state, switch, view};
use crate::ffi::Ctx;

/// How often nodes beside the group are told of it, in milliseconds.
const TELL_EACH: u64 = 1000;
/// After this time without a word of a group, a linked replica takes it that there is none, in
/// milliseconds.
const GROUP_IS_GONE: u64 = 60_000;

/// A primary asks whether this server would take a place in its group.
pub fn proposed(ctx: &Ctx, from: NodeId, definition: &Definition) {
    let other = state::with(|state| state.shard.as_ref().map(|shard| shard.definition().id));
    let answer = match (invitation::agrees(ctx, from, definition), other) {
        (Err(why), _) => Body::Decline(why),
        (Ok(()), Some(other)) if other != definition.id => Body::Decline(Decline::Member(other)),
        (Ok(()), _) => Body::Willing,
    };
    bus::say(ctx, from, definition.id, answer);
}

/// This server is a member from now on: it is written to its disk first. What it has not got of the
/// group's data its primary finds out when it asks for a confirmation.
pub fn join(ctx: &Ctx, from: NodeId, change: &Change, term: Ballot) {
    if invitation::agrees(ctx, from, &change.definition).is_err() {
        return;
    }
    let kept = Kept::joining(term, change.membership());
    let path = switch::path(ctx);
    let begins = state::with(|state| {
        let me = state.node.and_then(|node| change.definition.place(node));
        let (Some(me), true) = (me.filter(|_| me == change.joining), state.shard.is_none()) else {
            return false;
        };
        let is_free = state.founding.is_none();
        if is_free {
            let definition = change.definition.clone();
            state.founding = Some(Founding::joining(definition, me, kept, path));
        }
        is_free
    });
    if begins {
        founding::write(ctx);
    }
}

/// Another node has the place of this server. It is in no group from now on, and so must not be
/// promoted by the cluster's own elections.
pub fn leave(ctx: &Ctx, change: &Change) {
    let path = switch::path(ctx);
    let now = view::now();
    state::with(|state| {
        state.shard = None;
        state.heard_of_group_at = now;
        state.disk = None;
        state.is_writing = false;
        state.is_beside = true;
    });
    remove(ctx, &path);
    links::count(ctx);
    ctx.log_warning(&format!(
        "failover: this server was exchanged for another node, and belongs to group {} no more. It \
         holds no elections of its own while durable.failover is on",
        change.definition.id
    ));
}

/// Removes the file of a group that this server is no member of.
pub fn remove(ctx: &Ctx, path: &Path) {
    if let Err(why) = std::fs::remove_file(path) {
        ctx.log_warning(&format!(
            "failover: {} cannot be removed: {why}",
            path.display()
        ));
    }
}

/// A member of a group says that its shard has one, and this server is no member. Promoted by the
/// cluster's own election it would lose what the group has acknowledged.
pub fn told_beside(ctx: &Ctx, from: NodeId, definition: &Definition) {
    let from_id = from.digits();
    let primary = ctx.primary_in_cluster();
    let of = ctx.cluster_node(&from_id).and_then(|node| node.primary);
    let shares_primary = primary.is_some() && (primary == of || primary == Some(from_id));
    let is_beside = state::with(|state| {
        let node = state.node.filter(|_| state.founding.is_none());
        node.is_some_and(|node| definition.place(node).is_none())
    });
    if !shares_primary || !is_beside {
        return;
    }
    let now = view::now();
    state::with(|state| state.heard_of_group_at = now);
    hold_no_elections(ctx, definition);
    if primary == Some(from_id) {
        let streams = view::streams(ctx, false);
        if let Some(end) = streams.asks_from.filter(|_| !streams.is_linked) {
            bus::say(ctx, from, definition.id, Body::Replaceable(end));
        }
    }
}

fn hold_no_elections(ctx: &Ctx, definition: &Definition) {
    if state::with(|state| std::mem::replace(&mut state.is_beside, true)) {
        return;
    }
    let before = switch::current(ctx);
    state::with(|state| {
        state.before.get_or_insert(before);
    });
    switch::set(ctx, ServerSettings::NEEDED);
    ctx.log_warning(&format!(
        "failover: this replica is no member of group {}, and its acknowledgements do not count. It \
         holds no elections of its own. DURABLE.FAILOVER REPLACE on the primary gives it the place of \
         a member",
        definition.id
    ));
}

/// A replica that is no member waits to be served. Its PSYNC may name a stream of its own, as after
/// it was a primary, and members in that case are served only with their consent.
pub fn replaceable(ctx: &Ctx, from: NodeId, group: GroupId, end: Position) {
    let known = ctx.cluster_node(&from.digits());
    if known.and_then(|node| node.primary) != ctx.own_node() {
        return;
    }
    state::with(|state| {
        let shard = state.shard.as_mut();
        if let Some(shard) = shard.filter(|shard| shard.definition().id == group) {
            shard.may_replace(from, end);
        }
    });
}

/// The server's cron ran: a replica of a primary that says nothing of a group is not beside one any
/// more. Without a link nothing is known: its primary and the other members may be dead.
pub fn look_for_group(ctx: &Ctx) {
    let now = view::now();
    let is_quiet = state::read(|state| {
        state.is_beside && now.saturating_sub(state.heard_of_group_at) >= GROUP_IS_GONE
    });
    let is_linked = || !view::is_primary(ctx) && view::streams(ctx, false).is_linked;
    if is_quiet != Some(true) || !is_linked() {
        return;
    }
    let before = state::with(|state| {
        state.is_beside = false;
        state.before.take()
    });
    if let Some(before) = before {
        switch::set(ctx, before);
    }
    links::count(ctx);
    ctx.log_notice(
        "failover: its primary belongs to no group: the server's settings are as before",
    );
}

/// Tells the list of members to a node.
pub fn tell_list(ctx: &Ctx, to: NodeId) {
    let list = state::with(|state| state.shard.as_ref().map(Shard::list));
    if let Some(list) = list {
        bus::say(ctx, to, list.definition.id, Body::Change(list));
    }
}

/// The server's cron ran: tells the replicas of the shard that are no members that there is a
/// group.
pub fn tell_beside(ctx: &Ctx) {
    let now = view::now();
    let is_due = state::with(|state| {
        let is_due = state.shard.is_some() && now >= state.told_beside_at;
        if is_due {
            state.told_beside_at = now.saturating_add(TELL_EACH);
        }
        is_due
    });
    if !is_due {
        return;
    }
    let own = if view::is_primary(ctx) {
        ctx.own_node()
    } else {
        ctx.primary_in_cluster()
    };
    let Some(primary) = own else { return };
    for node in links::replicas_of(ctx, primary) {
        let is_beside = state::with(|state| {
            let shard = state.shard.as_ref();
            shard.is_some_and(|shard| shard.definition().place(node).is_none())
        });
        if is_beside {
            tell_list(ctx, node);
        }
    }
}
