//! Does what the rules say, and tells them what has happened.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use durable_failover::{encode, Act, Body, Envelope, MemberId, Position, Record, Shard};

use super::{cluster, disk, founding, joining, links, state, view, MEMBER};
use crate::ffi::Ctx;

/// How long to wait before a promise that could not be written is written again, in milliseconds.
const WRITE_AGAIN: u64 = 1000;

/// The server's cron ran.
pub fn tick(ctx: &Ctx) {
    if !MEMBER.load(Ordering::Relaxed) {
        return;
    }
    let view = view::read(ctx);
    let is_primary = view.role == durable_failover::Role::Primary;
    let known = state::with(|state| {
        state
            .shard
            .as_ref()
            .map(|shard| shard.member().is_primary())
    });
    // The server tells of each change. This is only a safeguard.
    if known.is_some_and(|known| known != is_primary) {
        role_changed(ctx, is_primary);
    }
    if is_primary {
        links::look(ctx);
    }
    let mut acts = state::with(|state| std::mem::take(&mut state.later));
    acts.extend(with_shard(|shard| shard.tick(&view)));
    let unwritten = state::with(|state| {
        let is_due = view.now >= state.write_again_at && !state.is_writing;
        let shard = state.shard.as_ref().filter(|_| is_due);
        shard.and_then(Shard::unwritten)
    });
    acts.extend(unwritten.map(Act::Persist));
    carry_out(ctx, acts);
}

/// Does these things, and what follows from them.
pub fn carry_out(ctx: &Ctx, acts: Vec<Act>) {
    let mut todo = VecDeque::from(acts);
    while let Some(act) = todo.pop_front() {
        match act {
            Act::Persist(_) => write(ctx),
            Act::Send(to, body) => send(ctx, to, body),
            Act::Stand => {
                cut_link(ctx);
                let view = view::read(ctx);
                todo.extend(with_shard(|shard| shard.stand(&view)));
            }
            Act::Promote => promote(ctx),
            Act::Claim => cluster::claim(ctx),
            Act::Follow(member) => cluster::follow(ctx, member),
            Act::Tell(node) => joining::tell_list(ctx, node),
            Act::Leave(change) => joining::leave(ctx, &change),
            Act::Log(text) => ctx.log_notice(&format!("failover: {text}")),
        }
    }
    links::count(ctx);
}

/// Works with the shard, if there is one.
pub fn with_shard(work: impl FnOnce(&mut Shard) -> Vec<Act>) -> Vec<Act> {
    state::with(|state| state.shard.as_mut().map(work).unwrap_or_default())
}

/// Cuts the link to the primary, if this is a replica. Acknowledgements that were not sent yet are
/// dropped, so what INFO shows afterwards is the most that the primary can have heard of.
pub fn cut_link(ctx: &Ctx) {
    if !ctx.situation().is_primary() {
        ctx.ask(c"CLIENT", &[c"KILL", c"TYPE", c"master"]);
    }
}

fn promote(ctx: &Ctx) {
    let now = view::now();
    with_shard(|shard| {
        shard.forced(now);
        Vec::new()
    });
    let reply = ctx.ask(c"CLUSTER", &[c"FAILOVER", c"FORCE"]);
    let error = match &reply {
        Some(reply) => reply.error().map(String::from_utf8_lossy),
        None => Some("the command is not there".into()),
    };
    match error {
        Some(error) => ctx.log_warning(&format!("failover: CLUSTER FAILOVER FORCE: {error}")),
        None => ctx.log_notice(
            "failover: this member has the votes, and asks the cluster for its promotion",
        ),
    }
}

fn send(ctx: &Ctx, to: MemberId, body: Body) {
    let now = view::now();
    let addressed = state::with(|state| {
        let shard = state.shard.as_mut()?;
        if !shard.may_send(to, &body, now) {
            return None;
        }
        let definition = shard.definition();
        let node = definition.node(to)?;
        let envelope = Envelope {
            group: definition.id,
            list: definition.version,
            body,
        };
        Some((node, encode(&envelope)))
    });
    if let Some((node, bytes)) = addressed {
        ctx.send_to_node(&node.digits(), durable_failover::BUS_TYPE, &bytes);
    }
}

/// Writes what the member has promised by now, its configuration, and its list of members: they
/// belong together. The event loop does not wait for it.
fn write(ctx: &Ctx) {
    let began = state::with(|state| {
        let (Some(shard), Some(node)) = (&state.shard, state.node) else {
            return false;
        };
        // One at a time. What comes meanwhile is written next.
        if state.is_writing {
            return true;
        }
        let record = Record {
            // A write that failed may have left a torn record. It is repeated in the same place, so
            // that the other one stays whole.
            sequence: state.sequence.saturating_add(1),
            node,
            definition: shard.definition().clone(),
            kept: shard.member().kept(),
            before: state
                .before
                .unwrap_or(durable_failover::ServerSettings::NEEDED),
        };
        let began = state.disk.as_ref().is_some_and(|disk| disk.write(record));
        state.is_writing = began;
        began
    });
    if began {
        // The end of the writing is noticed in a turn.
        crate::event_loop::hear(ctx);
    } else {
        failed(ctx, "there is no file");
    }
}

fn failed(ctx: &Ctx, why: &str) {
    let again = view::now().saturating_add(WRITE_AGAIN);
    let acts = state::with(|state| {
        state.write_again_at = again;
        state.is_writing = false;
        let shard = state.shard.as_mut();
        shard
            .map(|shard| shard.not_persisted(why))
            .unwrap_or_default()
    });
    for act in acts {
        if let Act::Log(text) = act {
            ctx.log_warning(&format!("failover: {text}"));
        }
    }
}

/// Something was written, or could not be.
pub fn after_writing(ctx: &Ctx) {
    let news = state::with(|state| {
        let news = match &state.disk {
            Some(disk) => disk.news(),
            None => disk::no_news(),
        };
        // Otherwise it is the news of an earlier thread.
        state.is_writing &= news.is_empty();
        news
    });
    for outcome in news {
        if founding::written(ctx, &outcome) {
            continue;
        }
        match outcome.result {
            Ok(()) => {
                let acts = state::with(|state| {
                    state.sequence = state.sequence.max(outcome.sequence);
                    let shard = state.shard.as_mut();
                    let written = |shard: &mut Shard| {
                        let mut acts = shard.persisted(outcome.kept);
                        acts.extend(shard.unwritten().map(Act::Persist));
                        acts
                    };
                    shard.map(written).unwrap_or_default()
                });
                carry_out(ctx, acts);
            }
            Err(why) => failed(ctx, &why),
        }
    }
}

/// This server became a primary or a replica.
pub fn role_changed(ctx: &Ctx, is_primary: bool) {
    let streams = view::streams(ctx, is_primary);
    let known = if is_primary {
        streams.former
    } else {
        streams.own
    };
    let position = known.unwrap_or(Position::UNKNOWN);
    let now = view::now();
    let acts = state::with(|state| {
        state.links.clear();
        let shard = state.shard.as_mut();
        let changed = |shard: &mut Shard| shard.role_changed(is_primary, position, now);
        shard.map(changed).unwrap_or_default()
    });
    // Only lines for the log: the server is in the middle of a change.
    for act in acts {
        if let Act::Log(text) = act {
            ctx.log_notice(&format!("failover: {text}"));
        }
    }
    links::count(ctx);
}
