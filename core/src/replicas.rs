//! Which replica links count, and which offsets the counting replicas have acknowledged.
//!
//! Input: the links that the server lists. The server shows links, not replicas, and believes any
//! offset that a link reports. Output: the acknowledged offsets of the links that count
//! ([`Replicas::acks`]), and for every other link the [`Reason`] why it does not count.
//!
//! # The rule
//!
//! A link counts if it is online, has a listening port, is allowed by `durable.replica-allow`, and
//! has acknowledged an offset above 0 and not above the primary's own.
//!
//! This is enough for a link whose address (host and port) no other link shows. Two links with one
//! address are one of two things: one replica whose old link died unnoticed, or two replicas behind
//! a NAT. A dead link must not count, because its replica may have returned without its data. So
//! only the newest link of an address counts at once. An older one has to prove that it is alive:
//! it counts again once it acknowledges an offset that the primary produced after the newest link
//! appeared. The end of the stream at that moment is the **baseline** of the address.
//!
//! Example: A1 and A2 show the same address, and A2 is the newer link. (`tests/example.rs` runs
//! this table.)
//!
//! | look | stream's end | A1 acked | A2 acked | baseline | these count |
//! |---|---|---|---|---|---|
//! | A1 is alone | 100 | 100 | | none | A1 |
//! | A2 appears, synchronizing | 120 | 100 | 0 | 120 | none: A1 is unproved, A2 is loading |
//! | A1 acknowledges 120 | 140 | 120 | 0 | 120 | none: A1 may have sent this before A2 appeared |
//! | A1 acknowledges 157 | 157 | 157 | 0 | 120 | A1: only a live process can have read byte 157 |
//! | A2 comes online | 160 | 157 | 0 | 160 | none: a change voids the proofs of the address |
//! | A2 acknowledges 160 | 197 | 157 | 160 | 160 | A2: the newest link needs no proof |
//! | A1 acknowledges 197 | 197 | 197 | 160 | 160 | A1 and A2 |
//!
//! The server gives links no id; a link is known by its place in the listing. Therefore, at an
//! address that has or had several links, each of these changes voids all proofs and sets a new
//! baseline:
//! - the number of links differs;
//! - a link came online, or is online no more;
//! - an acknowledged offset fell;
//! - the server reported that a replica came online or went. It does not report at which address.
//!
//! # Exceptions
//!
//! | case | effect |
//! |---|---|
//! | (1) a link of the address has gone | the links left there need a proof, except those of (2) |
//! | (2) a link came online after the newest link of its address appeared | it needs no proof |
//! | (3) more synchronizations were granted than links were added | all links need a proof |
//! | (4) a link acknowledges more than was written | only an offset above that claim is a proof |
//! | (5) a link that counted loses its proof by a change | it counts for admission for 2 s |
//! | the only link of an address has proved itself | the baseline is dropped |
//!
//! 1. The newest link may be the one that went. The last one that is left may be an old one.
//! 2. All that the link acknowledges is younger than the newest link. Example: in a synchronization
//!    over two links (Redis 8, dual channel of Valkey) the newest link carries the snapshot, and
//!    goes when the other one is online. The exemption ends when a newer link appears, or by (3).
//!    It also ends when a link goes while some online link is not exempt: it is unknown which one
//!    went.
//! 3. Some link came and went unseen, or took the place of another one. Its address is unknown, so
//!    the proofs at all addresses are void, also at those with a single link. The same applies if
//!    the number of granted synchronizations is unknown.
//! 4. The link cannot have read what was not written. Also, it does not count until the stream has
//!    reached that offset.
//! 5. Otherwise a link that flaps behind a NAT would cause NOREPLICAS. In these 2 s the
//!    acknowledgements of an unproved link release no wait.
//!
//! # Looks
//!
//! A **listing** (`INFO replication`) shows links in any state. A cheaper **update** (`ROLE`) shows
//! the online links and what they have acknowledged. It is taken only if these are the online links
//! of the last listing. After any sign that links have changed, the next look has to be a listing
//! ([`Replicas::needs_listing`]). There is no sign when a synchronizing link goes: it stays in the
//! table until the next listing. Who needs to know calls [`Replicas::require_listing`] first.

