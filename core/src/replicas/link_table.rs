//! The links of the last listing, grouped by address, and which of them have proved to be alive.
//!
//! The rule and its example are at the head of [`replicas`](super). This file applies a listing or
//! an update to the links, and decides which links have passed a baseline. `address` decides when a
//! change among the links of an address voids their proofs.

use crate::units::{Micros, Offset};

use super::address::{Doubt, LinkAddress};
use super::{Link, ReplicaAllow};

/// A link of the last listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownLink {
    /// The index of its address in [`LinkTable::addresses`].
    pub address: usize,
    pub online: bool,
    pub acked: Offset,
    /// When `acked` was last seen to change.
    pub acked_changed_at: Micros,
    /// `acked` at the time of the last request; 0 before the first.
    pub acked_at_request: Offset,
    /// It has acknowledged an offset above the baseline of its address and above `overclaimed`.
    pub proved: bool,
    /// It came online after the newest link of its address had appeared. All its acknowledgements
    /// are younger than that link, so it needs no proof. A synchronization over two links (Redis
    /// 8, Valkey) makes such a link: the one that carries the snapshot is the newest for a while.
    pub online_after_newest: bool,
    /// The greatest offset that it claimed before the primary had written it; 0 for none.
    pub overclaimed: Offset,
}

/// What happened since the last listing, apart from what the listing shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SinceListing {
    /// The server reported that a replica came online or went. It does not report which.
    pub replica_event: bool,
    /// The number of synchronizations that the server granted. `None` if unknown, so the listing
    /// assumes an unseen link and voids all proofs.
    pub granted: Option<u64>,
    /// By how much the number of connected links has grown.
    pub new_links: usize,
}

/// The links, and the addresses that they show.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkTable {
    /// In the server's order.
    pub links: Vec<KnownLink>,
    pub addresses: Vec<LinkAddress>,
}

impl KnownLink {
    /// True if this link needs no proof, or has given it. `index` is its own in
    /// [`LinkTable::links`], and `address` its address.
    pub fn is_proved_or_exempt(&self, index: usize, address: &LinkAddress) -> bool {
        address.baseline.is_none()
            || self.proved
            || self.online_after_newest
            || (address.newest_known && address.links.last() == Some(&index))
    }
}

