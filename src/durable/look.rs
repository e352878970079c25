//! Looks at the replicas: which are connected, and which offset each has acknowledged.
//!
//! ROLE is cheap and shows the acknowledged offsets of online links. It hides a link until its
//! synchronization is over. So if a replica has come back without its data, ROLE can hide the new
//! link and still list the old one. INFO shows both. After any sign that links have changed, a look
//! reads INFO as well.

use std::ffi::CString;

use durable_core::replicas::{confirmed_by_role, parse_info_link, Listing, Role};

use super::fsync;
use super::state::coordinator;
use crate::ffi::{Ctx, ServerInfo};
use crate::{clock, resets};

/// Takes a look. Returns false if this server is not a primary, or did not reply to ROLE.
pub fn look(ctx: &Ctx) -> bool {
    fsync::identify(ctx);
    let Some(reply) = ctx.ask(c"ROLE", &[]) else {
        return false;
    };
    let Some(role) = Role::read(reply.protocol()) else {
        return false;
    };
    let now = clock::now();
    let links = role.links.iter().copied();
    if !coordinator(|coordinator| coordinator.role_seen(role.offset, now, links)) {
        read_listing(ctx, &role);
    }
    true
}

/// Takes a look for figures that users see. It includes links that are not online.
pub fn look_to_show(ctx: &Ctx) -> bool {
    coordinator(|coordinator| coordinator.look_will_be_shown());
    look(ctx)
}

/// Takes a look that always reads INFO, and so shows every link in any state.
pub fn look_at_all(ctx: &Ctx) -> bool {
    coordinator(|coordinator| coordinator.replicas.require_listing());
    look(ctx)
}

/// A client sent PSYNC or SYNC. Any client can send it.
pub fn psync_sent() {
    coordinator(|coordinator| coordinator.replicas.psync_seen());
}

/// Reads the links that INFO shows. If ROLE does not confirm them, takes only the links of ROLE.
/// The API reads INFO without the command INFO, which may have been renamed.
fn read_listing(ctx: &Ctx, role: &Role<'_>) {
    // CONFIG RESETSTAT lowers the numbers that are read here, so a reset is noted first.
    resets::before_counting(ctx);
    let granted = ctx.with_server_info(c"stats", |stats| {
        // One of the two grows when the server grants a PSYNC; neither grows when it replies with
        // an error.
        let full = stats.number(c"sync_full")?;
        Some(stats.number(c"sync_partial_ok")?.saturating_add(full))
    });
    ctx.with_server_info(c"replication", |info| {
        // The server writes this number before the lines of the links. So no replica can forge it
        // with a host that contains line ends.
        let connected = info
            .number(c"connected_slaves")
            .and_then(|count| count.try_into().ok());
        let lines = (0..).map_while(|number| line(info, number));
        let listed = confirmed_by_role(
            lines.filter_map(parse_info_link).collect(),
            &role.links,
            connected,
        );
        let links = listed.unwrap_or_else(|| role.links.to_vec());
        let listing = Listing {
            offset: role.offset,
            granted: granted.flatten(),
            connected: connected.unwrap_or(links.len()),
            links,
        };
        let now = clock::now();
        coordinator(|coordinator| coordinator.listed(listing, now));
    });
}

/// The line of one link. The server numbers them from 0, without gaps.
fn line(info: &ServerInfo, number: u32) -> Option<&[u8]> {
    info.field(&CString::new(format!("slave{number}")).ok()?)
}
