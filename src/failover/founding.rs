//! Forms a group: `DURABLE.FAILOVER START` on a primary.
//!
//! The primary invites its replicas. Each writes the group to its disk, with a promise to follow the
//! primary in the first term, and accepts. When all have, the primary writes it too, and holds the
//! first term. Only then the caller gets OK. If it fails, a replica that has accepted stays in a
//! group without a primary: it accepts the next invitation of the same primary.

use std::path::PathBuf;

use durable_failover::{
    Act, Body, Decline, Definition, GroupId, Kept, Member, MemberId, NodeId, Record, Shard,
};

use super::disk::{Disk, Outcome};
use super::{acts, bus, conditions, invitation, state, switch, view};
use crate::event_loop;
use crate::ffi::{Blocked, Ctx, HandleId, Waiting};

/// How long START and REPLACE try, in milliseconds. Members have to write to their disks meanwhile.
pub(super) const PATIENCE: u64 = 10_000;
/// The time between two invitations, in milliseconds. Valkey 8.1 closes a new link between nodes
/// whose first message is a module's: invited in each cron, a node that has just restarted hears
/// nothing.
pub(super) const BETWEEN_INVITATIONS: u64 = 1000;

/// A group that is being formed.
#[derive(Debug)]
pub struct Founding {
    definition: Definition,
    me: MemberId,
    /// This primary forms it. Otherwise this server was asked to be a member.
    is_founder: bool,
    /// What a member of it begins with.
    kept: Kept,
    path: PathBuf,
    /// Who asked for it. `None` for a server that was asked to be a member.
    caller: Option<(u64, Blocked)>,
    /// The members that have accepted.
    accepted: Vec<NodeId>,
    deadline: u64,
    /// When to invite again.
    invite_at: u64,
    /// The record that is being written.
    sequence: Option<u64>,
}

/// The end of START for a client that is unblocked or leaves.
struct Start;

impl Waiting for Start {
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        ctx.reply_error(c"UNBLOCKED the group may still be formed, see DURABLE.FAILOVER STATUS");
        left(handle);
    }

    fn disconnected(_: &Ctx, handle: HandleId) {
        left(handle);
    }
}

fn left(handle: HandleId) {
    let caller = state::with(|state| {
        let founding = state.founding.as_mut()?;
        let is_meant = |(_, blocked): &(u64, Blocked)| blocked.id() == handle;
        founding
            .caller
            .as_ref()
            .is_some_and(is_meant)
            .then(|| founding.caller.take())?
    });
    if let Some((_, blocked)) = caller {
        blocked.unblock();
    }
}

/// `DURABLE.FAILOVER START`
pub fn start(ctx: &Ctx) {
    // CONFIG SET may have come a moment ago.
    switch::apply(ctx);
    let definition = match conditions::definition(ctx) {
        Ok(definition) => definition,
        Err(why) => return ctx.reply_error_text(&format!("ERR {why}; nothing was changed")),
    };
    if ctx.situation().denies_waiting() {
        return ctx
            .reply_error(c"ERR START cannot wait inside MULTI or a script; nothing was changed");
    }
    let primaries = ctx.cluster_nodes();
    let primaries = primaries.iter().filter_map(|id| ctx.cluster_node(id));
    if primaries.filter(|node| node.is_primary).count() < 3 {
        ctx.log_warning(
            "failover: the cluster has fewer than three primaries, so a dead one can never be \
             replaced: CLUSTER FAILOVER FORCE needs the votes of a majority of them, the dead one \
             counted",
        );
    }
    let path = switch::path(ctx);
    let client = ctx.client_id();
    let Some(blocked) = ctx.block::<Start>() else {
        return ctx.reply_error(c"ERR the server could not block the client; nothing was changed");
    };
    let founding = Founding {
        definition,
        me: MemberId(0),
        is_founder: true,
        kept: founding_promise(),
        path,
        caller: Some((client, blocked)),
        accepted: Vec::new(),
        deadline: view::now().saturating_add(PATIENCE),
        invite_at: 0,
        sequence: None,
    };
    state::with(|state| state.founding = Some(founding));
    invite_all(ctx);
}

/// The server's cron ran: invites again, or gives up.
pub fn cron(ctx: &Ctx) {
    let now = view::now();
    let due = state::with(|state| {
        let founding = state.founding.as_ref()?;
        let invites = founding.sequence.is_none() && founding.is_founder;
        invites.then_some((now >= founding.deadline, now >= founding.invite_at))
    });
    match due {
        Some((true, _)) => {}
        Some((false, true)) => return invite_all(ctx),
        _ => return,
    }
    let missing = state::with(|state| {
        let founding = state.founding.as_ref();
        let missing = founding.map(Founding::missing).unwrap_or_default();
        let missing: Vec<String> = missing.iter().map(NodeId::to_string).collect();
        missing.join(", ")
    });
    give_up(
        ctx,
        &format!(
            "no answer from {missing}: is the module loaded there, in this version, with durable.failover yes? Members \
             that have agreed keep the settings of a group: START again, or durable.failover no there"
        ),
    );
}

impl Founding {
    /// What a server keeps of a group that it joins.
    pub(super) fn joining(
        definition: Definition,
        me: MemberId,
        kept: Kept,
        path: PathBuf,
    ) -> Founding {
        Founding {
            definition,
            me,
            is_founder: false,
            kept,
            path,
            caller: None,
            accepted: Vec::new(),
            deadline: 0,
            invite_at: 0,
            sequence: None,
        }
    }

    /// The group's id.
    pub(super) fn group(&self) -> GroupId {
        self.definition.id
    }

