//! One address (host and port), the links that show it, and when a change voids their proofs.
//!
//! The rule and its example are at the head of [`replicas`](super). At each listing
//! [`LinkAddress::take_over`] compares the links of an address with those of the listing before. If
//! they may be others, it voids the proofs and sets the baseline to the end of the stream. The
//! links that counted then count for admission for 2 s more.

use std::cmp::Ordering;

use crate::units::{Micros, Offset};

use super::link_table::KnownLink;
use super::{Link, ReplicaAllow};

/// A host and a port, and the links that show it.
#[derive(Clone, Debug)]
pub(super) struct LinkAddress {
    pub host: Vec<u8>,
    pub port: u16,
    /// `durable.replica-allow` allows its links.
    pub allowed: bool,
    /// The links that show it, as indices into the links of the table, oldest first.
    pub links: Vec<usize>,
    /// The end of the stream when the links last changed. `None` if the address has a single link
    /// that needs no proof: it was alone since it came, or it has proved itself.
    pub baseline: Option<Offset>,
    /// The last link in `links` is the newest one that ever showed this address. False once a link
    /// has gone: the newest may be the one that went.
    pub newest_known: bool,
    /// The end of the grace of each link that counted before a change, the latest first. Until then
    /// the link counts for admission.
    pub grace_ends: Vec<Micros>,
}

/// How long a link that counted goes on counting for admission after a change among the links of
/// its address, so that a link that flaps behind a NAT causes no NOREPLICAS.
const GRACE: Micros = Micros::from_secs(2);

/// Changes that the listing itself may not show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// A replica came online or went.
    pub replica_event: bool,
    /// A link was granted a synchronization and is not a new one in the listing: it has gone
    /// again, or has taken the place of another one. Its address is unknown.
    pub unseen_link: bool,
}

impl LinkAddress {
    /// The address that a link shows, without links yet.
    pub fn of(link: &Link<'_>, allow: &ReplicaAllow) -> Self {
        Self {
            host: link.host.to_vec(),
            port: link.port,
            allowed: allow.allows(link.host, link.port),
            links: Vec::new(),
            baseline: None,
            newest_known: true,
            grace_ends: Vec::new(),
        }
    }

    /// How many links still count for admission although a change has voided their proof.
    pub fn in_grace(&self, now: Micros) -> usize {
        self.grace_ends.iter().filter(|&&end| end > now).count()
    }

    /// Compares the links of this address in `links` with those of the last listing (`before`).
    /// Takes over what is known of them, or voids it. `offset` is the end of the stream.
    pub fn take_over(
        &mut self,
        before: &[KnownLink],
        links: &mut [KnownLink],
        offset: Offset,
        now: Micros,
        doubt: Doubt,
    ) {
        let same_number = before.len() == self.links.len();
        let after = self.links.iter().filter_map(|&i| links.get(i)).copied();
        let after: Vec<KnownLink> = after.collect();
        let changed = doubt.unseen_link || has_changed(before, &after, doubt);
        // An exemption stays if no newer link has appeared, and if it is certain which links have
        // it: each link is in its old place, or all that were online were exempt.
        let keeps_exemptions = !doubt.unseen_link
            && match self.links.len().cmp(&before.len()) {
                Ordering::Greater => false,
                Ordering::Equal => true,
                Ordering::Less => {
                    let mut online = before.iter().filter(|link| link.online);
                    online.all(|link| link.online_after_newest)
                }
            };
        for (place, &index) in self.links.iter().enumerate() {
            let Some(link) = links.get_mut(index) else {
                continue;
            };
            // Without ids, the best guess is the link in the same place, or else one with the same
            // offset. A wrong guess is harmless: `acked_changed_at` is only shown,
            // `acked_at_request` only decides whether to send a request, and `overclaimed` only
            // makes the proof stricter.
            let known = if same_number {
                before.get(place)
            } else {
                let alike =
                    |known: &&KnownLink| known.acked == link.acked && known.online == link.online;
                before.iter().find(alike)
            };
            // With fewer links than before it is unknown which one this is. All that were online
            // are exempt already, so this one is exempt or has come online since.
            link.online_after_newest = keeps_exemptions && link.online && !same_number;
            let Some(known) = known else { continue };
            if known.acked == link.acked {
                link.acked_changed_at = known.acked_changed_at;
            }
            if known.acked <= link.acked {
                link.acked_at_request = known.acked_at_request;
                link.overclaimed = known.overclaimed;
            }
            let is_exempt = known.online_after_newest || !known.online;
            link.online_after_newest |= keeps_exemptions && link.online && is_exempt;
            link.proved = known.proved && !changed;
        }
        if changed {
            self.void_proofs(before, offset, now, doubt);
        }
    }

    /// Sets a new baseline, and a grace for the links that counted.
    fn void_proofs(&mut self, before: &[KnownLink], offset: Offset, now: Micros, doubt: Doubt) {
        self.grace_ends.retain(|&end| end > now);
        let last = before.len().saturating_sub(1);
        let same_number = before.len() == self.links.len();
        for (place, link) in before.iter().enumerate() {
            let is_newest = self.newest_known && place == last;
            // A newest link that stays the newest goes on counting by itself.
            let needs_no_grace = is_newest && same_number && !doubt.unseen_link;
            let counted = self.baseline.is_none() || link.proved || is_newest;
            if counted && !needs_no_grace && link.online && link.acked > Offset::ZERO {
                self.grace_ends.push(now.saturating_add(GRACE));
            }
        }
        // At most one for each link there is now. The latest ends are kept.
        self.grace_ends.sort_unstable_by(|a, b| b.cmp(a));
        self.grace_ends.truncate(self.links.len());
        self.baseline = Some(offset);
        // The server lists links in the order in which they came.
        match self.links.len().cmp(&before.len()) {
            // The last link is new.
            Ordering::Greater => self.newest_known = true,
            // The last link is the same, or a new one in its place.
            Ordering::Equal => {}
            // The newest link may have gone. If no link was online, the last one may still count at
            // once: it has acknowledged nothing yet that could be stale. A synchronization over two
            // links ends so, when the link that carried the snapshot goes.
            Ordering::Less => {
                self.newest_known &= !before.iter().any(|link| link.online);
            }
        }
        self.newest_known &= !doubt.unseen_link;
    }
}

/// True if the links may be others than before, or a newer one may have appeared since the
/// baseline was set. A single link in the place of a single link needs no proof.
fn has_changed(before: &[KnownLink], after: &[KnownLink], doubt: Doubt) -> bool {
    if before.len() <= 1 && after.len() <= 1 {
        return false;
    }
    let differs =
        |(was, is): (&KnownLink, &KnownLink)| was.online != is.online || is.acked < was.acked;
    doubt.replica_event || before.len() != after.len() || before.iter().zip(after).any(differs)
}