mod address;
mod allow;
mod fsynced;
mod info;
mod link_table;
#[cfg(feature = "mistakes")]
mod mistakes;
mod queries;
mod role;
mod status;

use crate::acks::Acks;
use crate::fsyncs::FsyncReports;
use crate::units::{Micros, Offset};

pub use allow::ReplicaAllow;
pub use info::{confirmed_by_role, link as parse_info_link, port};
use link_table::{LinkTable, SinceListing};
pub use role::Role;
pub use status::{LinkStatus, Reason};

/// One link to a replica, as the server lists it. Links of one address are listed oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The host that the replica announced, or else the one that it connects from.
    pub host: &'a [u8],
    /// Its listening port; 0 for a link that announced none.
    pub port: u16,
    /// Its synchronization is over, as far as the primary knows.
    pub online: bool,
    /// The offset that it acknowledged last; 0 while it has not acknowledged any.
    pub acked: Offset,
}

/// A look at every link that the server lists, in any state.
#[derive(Debug)]
pub struct Listing<'a> {
    /// The primary's own offset, by ROLE.
    pub offset: Offset,
    /// The links, in the server's order.
    pub links: Vec<Link<'a>>,
    /// The number of links, including those that the server does not list. Example: Redis 8 does
    /// not list a link while it waits for its second link, which will carry the snapshot.
    pub connected: usize,
    /// The number of synchronizations that the server has granted since it started, or since its
    /// statistics were reset. `None` if the server does not report it.
    pub granted: Option<u64>,
}

/// After a client has sent PSYNC, every look is a listing until this many turns have ended outside
/// of a pause. Command filters see a PSYNC before it takes effect: a paused server defers it, and
/// runs it up to a turn after the end of the pause.
const TURNS_AFTER_HANDSHAKE: u8 = 4;

/// The number of granted synchronizations at the last listing.
#[derive(Clone, Copy, Debug, Default)]
enum Granted {
    /// There was no listing yet.
    #[default]
    NoListing,
    /// The server did not report it, or reset it during a handshake.
    Unknown,
    /// [`Listing::granted`].
    Count(u64),
}

/// The replica links at the last look.
#[derive(Debug, Default)]
pub struct Replicas {
    table: LinkTable,
    /// A replica came online or went since the last listing.
    replica_event: bool,
    /// The number of turns that may still show the effect of a handshake.
    turns_to_list: u8,
    /// The links have not changed since the last listing, as far as is known.
    is_listing_current: bool,
    granted: Granted,
    /// [`Listing::connected`] at the last listing.
    connected: usize,
    allow: ReplicaAllow,
    /// The primary's own offset at the last look.
    offset: Offset,
    acks: Acks,
    #[cfg(feature = "mistakes")]
    remembered: mistakes::Remembered,
}

impl Replicas {
    /// Takes a listing.
    pub fn list(&mut self, listing: Listing<'_>, now: Micros, fsyncs: &FsyncReports) {
        let offset = listing.offset;
        let granted = match (self.granted, listing.granted) {
            // Whatever came before the first listing, the last link of an address is the newest.
            (Granted::NoListing, _) => Some(0),
            (Granted::Count(before), Some(now)) => now.checked_sub(before),
            (Granted::Unknown, _) | (_, None) => None,
        };
        let since = SinceListing {
            replica_event: std::mem::take(&mut self.replica_event),
            granted,
            new_links: listing.connected.saturating_sub(self.connected),
        };
        self.granted = listing.granted.map_or(Granted::Unknown, Granted::Count);
        self.connected = listing.connected;
        self.is_listing_current = true;
        let links = listing.links.into_iter();
        self.table.list(offset, now, links, &self.allow, since);
        self.table.prove(offset);
        self.count(offset, fsyncs);
    }

