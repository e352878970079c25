//! Which links count, why the others do not, and what users are shown of each.

use crate::fsyncs::Fsyncs;

use super::disk::reports;
use super::Replicas;

/// Why a link does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It has announced no port that it listens on.
    NoListeningPort,
    /// `durable.replica-allow` names others.
    NotAllowed,
    /// Its full synchronization is not over: it has acknowledged no offset above 0.
    Loading,
    /// It claims more than the primary has written.
    AheadOfPrimary,
    /// A newer link shows the same address, and this one has proved nothing since.
    SameAddress,
}

impl Reason {
    /// As users are told.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoListeningPort => "no listening port",
            Self::NotAllowed => "not in durable.replica-allow",
            Self::Loading => "loading",
            Self::AheadOfPrimary => "ahead of the primary",
            Self::SameAddress => "same address as a newer link",
        }
    }
}

/// One link, as users are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The host that the link shows.
    pub host: &'a [u8],
    /// The port that the link shows.
    pub port: u16,
    /// The offset it last acknowledged.
    pub acked: u64,
    /// When `acked` was last seen to change, in microseconds on the caller's clock.
    pub moved: u64,
    /// What it has fsynced, where that is known.
    pub fsynced: Option<u64>,
    /// Why it does not count; `None` for one that counts.
    pub reason: Option<Reason>,
}

impl Replicas {
    /// Every link in the server's order, as users are shown it.
    pub fn shown<'a>(&'a self, fsyncs: &'a Fsyncs) -> impl Iterator<Item = Shown<'a>> + 'a {
        self.entries().map(move |(entry, address, reason)| {
            let mut reports = reports(fsyncs, address, entry, self.offset);
            let first = reports.next().map(|report| report.fsynced);
            // Several links have acknowledged the same: they are told apart by nothing else.
            let unanimous = reports.all(|report| Some(report.fsynced) == first);
            Shown {
                host: &address.host,
                port: address.port,
                acked: entry.acked,
                moved: entry.moved,
                fsynced: first.filter(|_| unanimous),
                reason,
            }
        })
    }

    /// Why a link does not count; `None` for one that counts.
    pub(super) fn reason(&self, index: usize) -> Option<Reason> {
        let entry = self.roster.entries.get(index)?;
        let address = self.roster.addresses.get(entry.address)?;
        if address.port == 0 {
            Some(Reason::NoListeningPort)
        } else if !address.allowed {
            Some(Reason::NotAllowed)
        } else if !entry.online || entry.acked == 0 {
            Some(Reason::Loading)
        } else if entry.acked > self.offset {
            Some(Reason::AheadOfPrimary)
        } else if !self.roster.is_believed(index) {
            Some(Reason::SameAddress)
        } else {
            None
        }
    }
}
