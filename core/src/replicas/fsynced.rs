//! What the replicas that count have fsynced, and when it is worth asking them again.
//!
//! A report of an fsync names its client, and a link of the server's listing has no id. At an
//! address with several links the reports of its clients count by themselves: the acknowledged
//! and the fsynced offset of one message, if that acknowledgement is above the baseline.

use crate::fsyncs::{Fsyncs, Report};

use super::address::Address;
use super::roster::Entry;
use super::Replicas;

impl Replicas {
    /// Where it is worth asking a replica once more for what it has fsynced: offsets above the
    /// first, up to and including the second.
    ///
    /// A replica answers a request at once, before the fsync of the very turn that brought it, and
    /// reports nothing more for up to a second. Where it fsyncs always, that fsync is over once it
    /// has acknowledged the offset. So it is asked again for what it has acknowledged since the
    /// last request. One that fsyncs every second is asked once for each step.
    pub fn untold_fsyncs<'a>(
        &'a self,
        fsyncs: &'a Fsyncs,
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let counting = self.entries().filter(|(_, _, reason)| reason.is_none());
        counting.filter_map(|(entry, address, _)| {
            let reports = reports(fsyncs, address, entry, self.offset);
            let told = entry.asked.max(reports.map(|report| report.fsynced).min()?);
            (told < entry.acked).then_some((told, entry.acked))
        })
    }

    /// What the replicas that count have fsynced, one offset for each that has reported.
    pub(super) fn fsynced<'a>(&'a self, fsyncs: &'a Fsyncs) -> impl Iterator<Item = u64> + 'a {
        let addresses = self.roster.addresses.iter();
        let able =
            addresses.filter(|address| !fsyncs.is_empty() && address.allowed && address.port != 0);
        able.flat_map(|address| self.fsynced_at(address, fsyncs))
    }

    /// What the replicas of one address have fsynced, one offset for each that counts.
    fn fsynced_at(&self, address: &Address, fsyncs: &Fsyncs) -> Vec<u64> {
        let links = address.links.iter();
        let counting: Vec<u64> = links
            .filter(|&&index| self.reason(index).is_none())
            .filter_map(|&index| Some(self.roster.entries.get(index)?.acked))
            .collect();
        let reports = fsyncs.of(&address.host, address.port);
        let Some(baseline) = address.baseline else {
            // One link: it may still have acknowledged more than when it reported.
            let acked = counting.first().copied();
            let mut reports = reports.fuse();
            return match (reports.next(), reports.next(), acked) {
                (Some(report), None, Some(acked)) => {
                    report.map_or_else(Vec::new, |report| vec![report.fsynced.min(acked)])
                }
                _ => Vec::new(),
            };
        };
        let proved = reports
            .flatten()
            .filter(|report| report.acked > baseline && report.acked <= self.offset);
        let mut fsynced: Vec<u64> = proved
            .map(|report| report.fsynced.min(report.acked))
            .collect();
        fsynced.sort_unstable_by(|a, b| b.cmp(a));
        // A client that has just gone may still be known to have reported.
        let surplus = fsynced.len().saturating_sub(counting.len());
        fsynced.drain(..surplus);
        fsynced
    }
}

/// The reports that may be this link's: those of its address, where several links show it with
/// the offset that this one has acknowledged.
pub(super) fn reports<'a>(
    fsyncs: &'a Fsyncs,
    address: &'a Address,
    entry: &'a Entry,
    offset: u64,
) -> impl Iterator<Item = Report> + 'a {
    let reports = fsyncs.of(&address.host, address.port);
    let several = address.baseline.is_some();
    let alone = fsyncs.of(&address.host, address.port).count() == 1;
    reports.flatten().filter(move |report| {
        if several {
            report.acked == entry.acked && report.acked <= offset
        } else {
            alone
        }
    })
}
