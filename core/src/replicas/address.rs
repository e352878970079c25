//! One address that links show, and what becomes of their proofs when its links change.
//!
//! See `roster` for the rule.

use std::cmp::Ordering;

use super::roster::Entry;
use super::{Link, ReplicaAllow};

/// A host and a port, and the links that show it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub host: Vec<u8>,
    pub port: u16,
    /// `durable.replica-allow` lets its links count.
    pub allowed: bool,
    /// The links that show it, as indices of entries, oldest first.
    pub links: Vec<usize>,
    /// The stream's end when the links last changed. `None` for a link that is alone and needs no
    /// proof: no other has been here since it came, or it has proved itself.
    pub baseline: Option<u64>,
    /// The last link in `links` is the newest one that ever showed this address. False once a link
    /// has gone: the newest may be the one that went.
    pub newest_known: bool,
    /// When links that counted until a change stop counting for admission.
    pub grace: Vec<u64>,
}

/// For so many microseconds a link that counted goes on counting for admission after a change
/// among the links of its address, so that a link that flaps behind a NAT refuses nobody.
const GRACE: u64 = 2_000_000;

/// What may have changed though the listing does not show it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// A replica came online or went.
    pub event: bool,
    /// A link was granted a synchronization and is not in the listing as a new one: it has gone
    /// again, or stands in the place of another one. It may have been of any address.
    pub unseen: bool,
}

impl Address {
    /// The address that a link shows, without links yet.
    pub fn of(link: &Link<'_>, allow: &ReplicaAllow) -> Self {
        Self {
            host: link.host.to_vec(),
            port: link.port,
            allowed: allow.allows(link.host, link.port),
            links: Vec::new(),
            baseline: None,
            newest_known: true,
            grace: Vec::new(),
        }
    }

    /// How many links still count for admission though a change has voided their proof.
    pub fn graced(&self, now: u64) -> usize {
        self.grace.iter().filter(|&&until| until > now).count()
    }

    /// Compares the links of this address with those of the last listing (`before`), keeps what
    /// was known of them, or voids it.
    pub fn settle(
        &mut self,
        before: &[Entry],
        entries: &mut [Entry],
        offset: u64,
        now: u64,
        news: Change,
    ) {
        let same_number = before.len() == self.links.len();
        let after: Vec<Entry> = self
            .links
            .iter()
            .filter_map(|&i| entries.get(i))
            .copied()
            .collect();
        let changed = news.unseen || self.has_changed(before, &after, news);
        // No newer link, and no doubt which of the old ones is which.
        let online = before.iter().filter(|entry| entry.online);
        let lasting = !news.unseen
            && match self.links.len().cmp(&before.len()) {
                Ordering::Greater => false,
                Ordering::Equal => true,
                Ordering::Less => online.clone().all(|entry| entry.late),
            };
        for (place, &index) in self.links.iter().enumerate() {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            // Without ids, the link in the same place is the best guess, else one with the same
            // offset. It decides what is shown and asked, never what counts.
            let known = if same_number {
                before.get(place)
            } else {
                let alike =
                    |known: &&Entry| known.acked == entry.acked && known.online == entry.online;
                before.iter().find(alike)
            };
            // Whichever it was, it was not online when the newest showed itself.
            entry.late = lasting && entry.online && !same_number;
            let Some(known) = known else { continue };
            if known.acked == entry.acked {
                entry.moved = known.moved;
            }
            if known.acked <= entry.acked {
                entry.asked = known.asked;
                entry.claimed = known.claimed;
            }
            entry.late |= lasting && entry.online && (known.late || !known.online);
            entry.proved = known.proved && !changed;
        }
        if changed {
            self.void(before, offset, now);
            self.newest_known &= !news.unseen;
        }
    }

    /// True if the links may be others than before, or a newer one may have shown itself since
    /// the baseline was set.
    fn has_changed(&self, before: &[Entry], after: &[Entry], news: Change) -> bool {
        if before.len() <= 1 && after.len() <= 1 {
            return false;
        }
        let differs = |(was, is): (&Entry, &Entry)| was.online != is.online || is.acked < was.acked;
        news.event || before.len() != after.len() || before.iter().zip(after).any(differs)
    }

    fn void(&mut self, before: &[Entry], offset: u64, now: u64) {
        self.grace.retain(|&until| until > now);
        let last = before.len().saturating_sub(1);
        for (place, entry) in before.iter().enumerate() {
            let newest = self.newest_known && place == last;
            let believed = self.baseline.is_none() || entry.proved || newest;
            if believed && entry.online && entry.acked > 0 {
                self.grace.push(now.saturating_add(GRACE));
            }
        }
        // No more than there are links, the latest ones.
        self.grace.sort_unstable_by(|a, b| b.cmp(a));
        self.grace.truncate(self.links.len());
        self.baseline = Some(offset);
        // Links are listed in the order in which they came. More of them than before: the last
        // one is new. As many: the last one is the same or new. Fewer: it may have gone.
        match self.links.len().cmp(&before.len()) {
            Ordering::Greater => self.newest_known = true,
            Ordering::Equal => {}
            // None of those that were not online yet has acknowledged anything that could be stale.
            // A synchronization over two links ends so: the one that carried the snapshot goes.
            Ordering::Less => {
                self.newest_known &= !before.iter().any(|entry| entry.online);
            }
        }
    }
}
