//! Messages of other members. The server delivers them also while data are loaded or a script is
//! busy, so they are only kept then, and looked at in a timer.

use durable_failover::{
    decode, encode, Body, Change, Envelope, GroupId, NodeId, Sender, Unread, Version, BUS_TYPE,
};

use super::{acts, founding, invitation, joining, others, replace, state, view};
use crate::ffi::cluster::{BusReceiver, NODE_ID};
use crate::ffi::{Ctx, Timer};

/// The most messages that are kept. A group of 16 sends some ten in a turn.
const ROOM: usize = 256;

/// The receiver.
pub struct Bus;

impl BusReceiver for Bus {
    fn received(ctx: &Ctx, from: [u8; NODE_ID], bytes: &[u8]) {
        // The server goes on delivering after the setting was turned off.
        if !super::is_on() {
            let is_member = match decode(bytes) {
                Ok(envelope) => matches!(envelope.body, Body::Status(_)),
                Err(Unread::Version(_)) => true,
                Err(Unread::Foreign | Unread::Malformed) => false,
            };
            state::with(|state| {
                if let Some((_, heard)) = state.leaving.as_mut().filter(|_| is_member) {
                    *heard = view::now();
                }
            });
            return;
        }
        let envelope = match decode(bytes) {
            Ok(envelope) => envelope,
            Err(why) => {
                state::with(|state| state.ignored = state.ignored.saturating_add(1));
                if let Unread::Version(version) = why {
                    others::heard(ctx, from, version);
                }
                return;
            }
        };
        let needs_timer = state::with(|state| {
            if state.inbox.len() >= ROOM {
                state.dropped = state.dropped.saturating_add(1);
                return false;
            }
            state.inbox.push_back((from, envelope));
            state.timer.is_none()
        });
        if needs_timer {
            let timer = ctx.start_timer::<Inbox>(0);
            state::with(|state| state.timer = Some(timer));
        }
    }
}

/// Says something about a group to a node that may be no member, or none yet.
pub fn say(ctx: &Ctx, to: NodeId, group: GroupId, body: Body) {
    let list = Version::FIRST;
    let bytes = encode(&Envelope { group, list, body });
    ctx.send_to_node(&to.digits(), BUS_TYPE, &bytes);
}

/// Looks at the messages that have arrived.
struct Inbox;

impl Timer for Inbox {
    fn fire(ctx: &Ctx) {
        let messages = state::with(|state| {
            state.timer = None;
            std::mem::take(&mut state.inbox)
        });
        for (from, envelope) in messages {
            let Some(from) = NodeId::parse(&from) else {
                continue;
            };
            match envelope.body {
                Body::Invite(definition) => invitation::invited(ctx, from, definition),
                Body::Accept => founding::accepted(ctx, from, envelope.group),
                Body::Withdraw => invitation::withdrawn(ctx, from, envelope.group),
                Body::Decline(why) => {
                    founding::declined(ctx, from, envelope.group, why);
                    replace::declined(ctx, from, envelope.group, why);
                }
                Body::Propose(definition) => joining::proposed(ctx, from, &definition),
                Body::Willing => replace::willing(ctx, from, envelope.group),
                Body::Join(change, term) => joining::join(ctx, from, &change, term),
                Body::Replaceable(end) => joining::replaceable(ctx, from, envelope.group, end),
                Body::Change(change) => told(ctx, from, &change),
                body => pass_on(ctx, from, (envelope.group, envelope.list), &body),
            }
        }
    }
}

/// A member's message to this member.
fn pass_on(ctx: &Ctx, from: NodeId, list: (GroupId, Version), body: &Body) {
    let sender = state::with(|state| {
        let shard = state.shard.as_ref();
        shard.map(|shard| shard.sender(from, list.0, list.1))
    });
    let place = match sender {
        Some(Sender::Member(place)) => place,
        Some(Sender::GoesByAnotherList) => {
            // Once a second.
            if matches!(body, Body::Status(_)) {
                joining::tell_list(ctx, from);
            }
            return;
        }
        Some(Sender::Stranger) | None => {
            return state::with(|state| state.ignored = state.ignored.saturating_add(1));
        }
    };
    let needs_fence = state::with(|state| {
        let shard = state.shard.as_ref();
        shard.is_some_and(|shard| shard.needs_fence(body))
    });
    if needs_fence {
        acts::cut_link(ctx);
    }
    let view = view::read(ctx);
    let todo = acts::with_shard(|shard| shard.received(place, body, &view));
    acts::carry_out(ctx, todo);
}

/// A node tells the list of members of its group.
fn told(ctx: &Ctx, from: NodeId, change: &Change) {
    let is_member = state::with(|state| state.shard.is_some());
    if is_member {
        let todo = acts::with_shard(|shard| shard.told(from, change));
        acts::carry_out(ctx, todo);
    } else {
        joining::told_beside(ctx, from, &change.definition);
    }
}