    /// Takes what the online links of the last listing have acknowledged since. If these are other
    /// links, returns `false` and takes nothing: the next look has to be a listing.
    pub fn update<'a>(
        &mut self,
        offset: Offset,
        now: Micros,
        links: impl Iterator<Item = Link<'a>> + Clone,
        fsyncs: &FsyncReports,
    ) -> bool {
        if !self.table.update(offset, now, links) {
            self.is_listing_current = false;
            return false;
        }
        self.count(offset, fsyncs);
        true
    }

    /// The only replica at an address has acknowledged an offset since the last look. Returns false
    /// and takes nothing if a look has to show it: another link shows or showed that address, the
    /// offset has fallen, or it is above the end of the stream that is known.
    pub fn hear(
        &mut self,
        (host, port): (&[u8], u16),
        acked: Offset,
        now: Micros,
        fsyncs: &FsyncReports,
    ) -> bool {
        let known = self.offset;
        let Some(link) = self.table.lone_link(host, port) else {
            return false;
        };
        if acked < link.acked || acked > known {
            return false;
        }
        if acked != link.acked {
            link.acked = acked;
            link.acked_changed_at = now;
        }
        self.count(known, fsyncs);
        true
    }

    /// A replica came online or went. The next listing therefore voids the proofs at addresses with
    /// several links.
    pub fn replica_event(&mut self) {
        self.replica_event = true;
        self.is_listing_current = false;
    }

    /// A client sent PSYNC, as a replica does. Anybody can send it, and the server may refuse it.
    /// So it voids no proof, but makes the looks of the next turns listings.
    pub fn psync_seen(&mut self) {
        self.turns_to_list = TURNS_AFTER_HANDSHAKE;
    }

    /// A turn of the event loop has ended, after a look. `paused`: the server defers commands.
    pub fn turn_ended(&mut self, paused: bool) {
        if !paused {
            self.turns_to_list = self.turns_to_list.saturating_sub(1);
        }
    }

    /// True while a handshake may still take effect.
    pub fn awaits_psync(&self) -> bool {
        self.turns_to_list > 0
    }

    /// The server's statistics were reset: its count of granted synchronizations starts at 0. A
    /// synchronization that was granted between the last listing and the reset is lost from the
    /// count. There may be one if a PSYNC was seen a few turns ago. Then the next listing assumes
    /// an unseen link and voids all proofs.
    pub fn statistics_were_reset(&mut self) {
        self.granted = match self.granted {
            Granted::NoListing => Granted::NoListing,
            _ if self.awaits_psync() => Granted::Unknown,
            Granted::Unknown => Granted::Unknown,
            Granted::Count(_) => Granted::Count(0),
        };
    }

    /// Makes the next look a listing.
    pub fn require_listing(&mut self) {
        self.is_listing_current = false;
    }

    /// Takes the setting that says which links may count.
    pub fn set_allow(&mut self, allow: ReplicaAllow) {
        self.allow = allow;
        self.is_listing_current = false;
    }

    /// True if the next look has to be a listing.
    pub fn needs_listing(&self) -> bool {
        !self.is_listing_current || self.awaits_psync()
    }

    /// Forgets all links and offsets, because this server is no longer a primary. Keeps the
    /// setting.
    pub fn clear(&mut self) {
        let allow = std::mem::take(&mut self.allow);
        *self = Self {
            allow,
            #[cfg(feature = "mistakes")]
            remembered: self.remember(),
            ..Self::default()
        };
    }

    /// This server is not a primary: no listing is needed.
    pub fn not_a_primary(&mut self) {
        (self.is_listing_current, self.turns_to_list) = (true, 0);
    }

    /// A request was sent to all replicas.
    pub fn request_sent(&mut self) {
        for link in &mut self.table.links {
            link.acked_at_request = link.acked;
        }
    }

    /// Recomputes [`acks`](Self::acks) from the links that count.
    fn count(&mut self, offset: Offset, fsyncs: &FsyncReports) {
        self.offset = offset;
        // Taken out while the links are read, and put back to reuse its memory.
        let mut acks = std::mem::take(&mut self.acks);
        let counting = self.links_with_reasons();
        let counting = counting.filter(|(_, _, reason)| reason.is_none());
        let acked = counting.map(|(link, _, _)| link.acked);
        acks.replace(acked, self.fsynced(fsyncs));
        #[cfg(feature = "mistakes")]
        if let Some(wrong) = self.mistaken() {
            acks.replace(wrong.into_iter(), self.fsynced(fsyncs));
        }
        self.acks = acks;
    }
}

#[cfg(test)]
mod tests;
