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

use super::address::{Address, Change};
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
    /// It came online after the newest link of its address had shown itself, and so has sent all
    /// its acknowledgements since: it needs no proof. A synchronization over two links (Redis 8,
    /// Valkey) makes such a link: the one that carries the snapshot is the newest for a while.
    pub late: bool,
    /// The greatest offset that it claimed before the primary had written so much; 0 for none.
    pub claimed: u64,
}

/// What has happened since the last listing, apart from what the listing shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The server told that a replica came online or went. It does not tell which.
    pub changed: bool,
    /// So many links were granted a synchronization. `None` where that is not known.
    pub granted: Option<u64>,
    /// So many more links there are.
    pub came: usize,
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
                late: false,
                claimed: 0,
            });
        }
        let came = u64::try_from(news.came).unwrap_or(0);
        let news = Change {
            event: news.changed,
            unseen: news.granted.is_none_or(|granted| granted > came),
        };
        for (index, address) in self.addresses.iter_mut().enumerate() {
            let were = were.get(index).map_or(&[][..], Vec::as_slice);
            let before: Vec<Entry> = were.iter().filter_map(|&i| old.get(i)).copied().collect();
            address.settle(&before, &mut self.entries, offset, now, news);
        }
        self.forget_empty();
    }

    /// Takes the acknowledged offsets of the online links, in the server's order. False if these
    /// are not the links of the last listing: then nothing was taken, and a listing is needed.
    pub fn update<'a>(
        &mut self,
        offset: u64,
        now: u64,
        links: impl Iterator<Item = Link<'a>> + Clone,
    ) -> bool {
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
        self.prove(offset);
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

    /// Notes which links have acknowledged an offset above the baseline of their address. `offset`
    /// is the stream's end: who claims more has not read it.
    pub fn prove(&mut self, offset: u64) {
        for entry in &mut self.entries {
            if entry.acked > offset {
                entry.claimed = entry.acked;
            }
        }
        for address in &mut self.addresses {
            let Some(baseline) = address.baseline else {
                continue;
            };
            let newest = address.links.last().filter(|_| address.newest_known);
            for index in &address.links {
                let Some(entry) = self.entries.get_mut(*index) else {
                    continue;
                };
                let read = entry.online && entry.acked > baseline.max(entry.claimed);
                if read && !entry.proved {
                    entry.proved = true;
                    // It counts by itself again. The newest did so all along.
                    if newest != Some(index) {
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
                || entry.late
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
        self.addresses.push(Address::of(link, allow));
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
