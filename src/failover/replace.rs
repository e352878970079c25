//! `DURABLE.FAILOVER REPLACE old new`: a member is exchanged for another node.
//!
//! The primary asks the new node whether it would join. If so, it changes the list of members, and
//! from then on the exchange goes on by itself: the rules are in `core/failover/src/membership.rs`.
//! The caller gets OK once the new node is a member. `joining` has the new node's part.

use durable_failover::{Body, Decline, Definition, Exchange as Possible, GroupId, NodeId, Shard};

use super::founding::{BETWEEN_INVITATIONS, PATIENCE};
use super::{acts, bus, invitation, links, state, switch, view};
use crate::ffi::{Args, Blocked, Ctx, HandleId, Waiting};

/// An exchange for which somebody waits.
#[derive(Debug)]
pub struct Exchange {
    old: NodeId,
    new: NodeId,
    caller: Blocked,
    /// The list that was proposed to the new node. `None` once it is the list of this member.
    proposed: Option<Definition>,
    deadline: u64,
    /// When to ask the new node again.
    ask_at: u64,
}

/// The end of REPLACE for a client that is unblocked or leaves.
struct Replace;

impl Waiting for Replace {
    fn timed_out(ctx: &Ctx, handle: HandleId) {
        ctx.reply_error(c"UNBLOCKED the exchange may go on, see DURABLE.FAILOVER STATUS");
        left(handle);
    }

    fn disconnected(_: &Ctx, handle: HandleId) {
        left(handle);
    }
}

fn left(handle: HandleId) {
    let exchange = state::with(|state| {
        let is_meant = |one: &mut Exchange| one.caller.id() == handle;
        state.exchange.take_if(is_meant)
    });
    if let Some(exchange) = exchange {
        exchange.caller.unblock();
    }
}

/// `DURABLE.FAILOVER REPLACE old new`
pub fn replace(ctx: &Ctx, args: &Args<'_>) {
    switch::apply(ctx);
    let node = |index| args.get(index).and_then(NodeId::parse);
    let (Some(old), Some(new)) = (node(2), node(3)) else {
        return ctx.reply_error(
            c"ERR REPLACE needs the ids of two nodes, as CLUSTER NODES shows them: the member, and the \
              node that takes its place; nothing was changed",
        );
    };
    let list = match possible(ctx, old, new) {
        Ok(Possible::IsDone) => return ctx.reply_simple(c"OK"),
        Ok(Possible::IsUnderWay) => None,
        Ok(Possible::MayBegin(_, list)) => Some(list),
        Err(why) => return ctx.reply_error_text(&format!("ERR {why}; nothing was changed")),
    };
    if ctx.situation().denies_waiting() {
        return ctx
            .reply_error(c"ERR REPLACE cannot wait inside MULTI or a script; nothing was changed");
    }
    let Some(caller) = ctx.block::<Replace>() else {
        return ctx.reply_error(c"ERR the server could not block the client; nothing was changed");
    };
    let exchange = Exchange {
        old,
        new,
        caller,
        proposed: list,
        deadline: view::now().saturating_add(PATIENCE),
        ask_at: 0,
    };
    state::with(|state| state.exchange = Some(exchange));
    go_on(ctx);
}

/// What REPLACE would do.
fn possible(ctx: &Ctx, old: NodeId, new: NodeId) -> Result<Possible, String> {
    let possible = state::with(|state| {
        if state.exchange.is_some() {
            return Err("another REPLACE is under way".into());
        }
        match &state.shard {
            Some(shard) => shard.exchange(old, new),
            None => Err("this server belongs to no group".into()),
        }
    })?;
    if matches!(possible, Possible::MayBegin(..)) {
        let known = ctx.cluster_node(&new.digits());
        if known.and_then(|node| node.primary) != ctx.own_node() {
            return Err(format!("{new} does not replicate this primary"));
        }
        if let Some(missing) = links::not_linked(ctx, &[new]) {
            return Err(missing);
        }
    }
    Ok(possible)
}

/// The server's cron ran.
pub fn cron(ctx: &Ctx) {
    if state::read(|state| state.exchange.is_some()) == Some(true) {
        go_on(ctx);
    }
}

/// How far it is.
enum Seen {
    IsMember,
    Asks(NodeId, GroupId, Definition),
    GoesOn,
    IsOver(String),
}

