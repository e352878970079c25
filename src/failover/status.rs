//! `DURABLE.FAILOVER STATUS`, and the fields of INFO.
//!
//! | field | value |
//! |---|---|
//! | `state` | `off`, `no group`, `unreadable`, `replica`, `primary`, or `closed`: a primary without a term |
//! | `group` | the group's id |
//! | `guaranteed` | K: a write that so many replicas have acknowledged survives every failover |
//! | `votes` | how many members have to vote for a promotion |
//! | `term` | the term that this primary holds, else the one in which its data were confirmed |
//! | `voter` | 1 if this member's data are confirmed. Otherwise it votes as a witness |
//! | `confirmed` | how many replicas count |
//! | `ready` | 1 if a failover would succeed now; on a replica: if it could vote |
//! | `reason` | why it would not |
//! | `last-refusal` | the last vote that was not given |
//! | `joining` | the node that is to take the place of a member (REPLACE), until it is one |
//! | `members` | one map for each |

use std::ffi::{CStr, CString};

use durable_failover::{shortage_text, MemberId, Shard};

use super::{links, others, state, view};
use crate::ffi::info::Value;
use crate::ffi::Ctx;

/// What is shown.
struct Shown {
    state: &'static str,
    group: String,
    guaranteed: u64,
    votes: u64,
    term: u64,
    is_voter: bool,
    confirmed: u64,
    is_ready: bool,
    reason: String,
    last_refusal: String,
    joining: String,
    members: Vec<OneShown>,
}

/// One member.
struct OneShown {
    node: String,
    address: String,
    is_self: bool,
    role: &'static str,
    is_voter: bool,
    offset: u64,
    is_confirmed: bool,
    is_configured: bool,
    heard_ms: i64,
    /// Its messages are of this version, and cannot be read.
    other_version: Option<u8>,
}

fn shown(ctx: &Ctx) -> Shown {
    let view = view::read(ctx);
    let addresses = links::member_addresses(ctx);
    state::with(|state| {
        let mut shown = Shown {
            state: "off",
            group: String::new(),
            guaranteed: 0,
            votes: 0,
            term: 0,
            is_voter: false,
            confirmed: 0,
            is_ready: false,
            reason: String::new(),
            last_refusal: String::new(),
            joining: String::new(),
            members: Vec::new(),
        };
        if !super::is_on() {
            shown.reason = "durable.failover is off".into();
            return shown;
        }
        if let Some(problem) = &state.problem {
            shown.state = "unreadable";
            shown.reason.clone_from(problem);
            return shown;
        }
        let Some(shard) = &state.shard else {
            shown.state = "no group";
            shown.reason = if state.is_beside {
                "the primary belongs to a group; DURABLE.FAILOVER REPLACE there gives this server the \
                 place of a member"
            } else {
                "DURABLE.FAILOVER START on the primary forms a group"
            }
            .into();
            return shown;
        };
        let member = shard.member();
        let own = shard.status(&view);
        shown.state = match (member.is_primary(), own.term) {
            (false, _) => "replica",
            (true, None) => "closed",
            (true, Some(_)) => "primary",
        };
        shown.last_refusal = shard.last_refusal().to_owned();
        shown.joining = shard
            .joining()
            .map(|node| node.to_string())
            .unwrap_or_default();
        shown.group = shard.definition().id.to_string();
        shown.guaranteed = shard.group().acknowledgements().into();
        shown.votes = shard.group().votes().into();
        shown.term = own.term.unwrap_or(own.log_term).counter;
        shown.is_voter = own.is_voter;
        let counting = state.confirmed.as_ref().map_or(0, Vec::len);
        shown.confirmed = u64::try_from(counting).unwrap_or(u64::MAX);
        shown.members = (0..shard.group().members())
            .map(|place| {
                let mut member = one(shard, MemberId(place), &own, view.now);
                let node = shard.definition().node(MemberId(place));
                let version = |node| others::version_of(&state.others, node, view.now);
                member.other_version = node.and_then(version);
                member
            })
            .map(|member| with_address(member, shard, &addresses))
            .collect();
        shown.reason = reason(shard, &shown, view.now);
        shown.is_ready = shown.reason.is_empty();
        shown
    })
}

fn one(shard: &Shard, place: MemberId, own: &durable_failover::Status, now: u64) -> OneShown {
    let is_self = place == shard.me();
    let peer = shard.peers().get(usize::from(place.0));
    let heard_at = peer.and_then(|peer| peer.heard_at);
    let status = if is_self {
        Some(own)
    } else {
        peer.and_then(|peer| peer.status.as_ref())
    };
    let age = heard_at.map(|at| now.saturating_sub(at));
    OneShown {
        node: shard.name(place),
        address: String::new(),
        is_self,
        role: match status {
            None => "unknown",
            Some(one) if !one.is_primary => "replica",
            Some(one) if one.term.is_some() => "primary",
            Some(_) => "closed",
        },
        is_voter: status.is_some_and(|one| one.is_voter),
        offset: status.map_or(0, |one| one.offset),
        is_confirmed: shard.member().has_granted(place),
        is_configured: shard.member().kept().configuration.replicas.contains(place),
        heard_ms: match age {
            _ if is_self => 0,
            None => -1,
            Some(age) => i64::try_from(age).unwrap_or(i64::MAX),
        },
        other_version: None,
    }
}

