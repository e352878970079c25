//! A look at the replicas: who is connected, and what each has acknowledged.
//!
//! ROLE tells what the online links have acknowledged. It hides a link whose full synchronization
//! has just begun, and so a replica that came back without its data while its old link still
//! stands there. INFO shows it. So whenever links may have changed the look is a listing by INFO,
//! and ROLE otherwise, which is cheaper.

use std::ffi::{CStr, CString};

use durable_core::replicas::{confirmed, listed_link, port, Link, Listing};

use super::{fsync, resetstat};
use crate::ffi::{Ctx, Reply, ServerInfo};
use crate::state;

/// Looks at the replicas. False where this server is no primary or did not tell.
pub fn look(ctx: &Ctx) -> bool {
    fsync::identify(ctx);
    let Some(reply) = ctx.ask(c"ROLE", &[]) else {
        return false;
    };
    let Some((offset, online)) = role(reply.root()) else {
        return false;
    };
    let fits = state::with(|state| {
        let now = state.now();
        let links = online.iter().copied();
        !state.replicas.needs_listing() && state.replicas.update(offset, now, links, &state.fsyncs)
    });
    if fits == Some(false) {
        list(ctx, offset, &online);
    }
    state::with(|state| {
        state.replicas_current = true;
        let baseline = state.replicas.open_baseline();
        state.requests.set_baseline(baseline);
    })
    .is_some()
}

/// A turn of the event loop has ended, after a look.
pub fn turn_ended(ctx: &Ctx) {
    if state::with(|state| state.replicas.awaits_handshake()) == Some(true) {
        let paused = ctx.is_traffic_paused();
        state::with(|state| state.replicas.turn_ended(paused));
    }
}

/// As [`look`], for those who show links: one whose synchronization was not over leaves without an
/// event.
pub fn look_to_show(ctx: &Ctx) -> bool {
    state::with(|state| {
        if state.replicas.has_syncing() {
            state.replicas.owe_listing();
        }
    });
    look(ctx)
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

/// Some client told an address of its own: a link may show another one now.
pub fn announcement_heard() {
    state::with(|state| state.replicas.owe_listing());
}

/// ROLE's reply: the primary's offset, and the online links. `None` where this is no primary.
fn role(reply: Reply<'_>) -> Option<(u64, Vec<Link<'_>>)> {
    if reply.get(0)?.bytes()? != b"master" {
        return None;
    }
    let offset = u64::try_from(reply.get(1)?.number()?).ok()?;
    let links = reply.get(2)?.elements().filter_map(online_link);
    Some((offset, links.collect()))
}

/// One entry of ROLE's: host, port and acknowledged offset, all as strings.
fn online_link(entry: Reply<'_>) -> Option<Link<'_>> {
    Some(Link {
        host: entry.get(0)?.bytes()?,
        port: port(entry.get(1)?.number()?),
        online: true,
        acked: u64::try_from(entry.get(2)?.number()?).ok()?,
    })
}

/// Takes a listing: the links of INFO, as far as ROLE confirms them. INFO is read without the
/// command INFO, which may have been renamed.
fn list(ctx: &Ctx, offset: u64, online: &[Link<'_>]) {
    // A reset of the statistics that was heard makes what they say smaller.
    resetstat::before_counting(ctx);
    let granted = ctx.with_server_info(c"stats", |stats| {
        // Both grow when the server has granted a PSYNC, and not when it has refused one.
        let full = number(stats, c"sync_full")?;
        Some(number(stats, c"sync_partial_ok")?.saturating_add(full))
    });
    ctx.with_server_info(c"replication", |info| {
        // The server writes this number before the lines that a host could forge.
        let connected = number(info, c"connected_slaves").and_then(|count| count.try_into().ok());
        let lines = (0..).map_while(|number| line(info, number));
        let listed = confirmed(lines.filter_map(listed_link).collect(), online, connected);
        let links = listed.unwrap_or_else(|| online.to_vec());
        let listing = Listing {
            offset,
            granted: granted.flatten(),
            connected: connected.unwrap_or(links.len()),
            links,
        };
        state::with(|state| {
            let now = state.now();
            state.replicas.list(listing, now, &state.fsyncs);
        });
    });
}

fn number(info: &ServerInfo, field: &CStr) -> Option<u64> {
    std::str::from_utf8(info.field(field)?).ok()?.parse().ok()
}

/// The line about one link. The server numbers them from 0 without gaps.
fn line(info: &ServerInfo, number: u32) -> Option<&[u8]> {
    info.field(&CString::new(format!("slave{number}")).ok()?)
}