fn go_on(ctx: &Ctx) {
    let now = view::now();
    let seen = state::with(|state| {
        let exchange = state.exchange.as_mut()?;
        let seen = look(exchange, state.shard.as_ref(), now);
        if matches!(seen, Seen::Asks(..)) {
            if now < exchange.ask_at {
                return None;
            }
            exchange.ask_at = now.saturating_add(BETWEEN_INVITATIONS);
        }
        Some(seen)
    });
    match seen {
        None | Some(Seen::GoesOn) => {}
        Some(Seen::IsMember) => finish(ctx, None),
        Some(Seen::Asks(new, group, list)) => bus::say(ctx, new, group, Body::Propose(list)),
        Some(Seen::IsOver(why)) => finish(ctx, Some(why)),
    }
}

fn look(exchange: &Exchange, shard: Option<&Shard>, now: u64) -> Seen {
    let Some(shard) = shard else {
        return Seen::IsOver(
            "this server is no member any more, see DURABLE.FAILOVER STATUS".into(),
        );
    };
    let (new, is_late) = (exchange.new, now >= exchange.deadline);
    if let Some(list) = &exchange.proposed {
        return if shard.member().term().is_none() {
            Seen::IsOver("this primary has lost its term; nothing was changed".into())
        } else if is_late {
            Seen::IsOver(format!(
                "no answer from {new}: is the module loaded there, with durable.failover yes? Nothing \
                 was changed"
            ))
        } else {
            Seen::Asks(new, list.id, list.clone())
        };
    }
    let is_in_list = shard.definition().place(new).is_some();
    if is_in_list && shard.joining() != Some(new) {
        Seen::IsMember
    } else if !shard.is_exchanging() {
        Seen::IsOver("the exchange was given up, see the log; nothing was changed".into())
    } else if shard.member().term().is_none() {
        Seen::IsOver(
            "this primary has lost its term; if another member has heard of the exchange, the next \
             primary goes on with it"
                .into(),
        )
    } else if is_late {
        Seen::IsOver(
            "the exchange has begun and goes on, but the new node is no member yet, see \
             DURABLE.FAILOVER STATUS"
                .into(),
        )
    } else {
        Seen::GoesOn
    }
}

/// The new node would join.
pub fn willing(ctx: &Ctx, from: NodeId, group: GroupId) {
    let asked = state::with(|state| {
        let exchange = state.exchange.as_mut()?;
        let is_meant = exchange.new == from
            && exchange
                .proposed
                .as_ref()
                .is_some_and(|list| list.id == group);
        let (old, new) = is_meant.then_some((exchange.old, exchange.new))?;
        // Something may have changed meanwhile.
        let possible = state.shard.as_ref().map(|shard| shard.exchange(old, new))?;
        Some(possible)
    });
    let todo = match asked {
        None => return,
        Some(Err(why)) => return finish(ctx, Some(format!("{why}; nothing was changed"))),
        Some(Ok(Possible::MayBegin(place, list))) => state::with(|state| {
            let (exchange, shard) = (state.exchange.as_mut()?, state.shard.as_mut()?);
            exchange.proposed = None;
            Some(Shard::begin_exchange(shard, place, list))
        }),
        Some(Ok(Possible::IsUnderWay | Possible::IsDone)) => None,
    };
    acts::carry_out(ctx, todo.unwrap_or_default());
}

/// The new node would not.
pub fn declined(ctx: &Ctx, from: NodeId, group: GroupId, why: Decline) {
    let is_meant = state::with(|state| {
        let exchange = state.exchange.as_ref()?;
        let list = exchange.proposed.as_ref()?;
        (exchange.new == from && list.id == group).then_some(())
    });
    if is_meant.is_some() {
        let why = invitation::reason(why);
        finish(
            ctx,
            Some(format!("{from} declines: {why}; nothing was changed")),
        );
    }
}

/// `durable.failover` is being turned off.
pub fn give_up(ctx: &Ctx) {
    finish(ctx, Some("durable.failover was turned off".into()));
}

/// Answers the caller.
fn finish(ctx: &Ctx, error: Option<String>) {
    let Some(exchange) = state::with(|state| state.exchange.take()) else {
        return;
    };
    match error {
        None => exchange.caller.hold(|ctx| ctx.reply_simple(c"OK")),
        Some(why) => {
            ctx.log_warning(&format!("failover: REPLACE: {why}"));
            let error = format!("ERR {why}");
            exchange.caller.hold(|ctx| ctx.reply_error_text(&error));
        }
    }
    exchange.caller.unblock();
}
