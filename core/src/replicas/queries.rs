//! What the rest of the module reads from [`Replicas`]: offsets, numbers of links, lag.

use crate::acks::{Acks, Need};
use crate::units::{Micros, Offset};

use super::address::LinkAddress;
use super::link_table::KnownLink;
use super::{Reason, Replicas};

impl Replicas {
    /// What the counting replicas have acknowledged.
    pub fn acks(&self) -> &Acks {
        &self.acks
    }

    /// The primary's own offset at the last look.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The greatest baseline that some link still has to pass. A request has to stand above this
    /// offset for its answers to prove anything.
    pub fn open_baseline(&self) -> Option<Offset> {
        self.table.open_baseline()
    }

    /// Whether an online link would count if it had acknowledged something.
    pub fn has_silent_link(&self) -> bool {
        let mut links = self.links_with_reasons();
        links.any(|(link, _, reason)| link.online && reason == Some(Reason::Loading))
    }

    /// How many replicas count for the admission of a command: those that count, and at each
    /// address as many unproved links as it has graces. See `address`: a change that voids a proof
    /// leaves a grace of 2 s.
    pub fn counting_for_admission(&self, now: Micros) -> u32 {
        let counting = self.acks.replicas();
        let in_grace = self.table.addresses.iter().map(|address| {
            let in_grace = address.in_grace(now);
            // The common case.
            if in_grace == 0 {
                return 0;
            }
            let is_unproved = |&&index: &&usize| self.reason(index) == Some(Reason::SameAddress);
            address
                .links
                .iter()
                .filter(is_unproved)
                .count()
                .min(in_grace)
        });
        counting.saturating_add(u32::try_from(in_grace.sum::<usize>()).unwrap_or(u32::MAX))
    }

    /// How many replicas count, if the links count as well that a request could make count.
    pub fn counting_if_unasked_do(&self) -> u32 {
        let links = self.links_with_reasons();
        let would_count = links.filter(|(link, _, reason)| match reason {
            None => true,
            Some(reason) => is_unasked(link, *reason),
        });
        u32::try_from(would_count.count()).unwrap_or(u32::MAX)
    }

    /// The number of links that the server listed, counting or not.
    pub fn link_count(&self) -> usize {
        self.table.links.len()
    }

    /// The number of links that do not count.
    pub fn uncounted_links(&self) -> usize {
        let counting = usize::try_from(self.acks.replicas()).unwrap_or(usize::MAX);
        self.link_count().saturating_sub(counting)
    }

    /// True if the last listing had a link that was synchronizing. The server reports no event when
    /// such a link goes.
    pub fn has_synchronizing_link(&self) -> bool {
        self.table.links.iter().any(|link| !link.online)
    }

    /// True if there is a link that a request could reach.
    pub fn has_online_link(&self) -> bool {
        self.table.links.iter().any(|link| link.online)
    }

    /// How far the slowest counting replica is behind `offset`, in bytes.
    pub fn max_lag(&self, offset: Offset) -> u64 {
        let slowest = self.acks.met_up_to(Need {
            replicas: self.acks.replicas(),
            fsync: 0,
        });
        slowest.map_or(0, |slowest| offset.bytes_since(slowest))
    }

    /// All links in the server's order, each with its address and the reason why it does not
    /// count.
    pub(super) fn links_with_reasons(
        &self,
    ) -> impl Iterator<Item = (&KnownLink, &LinkAddress, Option<Reason>)> {
        let links = self.table.links.iter().enumerate();
        links.filter_map(|(index, link)| {
            let address = self.table.addresses.get(link.address)?;
            Some((link, address, self.reason_of(index, link, address)))
        })
    }
}

/// Whether an answer to a request could make this link count.
pub(super) fn is_unasked(link: &KnownLink, reason: Reason) -> bool {
    link.online && matches!(reason, Reason::Loading | Reason::SameAddress)
}
