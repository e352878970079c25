//! One address (host and port), the links that show it, and when a change voids their proofs.
//!
//! The rule and its example are at the head of [`replicas`](super). At each listing
//! [`LinkAddress::take_over`] compares the links of an address with those of the listing before. If
//! they may be others, it voids the proofs and sets the baseline to the end of the stream. A link
//! that needs a new proof by this leaves a **grace** of 2 s (`void_proofs` has the conditions).
//! While an address has n graces, up to n of its unproved links count for admission.

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
    /// has gone while some link was online, or an unseen link is possible: the newest may be the
    /// one that went. True again once a link is added, or the only link has proved itself.
    pub newest_known: bool,
    /// The end of each grace, the latest first.
    pub grace_ends: Vec<Micros>,
}

/// How long a grace lasts. Without it, a link that flaps behind a NAT would cause NOREPLICAS.
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

    /// The number of graces: up to so many unproved links count for admission.
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
        // A link with `online_after_newest` is exempt from proof. It stays exempt if no link was
        // added, seen or unseen. If a link has gone, all online links must have been exempt,
        // because it is unknown which one went.
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
            // Links have no ids. With as many links as before, the best guess is the link in the
            // same place, else one with the same offset and state. A wrong guess is harmless:
            // `acked_changed_at` is only shown, `acked_at_request` only decides whether to send a
            // request, and `overclaimed` only makes the proof stricter.
            let known = if same_number {
                before.get(place)
            } else {
                let alike =
                    |known: &&KnownLink| known.acked == link.acked && known.online == link.online;
                before.iter().find(alike)
            };
            // With fewer links than before, it is unknown which one this is. If `keeps_exemptions`
            // holds here, every link that was online was exempt. So an online link is one of these,
            // or came online since. Both are exempt.
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

    /// Sets a new baseline. Adds a grace for each link of `before` that was online, had
    /// acknowledged something, and was proved, or the newest, or at an address without a baseline.
    /// A newest link that stays the newest gets none, nor does an exemption by
    /// `online_after_newest` give one.
    ///
    /// `allowed`, the port and overclaims are not checked here, but when a command is admitted: a
    /// grace serves only links whose reason is [`SameAddress`](super::Reason::SameAddress).
    fn void_proofs(&mut self, before: &[KnownLink], offset: Offset, now: Micros, doubt: Doubt) {
        self.grace_ends.retain(|&end| end > now);
        let last = before.len().saturating_sub(1);
        let same_number = before.len() == self.links.len();
        for (place, link) in before.iter().enumerate() {
            let is_newest = self.newest_known && place == last;
            // A newest link that stays the newest still needs no proof.
            let needs_no_grace = is_newest && same_number && !doubt.unseen_link;
            let counted = self.baseline.is_none() || link.proved || is_newest;
            if counted && !needs_no_grace && link.online && link.acked > Offset::ZERO {
                self.grace_ends.push(now.saturating_add(GRACE));
            }
        }
        // At most one grace for each link there is now: those that end last are kept.
        self.grace_ends.sort_unstable_by(|a, b| b.cmp(a));
        self.grace_ends.truncate(self.links.len());
        self.baseline = Some(offset);
        // The server lists links in the order in which they came.
        match self.links.len().cmp(&before.len()) {
            // The last link is new.
            Ordering::Greater => self.newest_known = true,
            // The last link is the same, or a new one in its place.
            Ordering::Equal => {}
            // The newest link may have gone, and the last one may be an old one. If no link was
            // online, none has acknowledged anything stale. So `newest_known` stays as it was, and
            // a last link that needed no proof needs none. Example: the snapshot link of a
            // synchronization over two links goes.
            Ordering::Less => {
                self.newest_known &= !before.iter().any(|link| link.online);
            }
        }
        self.newest_known &= !doubt.unseen_link;
    }
}

/// True if the links may be others than before, or a newer one may have appeared since the
/// baseline was set. A single link in the place of a single link is no change.
fn has_changed(before: &[KnownLink], after: &[KnownLink], doubt: Doubt) -> bool {
    if before.len() <= 1 && after.len() <= 1 {
        return false;
    }
    let differs =
        |(was, is): (&KnownLink, &KnownLink)| was.online != is.online || is.acked < was.acked;
    doubt.replica_event || before.len() != after.len() || before.iter().zip(after).any(differs)
}