/// Adds where the cluster knows a member to be: `10.0.0.3:6379`.
fn with_address(
    mut member: OneShown,
    shard: &Shard,
    addresses: &[links::MemberAddress],
) -> OneShown {
    let is_it = |&&(place, _): &&(MemberId, _)| shard.name(place) == member.node;
    if let Some((_, Some((host, port)))) = addresses.iter().find(is_it) {
        member.address = format!("{}:{port}", String::from_utf8_lossy(host));
    }
    member
}

/// Older states are not counted on, in milliseconds.
const FRESH: i64 = 3000;

/// Why a failover would not succeed now. Empty if it would.
fn reason(shard: &Shard, shown: &Shown, now: u64) -> String {
    if !shard.can_persist() {
        return "its promises cannot be written to disk".into();
    }
    let others = shown.members.iter().filter(|member| !member.is_self);
    let missing: Vec<String> = others.filter_map(complaint).collect();
    let missing = missing.join("; ");
    let shortage = shard.shortage(now).map(shortage_text);
    match (shown.state, shortage) {
        ("replica", _) if !shown.is_voter => "this member votes as a witness only: it restarted, \
             or its data were replaced, and its primary has not confirmed them yet"
            .into(),
        ("replica", Some(shortage)) => {
            format!("{shortage} for an election, this member included; {missing}")
        }
        ("replica", None) => String::new(),
        ("closed", Some(shortage)) => {
            format!("this primary holds no term: {shortage} for an election; {missing}")
        }
        ("closed", None) => "this primary holds no term: its group has not voted for it yet".into(),
        _ if shown.confirmed < shown.guaranteed => format!(
            "{} of {} replicas have confirmed, so a failover could lose what is written; {missing}",
            shown.confirmed, shown.guaranteed
        ),
        (_, Some(shortage)) => {
            format!("{shortage} for an election without this primary; {missing}")
        }
        (_, None) => String::new(),
    }
}

/// What keeps another member from voting.
fn complaint(member: &OneShown) -> Option<String> {
    let node = if member.address.is_empty() {
        &member.node
    } else {
        &member.address
    };
    Some(match member.heard_ms {
        ..0 | FRESH.. if member.other_version.is_some() => {
            format!("{node} has another version of the module, and its messages cannot be read")
        }
        ..0 => format!("{node} was never heard of"),
        0..FRESH if member.is_voter => return None,
        0..FRESH => format!("{node} is a witness only"),
        silent => format!("{node} is silent for {} s", silent / 1000),
    })
}

/// Replies.
pub fn reply(ctx: &Ctx) {
    let shown = shown(ctx);
    ctx.reply_map(12);
    text(ctx, c"state", shown.state);
    text(ctx, c"group", &shown.group);
    number(ctx, c"guaranteed", shown.guaranteed);
    number(ctx, c"votes", shown.votes);
    number(ctx, c"term", shown.term);
    number(ctx, c"voter", shown.is_voter.into());
    number(ctx, c"confirmed", shown.confirmed);
    number(ctx, c"ready", shown.is_ready.into());
    text(ctx, c"reason", &shown.reason);
    text(ctx, c"last-refusal", &shown.last_refusal);
    text(ctx, c"joining", &shown.joining);
    ctx.reply_bytes(b"members");
    ctx.reply_array(shown.members.len());
    for member in shown.members {
        ctx.reply_map(9);
        text(ctx, c"node", &member.node);
        text(ctx, c"address", &member.address);
        number(ctx, c"self", member.is_self.into());
        text(ctx, c"role", member.role);
        number(ctx, c"voter", member.is_voter.into());
        number(ctx, c"confirmed", member.is_confirmed.into());
        number(ctx, c"configured", member.is_configured.into());
        number(ctx, c"offset", member.offset);
        ctx.reply_bytes(b"heard-ms-ago");
        ctx.reply_integer(member.heard_ms);
    }
}

fn text(ctx: &Ctx, name: &CStr, value: &str) {
    ctx.reply_bytes(name.to_bytes());
    ctx.reply_bytes(value.as_bytes());
}

fn number(ctx: &Ctx, name: &CStr, value: u64) {
    ctx.reply_bytes(name.to_bytes());
    ctx.reply_integer(i64::try_from(value).unwrap_or(i64::MAX));
}

/// The fields of INFO. None while `durable.failover` is off.
pub fn fields() -> Vec<(&'static CStr, Value)> {
    if !super::is_on() {
        return Vec::new();
    }
    let Some(shown) = Ctx::detached(shown) else {
        return Vec::new();
    };
    let (ignored, dropped, promotions) = state::with(|state| {
        let promotions = state.shard.as_ref().map_or(0, Shard::promotions);
        (state.ignored, state.dropped, promotions)
    });
    let composed = |text: String| {
        // INFO has one line for each field.
        let text = text.replace(['\r', '\n', '\0'], " ");
        Value::Composed(CString::new(text).unwrap_or_default())
    };
    vec![
        (c"failover_state", composed(shown.state.into())),
        (c"failover_term", shown.term.into()),
        (c"failover_guaranteed", shown.guaranteed.into()),
        (c"failover_grants", shown.confirmed.into()),
        (c"failover_voter", u64::from(shown.is_voter).into()),
        (
            c"failover_closed",
            u64::from(shown.state == "closed").into(),
        ),
        (c"failover_ready", u64::from(shown.is_ready).into()),
        (c"failover_promotions", promotions.into()),
        (c"failover_messages_ignored", ignored.into()),
        (c"failover_messages_dropped", dropped.into()),
        (c"failover_reason", composed(shown.reason)),
        (c"failover_last_refusal", composed(shown.last_refusal)),
    ]
}
