//! The replicas of this primary, as the server lists them: who counts, and how far each has come.
//!
//! The server's own listing is no proof of anything by itself. It shows links, not replicas, and
//! believes whatever offset a link reports; the rules here say what to believe. Which of several
//! links of one address are replicas of their own is decided in `roster`.
//!
//! There are two kinds of look. A **listing** (`INFO replication`) shows every link in any state.
//! A cheaper **update** (`ROLE`) shows the online links of the last listing and what they have
//! acknowledged since. Each change among the links makes the next look a listing.

mod address;
mod allow;
mod disk;
mod listing;
mod roster;
mod shown;

use crate::acks::{Acks, Need};
use crate::fsyncs::Fsyncs;

use address::Address;
pub use allow::ReplicaAllow;
pub use listing::{confirmed, link as listed_link, port};
use roster::{Entry, News, Roster};
pub use shown::{Reason, Shown};

/// One link to a replica, as the server lists it. Of the links of one address the server lists
/// the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// Where the replica says it is, or the address it connects from.
    pub host: &'a [u8],
    /// Its listening port; 0 for a link that never told one.
    pub port: u16,
    /// Its synchronization is over, as far as the primary can tell.
    pub online: bool,
    /// The offset it last acknowledged; 0 while it has not acknowledged any.
    pub acked: u64,
}

/// Every look is a listing until so many turns have ended after a handshake, not counting those
/// that end in a pause. A paused server puts off a PSYNC that it has shown to command filters
/// already, and runs it up to a turn after the pause has ended.
const TURNS_AFTER_HANDSHAKE: u8 = 4;

/// A look at every link in any state.
#[derive(Debug)]
pub struct Listing<'a> {
    /// The primary's own offset, by ROLE.
    pub offset: u64,
    /// The links, in the server's order.
    pub links: Vec<Link<'a>>,
    /// How many links there are, with those that the server does not list: on Redis 8 a link that
    /// waits for a second one, which is to carry its snapshot.
    pub connected: usize,
    /// So many synchronizations the server has granted since it started, or since its statistics
    /// were reset. `None` where it does not say.
    pub granted: Option<u64>,
}

/// The replicas at the last look.
#[derive(Debug, Default)]
pub struct Replicas {
    roster: Roster,
    /// A replica came online or went since the last listing.
    changed: bool,
    /// A handshake was heard, and its effect may be still to come, for so many turns.
    awaited: u8,
    /// There is no listing since the links may have changed.
    listed: bool,
    /// [`Listing::granted`] at the last listing; the outer one is unset before the first.
    granted: Option<Option<u64>>,
    /// [`Listing::connected`] at the last listing.
    connected: usize,
    allow: ReplicaAllow,
    offset: u64,
    acks: Acks,
}

impl Replicas {
    /// A replica came online or went. What was proved at addresses with several links is void.
    pub fn links_changed(&mut self) {
        self.changed = true;
        self.listed = false;
    }

    /// A client asked for the stream, as a replica does. Anybody can, and most are refused, so that
    /// this voids nothing. It makes the looks of the next turns listings.
    pub fn handshake_heard(&mut self) {
        self.awaited = TURNS_AFTER_HANDSHAKE;
    }

    /// A turn of the event loop has ended, after a look. `paused`: the server puts off commands.
    pub fn turn_ended(&mut self, paused: bool) {
        if !paused {
            self.awaited = self.awaited.saturating_sub(1);
        }
    }

    /// True while the effect of a handshake may be still to come.
    pub fn awaits_handshake(&self) -> bool {
        self.awaited > 0
    }

    /// The server's statistics were reset, so that what it has granted is counted anew.
    pub fn statistics_reset(&mut self) {
        if self.awaited > 0 && self.granted.is_some() {
            self.granted = Some(None);
        } else {
            self.granted = self.granted.map(|known| known.map(|_| 0));
        }
    }

    /// The next look has to show links in any state.
    pub fn owe_listing(&mut self) {
        self.listed = false;
    }

    /// The setting that says which links may count.
    pub fn set_allow(&mut self, allow: ReplicaAllow) {
        self.allow = allow;
        self.listed = false;
    }

    /// True if the next look has to be a listing.
    pub fn needs_listing(&self) -> bool {
        !self.listed || self.awaited > 0
    }

