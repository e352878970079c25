//! Whether each link counts, why the others do not, and the rows of `DURABLE.REPLICAS`.

use crate::fsyncs::FsyncReports;
use crate::units::{Micros, Offset};

use super::address::LinkAddress;
use super::fsynced::possible_reports;
use super::link_table::KnownLink;
use super::queries::is_unasked;
use super::Replicas;

/// Why a link does not count. Where several reasons apply, the first one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It has announced no listening port.
    NoListeningPort,
    /// No pattern of `durable.replica-allow` matches it.
    NotAllowed,
    /// It has not confirmed its data to the term holder of its failover group.
    NotConfirmed,
    /// Its synchronization is not over, or it has acknowledged no offset above 0 yet.
    Loading,
    /// It has acknowledged more than the primary has written.
    AheadOfPrimary,
    /// Another link shows or showed the same address, or may have come and gone unseen. This link
    /// has not proved yet that it is alive.
    SameAddress,
}

impl Reason {
    /// The text in replies and in the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoListeningPort => "no listening port",
            Self::NotAllowed => "not in durable.replica-allow",
            Self::NotConfirmed => "not confirmed in this term",
            Self::Loading => "loading",
            Self::AheadOfPrimary => "ahead of the primary",
            Self::SameAddress => "same address as a newer link",
        }
    }
}

/// One link, as `DURABLE.REPLICAS` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus<'a> {
    /// The host that the link shows.
    pub host: &'a [u8],
    /// The port that the link shows.
    pub port: u16,
    /// The offset that it acknowledged last.
    pub acked: Offset,
    /// When `acked` was last seen to change, in microseconds on the caller's clock.
    pub acked_changed_at: Micros,
    /// The offset that it has fsynced. `None` if unknown.
    pub fsynced: Option<Offset>,
    /// Why it does not count. `None` for a link that counts.
    pub reason: Option<Reason>,
    /// An answer to a request could make it count.
    pub is_unasked: bool,
}

impl Replicas {
    /// Every link, in the server's order.
    pub fn statuses<'a>(
        &'a self,
        fsyncs: &'a FsyncReports,
    ) -> impl Iterator<Item = LinkStatus<'a>> + 'a {
        let links = self.links_with_reasons();
        links.map(move |(link, address, reason)| {
            let mut reports = possible_reports(fsyncs, address, link, self.offset);
            let first = reports.next().map(|report| report.fsynced);
            // Several links may have acknowledged the same offset. If their reports differ, it
            // is unknown which report is this link's.
            let is_unanimous = reports.all(|report| Some(report.fsynced) == first);
            LinkStatus {
                host: &address.host,
                port: address.port,
                acked: link.acked,
                acked_changed_at: link.acked_changed_at,
                fsynced: first.filter(|_| is_unanimous),
                reason,
                is_unasked: reason.is_some_and(|reason| is_unasked(link, reason)),
            }
        })
    }

    /// Why a link does not count. `None` for a link that counts.
    pub(super) fn reason(&self, index: usize) -> Option<Reason> {
        let link = self.table.links.get(index)?;
        let address = self.table.addresses.get(link.address)?;
        self.reason_of(index, link, address)
    }

    /// As [`reason`](Self::reason), for a link and its address that were looked up.
    pub(super) fn reason_of(
        &self,
        index: usize,
        link: &KnownLink,
        address: &LinkAddress,
    ) -> Option<Reason> {
        if address.port == 0 {
            Some(Reason::NoListeningPort)
        } else if !address.allowed {
            if self.allow.matches(&address.host, address.port) {
                Some(Reason::NotConfirmed)
            } else {
                Some(Reason::NotAllowed)
            }
        } else if !link.online || link.acked == Offset::ZERO {
            Some(Reason::Loading)
        } else if link.acked > self.offset {
            Some(Reason::AheadOfPrimary)
        } else if !link.is_proved_or_exempt(index, address) {
            Some(Reason::SameAddress)
        } else {
            None
        }
    }
}
