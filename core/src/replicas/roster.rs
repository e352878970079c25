//! The links of this primary to its replicas, by address, and which of them have proved to be
//! replicas of their own.
//!
//! Several links that show one host and port are either one replica whose old link died
//! unnoticed, or several replicas behind one address (NAT, Kubernetes, published ports). The
//! newest link of an address is believed. An older one is believed once it has acknowledged an
//! offset that the primary produced after the newest link showed itself: only a live process can
//! have done that, and the newest link belongs to another one.
//!
//! Example: A1 has acknowledged 100 when A2 shows itself, and the stream ends at 120. The
//! **baseline** of the address is 120. A1 does not count while it acknowledges 100 or 120. It
//! counts once it acknowledges 157.
//!
//! The server names no link by an id. Links are told apart by their place in the listing, so that
//! every change among the links of an address voids what was proved there.

use super::{Link, ReplicaAllow};

/// A link of the listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The index of its address.
    pub address: usize,
    pub online: bool,
    pub acked: u64,
    /// When `acked` was last seen to change, in microseconds on the caller's clock.
    pub moved: u64,
    /// What it had acknowledged when the last request was sent.
    pub asked: u64,
    /// It has acknowledged an offset above the baseline of its address.
    pub proved: bool,
}

/// A host and a port, and the links that show it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub host: Vec<u8>,
    pub port: u16,
    /// `durable.replica-allow` lets its links count.
    pub allowed: bool,
    /// The links that show it, as indices of entries, oldest first.
    pub links: Vec<usize>,
    /// The stream's end when the links last changed. `None` while one link has been alone here
    /// since it came: it needs no proof.
    pub baseline: Option<u64>,
    /// The last link is the one that came last. False once links have gone: the one that came
    /// last may be among them, and what is left is older than it.
    newest_known: bool,
    /// When links that counted until a change stop counting for admission.
    grace: Vec<u64>,
}

/// For so many microseconds a link that counted goes on counting for admission after a change
/// among the links of its address, so that a link that flaps behind a NAT refuses nobody.
const GRACE: u64 = 2_000_000;

/// What has happened since the last listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The server told that a replica came online or went. It does not tell which.
    pub changed: bool,
    /// A client sent PSYNC. Anybody can, so that this alone voids nothing.
    pub handshake: bool,
}

/// See the head of this file.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    /// In the server's order.
    pub entries: Vec<Entry>,
    pub addresses: Vec<Address>,
}