impl LinkTable {
    /// Takes a listing of all links in any state. `offset` is the end of the stream at that
    /// moment.
    pub fn list<'a>(
        &mut self,
        offset: Offset,
        now: Micros,
        listed: impl Iterator<Item = Link<'a>>,
        allow: &ReplicaAllow,
        since: SinceListing,
    ) {
        let old_links = std::mem::take(&mut self.links);
        let old_indices: Vec<Vec<usize>> = self
            .addresses
            .iter_mut()
            .map(|address| {
                address.allowed = allow.allows(&address.host, address.port);
                std::mem::take(&mut address.links)
            })
            .collect();
        for link in listed {
            let index = self.links.len();
            let address = self.address_of(&link, allow);
            if let Some(address) = self.addresses.get_mut(address) {
                address.links.push(index);
            }
            self.links.push(KnownLink {
                address,
                online: link.online,
                acked: link.acked,
                acked_changed_at: now,
                acked_at_request: Offset::ZERO,
                proved: false,
                online_after_newest: false,
                overclaimed: Offset::ZERO,
            });
        }
        let new_links = u64::try_from(since.new_links).unwrap_or(0);
        let doubt = Doubt {
            replica_event: since.replica_event,
            unseen_link: since.granted.is_none_or(|granted| granted > new_links),
        };
        for (index, address) in self.addresses.iter_mut().enumerate() {
            let indices = old_indices.get(index).map_or(&[][..], Vec::as_slice);
            let before = indices.iter().filter_map(|&i| old_links.get(i)).copied();
            let before: Vec<KnownLink> = before.collect();
            address.take_over(&before, &mut self.links, offset, now, doubt);
        }
        self.drop_unused_addresses();
    }

    /// Takes the acknowledged offsets of the online links, in the server's order. Returns `false`
    /// and changes nothing if these are not the links of the last listing.
    pub fn update<'a>(
        &mut self,
        offset: Offset,
        now: Micros,
        listed: impl Iterator<Item = Link<'a>> + Clone,
    ) -> bool {
        if !self.are_same_links(listed.clone()) {
            return false;
        }
        let online = self.links.iter_mut().filter(|link| link.online);
        for (link, acked) in online.zip(listed.map(|link| link.acked)) {
            if link.acked > acked {
                // This is another process, which has received no request yet.
                link.acked_at_request = Offset::ZERO;
            }
            if link.acked != acked {
                link.acked = acked;
                link.acked_changed_at = now;
            }
        }
        self.prove(offset);
        true
    }

    /// The online link of an address that no other link shows or showed.
    pub fn lone_link(&mut self, host: &[u8], port: u16) -> Option<&mut KnownLink> {
        let mut addresses = self.addresses.iter();
        let address = addresses.find(|address| address.port == port && address.host == host)?;
        match (address.baseline, &address.links[..]) {
            (None, &[only]) => self.links.get_mut(only).filter(|link| link.online),
            _ => None,
        }
    }

    /// True if these are the online links of the last listing. At an address with a baseline, a
    /// link whose acknowledged offset has fallen is another link.
    fn are_same_links<'a>(&self, mut listed: impl Iterator<Item = Link<'a>>) -> bool {
        let mut online = self.links.iter().filter(|link| link.online);
        let same = online.all(|known| {
            let (Some(address), Some(link)) = (self.addresses.get(known.address), listed.next())
            else {
                return false;
            };
            address.port == link.port
                && address.host == link.host
                && (address.baseline.is_none() || known.acked <= link.acked)
        });
        same && listed.next().is_none()
    }

    /// Notes which links have acknowledged an offset above the baseline of their address. `offset`
    /// is the end of the stream. A link that claims more cannot have read that much: only an offset
    /// above its claim will prove it.
    pub fn prove(&mut self, offset: Offset) {
        for link in &mut self.links {
            if link.acked > offset {
                link.overclaimed = link.acked;
            }
        }
        for address in &mut self.addresses {
            let Some(baseline) = address.baseline else {
                continue;
            };
            let newest = address.links.last().filter(|_| address.newest_known);
            for index in &address.links {
                let Some(link) = self.links.get_mut(*index) else {
                    continue;
                };
                let passed = link.online && link.acked > baseline.max(link.overclaimed);
                if passed && !link.proved {
                    link.proved = true;
                    // The link counts without a grace again, so one grace ends: the first to end.
                    // The newest link has none.
                    if newest != Some(index) {
                        address.grace_ends.pop();
                    }
                }
            }
            // A single link that has proved itself is as one that was always alone.
            if let [only] = address.links[..] {
                if self.links.get(only).is_some_and(|link| link.proved) {
                    address.baseline = None;
                    address.newest_known = true;
                }
            }
        }
    }

    /// The greatest baseline that some online link has not passed yet. Such links need a request
    /// above it: the answer to a request at the baseline equals the baseline.
    pub fn open_baseline(&self) -> Option<Offset> {
        let open = self.addresses.iter().filter_map(|address| {
            let baseline = address.baseline?;
            let mut links = address.links.iter().filter_map(|&i| self.links.get(i));
            let is_open = links.any(|link| link.online && link.acked <= baseline);
            is_open.then_some(baseline)
        });
        open.max()
    }

    /// The index of the link's address, which is added if it is new.
    fn address_of(&mut self, link: &Link<'_>, allow: &ReplicaAllow) -> usize {
        let same = |address: &LinkAddress| address.port == link.port && address.host == link.host;
        if let Some(index) = self.addresses.iter().position(same) {
            return index;
        }
        self.addresses.push(LinkAddress::of(link, allow));
        self.addresses.len().saturating_sub(1)
    }

    /// Drops addresses that no link shows any more.
    fn drop_unused_addresses(&mut self) {
        let is_used = |address: &LinkAddress| !address.links.is_empty();
        if self.addresses.iter().all(is_used) {
            return;
        }
        self.addresses.retain(is_used);
        for (index, address) in self.addresses.iter().enumerate() {
            for &link in &address.links {
                if let Some(link) = self.links.get_mut(link) {
                    link.address = index;
                }
            }
        }
    }
}
