//! A look at the replicas: who is connected, and what each has acknowledged.
//!
//! ROLE tells what the online links have acknowledged. It hides a link whose full synchronization
//! has just begun, and so a replica that came back without its data while its old link still
//! stands there. INFO shows it. So whenever links may have changed the look is a listing by INFO,
//! and ROLE otherwise, which is cheaper.

use std::ffi::CString;

use durable_core::replicas::{listed_link, Link};

use super::fsync;
use crate::ffi::{Ctx, Reply, ServerInfo};
use crate::state;

/// Looks at the replicas. False where this server is no primary or did not tell.
pub fn look(ctx: &Ctx) -> bool {
    fsync::identify(ctx);
    let listing = state::with(|state| state.replicas.needs_listing()) == Some(true);
    let seen = if listing {
        list(ctx)
    } else {
        update(ctx).unwrap_or_else(|| list(ctx))
    };
    if seen {
        state::with(|state| {
            state.replicas_current = true;
            let baseline = state.replicas.open_baseline();
            state.requests.set_baseline(baseline);
        });
    }
    seen
}

/// Looks at every link in any state.
pub fn look_at_all(ctx: &Ctx) -> bool {
    state::with(|state| state.replicas.owe_listing());
    look(ctx)
}

/// Some client sent PSYNC or SYNC. Anybody can.
pub fn handshake_heard() {
    state::with(|state| state.replicas.handshake_heard());
}

/// Some client told of itself what a replica tells: a link may show another address now.
pub fn announcement_heard() {
    state::with(|state| state.replicas.owe_listing());
}

/// By ROLE. `None` where other links are online than at the last listing, so that a new one is
/// needed; false where this server is no primary.
fn update(ctx: &Ctx) -> Option<bool> {
    let role = ctx.ask(c"ROLE", &[])?;
    let role = role.root();
    let offset = role.get(1).and_then(Reply::number);
    let (Some(b"master"), Some(offset), Some(links)) =
        (role.get(0).and_then(Reply::bytes), offset, role.get(2))
    else {
        return Some(false);
    };
    let Ok(offset) = u64::try_from(offset) else {
        return Some(false);
    };
    let links: Vec<_> = links.elements().filter_map(online_link).collect();
    let fits = state::with(|state| {
        let now = state.now();
        let links = links.iter().copied();
        state.replicas.update(offset, now, links, &state.fsyncs)
    });
    fits?.then_some(true)
}

/// One entry of ROLE's: host, port and acknowledged offset, all as strings.
fn online_link(entry: Reply<'_>) -> Option<Link<'_>> {
    Some(Link {
        host: entry.get(0)?.bytes()?,
        port: u16::try_from(entry.get(1)?.number()?).ok()?,
        online: true,
        acked: u64::try_from(entry.get(2)?.number()?).ok()?,
    })
}

/// By INFO, read without the command INFO, which may have been renamed.
fn list(ctx: &Ctx) -> bool {
    let paused = ctx.is_traffic_paused();
    ctx.with_server_info(c"replication", |info| {
        let offset = info
            .field(c"master_repl_offset")
            .and_then(|offset| std::str::from_utf8(offset).ok()?.parse().ok());
        let (Some(b"master"), Some(offset)) = (info.field(c"role"), offset) else {
            return false;
        };
        let lines = (0..).map_while(|number| line(info, number));
        let links: Vec<_> = lines.filter_map(listed_link).collect();
        state::with(|state| {
            let now = state.now();
            let links = links.into_iter();
            state
                .replicas
                .list(offset, now, links, &state.fsyncs, paused);
        })
        .is_some()
    })
    .unwrap_or(false)
}

/// The line about one link. The server numbers them from 0 without gaps.
fn line(info: &ServerInfo, number: u32) -> Option<&[u8]> {
    info.field(&CString::new(format!("slave{number}")).ok()?)
}