impl Roster {
    /// Takes a listing of all links in any state; `offset` is the stream's end at that moment.
    pub fn list<'a>(
        &mut self,
        offset: u64,
        now: u64,
        links: impl Iterator<Item = Link<'a>>,
        allow: &ReplicaAllow,
        news: News,
    ) {
        let old = std::mem::take(&mut self.entries);
        let were: Vec<Vec<usize>> = self
            .addresses
            .iter_mut()
            .map(|address| {
                address.allowed = allow.allows(&address.host, address.port);
                std::mem::take(&mut address.links)
            })
            .collect();
        for link in links {
            let index = self.entries.len();
            let address = self.address(&link, allow);
            if let Some(address) = self.addresses.get_mut(address) {
                address.links.push(index);
            }
            self.entries.push(Entry {
                address,
                online: link.online,
                acked: link.acked,
                moved: now,
                asked: 0,
                proved: false,
            });
        }
        for (index, address) in self.addresses.iter_mut().enumerate() {
            let were = were.get(index).map_or(&[][..], Vec::as_slice);
            let before: Vec<Entry> = were.iter().filter_map(|&i| old.get(i)).copied().collect();
            address.settle(&before, &mut self.entries, offset, now, news);
        }
        self.forget_empty();
    }

    /// Takes the acknowledged offsets of the online links, in the server's order. False if these
    /// are not the links of the last listing: then nothing was taken, and a listing is needed.
    pub fn update<'a>(&mut self, now: u64, links: impl Iterator<Item = Link<'a>> + Clone) -> bool {
        if !self.fits(links.clone()) {
            return false;
        }
        let online = self.entries.iter_mut().filter(|entry| entry.online);
        for (entry, link) in online.zip(links) {
            if entry.acked > link.acked {
                // Another process, which was asked nothing yet.
                entry.asked = 0;
            }
            if entry.acked != link.acked {
                entry.acked = link.acked;
                entry.moved = now;
            }
        }
        self.prove();
        true
    }

    /// True if these are the online links of the last listing, and none of an address with several
    /// links has acknowledged less than before: an offset that falls is another link's.
    fn fits<'a>(&self, mut links: impl Iterator<Item = Link<'a>>) -> bool {
        let mut online = self.entries.iter().filter(|entry| entry.online);
        let same = online.all(|entry| {
            let (Some(address), Some(link)) = (self.addresses.get(entry.address), links.next())
            else {
                return false;
            };
            address.port == link.port
                && address.host == link.host
                && (address.baseline.is_none() || entry.acked <= link.acked)
        });
        same && links.next().is_none()
    }

    /// Notes which links have acknowledged an offset above the baseline of their address.
    pub fn prove(&mut self) {
        for address in &mut self.addresses {
            let Some(baseline) = address.baseline else {
                continue;
            };
            for &index in &address.links {
                if let Some(entry) = self.entries.get_mut(index) {
                    if entry.online && entry.acked > baseline && !entry.proved {
                        entry.proved = true;
                        address.grace.pop();
                    }
                }
            }
            // The only link there is needs no proof any more.
            if let [only] = address.links[..] {
                if self.entries.get(only).is_some_and(|entry| entry.proved) {
                    address.baseline = None;
                    address.newest_known = true;
                }
            }
        }
    }

    /// True if nothing speaks against a link but, perhaps, its offset: it needs no proof, or has
    /// given it.
    pub fn is_believed(&self, index: usize) -> bool {
        let Some(entry) = self.entries.get(index) else {
            return false;
        };
        let address = self.addresses.get(entry.address);
        address.is_some_and(|address| {
            address.baseline.is_none()
                || entry.proved
                || (address.newest_known && address.links.last() == Some(&index))
        })
    }

    /// The greatest baseline that some online link has not passed yet. Such links need a request
    /// above it: the answer to a request at the baseline equals the baseline.
    pub fn open_baseline(&self) -> Option<u64> {
        let open = |address: &&Address| {
            address.baseline.is_some_and(|baseline| {
                let mut links = address.links.iter().filter_map(|&i| self.entries.get(i));
                links.any(|entry| entry.online && entry.acked <= baseline)
            })
        };
        let open = self.addresses.iter().filter(open);
        open.filter_map(|address| address.baseline).max()
    }

    fn address(&mut self, link: &Link<'_>, allow: &ReplicaAllow) -> usize {
        let same = |address: &Address| address.port == link.port && address.host == link.host;
        if let Some(index) = self.addresses.iter().position(same) {
            return index;
        }
        self.addresses.push(Address {
            host: link.host.to_vec(),
            port: link.port,
            allowed: allow.allows(link.host, link.port),
            links: Vec::new(),
            baseline: None,
            newest_known: true,
            grace: Vec::new(),
        });
        self.addresses.len().saturating_sub(1)
    }

    /// Drops addresses that no link shows any more.
    fn forget_empty(&mut self) {
        if self
            .addresses
            .iter()
            .all(|address| !address.links.is_empty())
        {
            return;
        }
        self.addresses.retain(|address| !address.links.is_empty());
        for (index, address) in self.addresses.iter().enumerate() {
            for &link in &address.links {
                if let Some(entry) = self.entries.get_mut(link) {
                    entry.address = index;
                }
            }
        }
    }
}

impl Address {
    /// How many links still count for admission though a change has voided their proof.
    pub fn graced(&self, now: u64) -> usize {
        self.grace.iter().filter(|&&until| until > now).count()
    }

    /// Compares the links of this address with those of the last listing (`before`), keeps what
    /// was known of them, or voids it.
    fn settle(
        &mut self,
        before: &[Entry],
        entries: &mut [Entry],
        offset: u64,
        now: u64,
        news: News,
    ) {
        let same_number = before.len() == self.links.len();
        let after: Vec<Entry> = self
            .links
            .iter()
            .filter_map(|&i| entries.get(i))
            .copied()
            .collect();
        let changed = self.has_changed(before, &after, news);
        for (place, &index) in self.links.iter().enumerate() {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            // Without ids, the link in the same place is the best guess, else one with the same
            // offset. It decides what is shown and asked, never what counts.
            let known = if same_number {
                before.get(place)
            } else {
                before.iter().find(|known| known.acked == entry.acked)
            };
            let Some(known) = known else { continue };
            if known.acked == entry.acked {
                entry.moved = known.moved;
            }
            if known.acked <= entry.acked {
                entry.asked = known.asked;
            }
            entry.proved = known.proved && !changed;
        }
        if changed {
            self.void(before, offset, now);
        }
    }

    /// True if the links may be others than before, or a newer one may have shown itself since
    /// the baseline was set.
    fn has_changed(&self, before: &[Entry], after: &[Entry], news: News) -> bool {
        if before.len() <= 1 && after.len() <= 1 {
            return false;
        }
        let differs = |(was, is): (&Entry, &Entry)| was.online != is.online || is.acked < was.acked;
        // A link that is not online leaves without an event, and another one in the same state may
        // stand in its place.
        let replaced = news.handshake && after.last().is_some_and(|newest| !newest.online);
        news.changed
            || before.len() != after.len()
            || before.iter().zip(after).any(differs)
            || replaced
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
            std::cmp::Ordering::Greater => self.newest_known = true,
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => self.newest_known = false,
        }
    }
}