    /// Takes a listing. `now` is in microseconds.
    pub fn list(&mut self, listing: Listing<'_>, now: u64, fsyncs: &Fsyncs) {
        let offset = listing.offset;
        let granted = match self.granted {
            // Whatever came before the first listing, the newest link of an address is the last.
            None => Some(0),
            Some(before) => listing
                .granted
                .zip(before)
                .and_then(|(now, before)| now.checked_sub(before)),
        };
        let news = News {
            changed: std::mem::take(&mut self.changed),
            granted,
            came: listing.connected.saturating_sub(self.connected),
        };
        self.granted = Some(listing.granted);
        self.connected = listing.connected;
        self.listed = true;
        let links = listing.links.into_iter();
        self.roster.list(offset, now, links, &self.allow, news);
        self.roster.prove(offset);
        self.count(offset, fsyncs);
    }

    /// Takes the online links of the last listing anew. False if these are others: then nothing
    /// was taken, and a listing is needed.
    pub fn update<'a>(
        &mut self,
        offset: u64,
        now: u64,
        links: impl Iterator<Item = Link<'a>> + Clone,
        fsyncs: &Fsyncs,
    ) -> bool {
        if !self.roster.update(offset, now, links) {
            self.listed = false;
            return false;
        }
        self.count(offset, fsyncs);
        true
    }

    /// Forgets everything: this server is no primary any more.
    pub fn clear(&mut self) {
        let allow = std::mem::take(&mut self.allow);
        *self = Self {
            allow,
            ..Self::default()
        };
    }

    /// This server is no primary, so that there is nothing to list.
    pub fn nothing_to_list(&mut self) {
        (self.listed, self.awaited) = (true, 0);
    }

    /// A request was sent to all of them.
    pub fn note_request(&mut self) {
        for entry in &mut self.roster.entries {
            entry.asked = entry.acked;
        }
    }

    /// A request has to stand above this offset for its answers to prove what is not proved yet.
    pub fn open_baseline(&self) -> Option<u64> {
        self.roster.open_baseline()
    }

    /// What the replicas that count have acknowledged.
    pub fn acks(&self) -> &Acks {
        &self.acks
    }

    /// The primary's own offset at the last look.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many replicas count for the admission of a command: those that count, and those that
    /// did until a change voided their proof a moment ago.
    pub fn admissible(&self, now: u64) -> u32 {
        let counting = self.acks.replicas();
        let spared = self.roster.addresses.iter().map(|address| {
            let unproved = |&&index: &&usize| self.reason(index) == Some(Reason::SameAddress);
            let graced = address.graced(now);
            // Nearly always there is none to be spared.
            if graced == 0 {
                0
            } else {
                address.links.iter().filter(unproved).count().min(graced)
            }
        });
        counting.saturating_add(u32::try_from(spared.sum::<usize>()).unwrap_or(u32::MAX))
    }

    /// How many links the server listed, counting or not.
    pub fn links(&self) -> usize {
        self.roster.entries.len()
    }

    /// How many of them do not count.
    pub fn not_counted(&self) -> usize {
        let counting = usize::try_from(self.acks.replicas()).unwrap_or(usize::MAX);
        self.links().saturating_sub(counting)
    }

    /// True if some link's synchronization is not over. Such a link goes without an event.
    pub fn has_syncing(&self) -> bool {
        self.roster.entries.iter().any(|entry| !entry.online)
    }

    /// True if there is a link that a request could reach.
    pub fn has_online(&self) -> bool {
        self.roster.entries.iter().any(|entry| entry.online)
    }

    /// How far the slowest replica that counts is behind `offset`, in bytes.
    pub fn max_lag(&self, offset: u64) -> u64 {
        let slowest = self.acks.met_up_to(Need {
            replicas: self.acks.replicas(),
            fsync: 0,
        });
        slowest.map_or(0, |slowest| offset.saturating_sub(slowest))
    }

    fn count(&mut self, offset: u64, fsyncs: &Fsyncs) {
        self.offset = offset;
        // Taken out while the links are read, and put back with its memory.
        let mut acks = std::mem::take(&mut self.acks);
        let counting = self.entries().filter(|(_, _, reason)| reason.is_none());
        let acked = counting.map(|(entry, _, _)| entry.acked);
        acks.replace(acked, self.fsynced(fsyncs));
        self.acks = acks;
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, &Address, Option<Reason>)> {
        let entries = self.roster.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| {
            let address = self.roster.addresses.get(entry.address)?;
            Some((entry, address, self.reason(index)))
        })
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