    /// The members that have not accepted yet.
    fn missing(&self) -> Vec<NodeId> {
        let replicas = self.definition.members.iter().skip(1).copied();
        replicas
            .filter(|node| !self.accepted.contains(node))
            .collect()
    }
}

fn invite_all(ctx: &Ctx) {
    let now = view::now();
    let invitations = state::with(|state| {
        let founding = state.founding.as_mut()?;
        founding.invite_at = now.saturating_add(BETWEEN_INVITATIONS);
        Some((founding.missing(), founding.definition.clone()))
    });
    let Some((missing, definition)) = invitations else {
        return;
    };
    for node in missing {
        bus::say(ctx, node, definition.id, Body::Invite(definition.clone()));
    }
}

/// Ends it without a group, and tells those who have accepted.
pub fn give_up(ctx: &Ctx, why: &str) {
    let Some(founding) = state::with(|state| state.founding.take()) else {
        return;
    };
    if founding.is_founder {
        for &node in founding.definition.members.iter().skip(1) {
            bus::say(ctx, node, founding.definition.id, Body::Withdraw);
        }
    }
    if let Some((_, blocked)) = founding.caller {
        let error = format!("ERR no group was formed: {why}");
        blocked.hold(|ctx| ctx.reply_error_text(&error));
        blocked.unblock();
    }
    ctx.log_warning(&format!("failover: no group was formed: {why}"));
}

/// What the members of a new group begin with: they follow its founder in the first term.
pub(super) fn founding_promise() -> Kept {
    Kept::promised(Member::founding_ballot(MemberId(0)))
}

/// A replica has accepted.
pub fn accepted(ctx: &Ctx, from: NodeId, group: GroupId) {
    let is_complete = state::with(|state| {
        let Some(founding) = &mut state.founding else {
            return false;
        };
        let is_mine = founding.definition.id == group && founding.is_founder;
        if !is_mine || founding.sequence.is_some() || founding.accepted.contains(&from) {
            return false;
        }
        founding.accepted.push(from);
        founding.missing().is_empty()
    });
    if is_complete {
        write(ctx);
    }
}

/// A replica has not.
pub fn declined(ctx: &Ctx, from: NodeId, group: GroupId, why: Decline) {
    let is_mine = state::with(|state| {
        let founding = state.founding.as_ref();
        founding.is_some_and(|one| one.definition.id == group && one.is_founder)
    });
    if !is_mine {
        return;
    }
    give_up(
        ctx,
        &format!("{from} declines: {}", invitation::reason(why)),
    );
}

/// Writes the group to disk.
pub(super) fn write(ctx: &Ctx) {
    let before = switch::current(ctx);
    let began = state::with(|state| {
        let (Some(founding), Some(node)) = (&mut state.founding, state.node) else {
            return false;
        };
        state.sequence = state.sequence.saturating_add(1);
        founding.sequence = Some(state.sequence);
        if state.disk.is_none() {
            state.disk = Disk::new(founding.path.clone());
        }
        // A group that never began has changed the settings already.
        state.before.get_or_insert(before);
        state.disk.as_ref().is_some_and(|disk| {
            disk.write(Record {
                sequence: state.sequence,
                node,
                definition: founding.definition.clone(),
                kept: founding.kept,
                before: state.before.unwrap_or(before),
            })
        })
    });
    if began {
        event_loop::hear(ctx);
    } else {
        give_up(ctx, "the file cannot be written");
    }
}

/// Some writing is over. Returns false if it is not that of a group that is being formed.
pub fn written(ctx: &Ctx, outcome: &Outcome) -> bool {
    let founding = state::with(|state| {
        let is_it = |one: &mut Founding| one.sequence == Some(outcome.sequence);
        state.founding.take_if(is_it)
    });
    let Some(founding) = founding else {
        return false;
    };
    if let Err(why) = &outcome.result {
        ctx.log_warning(&format!("failover: {}: {why}", founding.path.display()));
        if !founding.is_founder {
            let primary = founding.definition.members.first().copied();
            if let Some(primary) = primary {
                let declined = Body::Decline(Decline::NoFile);
                bus::say(ctx, primary, founding.definition.id, declined);
            }
            return true;
        }
        state::with(|state| state.founding = Some(founding));
        give_up(ctx, &format!("the file cannot be written: {why}"));
        return true;
    }
    begin(ctx, founding, outcome);
    true
}

fn begin(ctx: &Ctx, founding: Founding, outcome: &Outcome) {
    let Founding {
        definition,
        me,
        is_founder,
        path,
        caller,
        ..
    } = founding;
    let id = definition.id;
    let primary = definition.members.first().copied();
    let shard = if is_founder {
        Shard::founded(definition, me, view::start(ctx))
    } else {
        Shard::new(definition, me, outcome.kept, view::start(ctx))
    };
    let before = state::with(|state| state.before);
    if let (Some(shard), Some(before)) = (shard, before) {
        switch::begin(ctx, &path, shard, outcome.sequence, before);
    }
    let text = format!("is a member of group {id} now");
    acts::carry_out(ctx, vec![Act::Log(text)]);
    if is_founder {
        if let Some((_, blocked)) = caller {
            blocked.hold(|ctx| ctx.reply_simple(c"OK"));
            blocked.unblock();
        }
        // A new stream has no length yet, and a replica that has lost its link at its beginning
        // seems to have lost its place.
        ctx.request_acknowledgements(0);
        acts::tick(ctx);
    } else if let Some(primary) = primary {
        bus::say(ctx, primary, id, Body::Accept);
    }
}
