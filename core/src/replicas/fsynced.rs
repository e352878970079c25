//! What the counting replicas have fsynced, and which of them are worth a second request.
//!
//! A report (`REPLCONF ACK a FACK f`) names its client, while a listed link has no id. So a report
//! is matched by address, and where several links show one address each report counts by itself: if
//! the offset that it acknowledged is above the baseline, its client is alive.
//!
//! Example: two links show one address, the baseline is 20, the stream ends at 30.
//!
//! | client | acknowledged | fsynced | counts as fsynced |
//! |---|---|---|---|
//! | 1 | 30 | 25 | 25 |
//! | 2 | 20 | 20 | no: 20 is not above the baseline |

use crate::fsyncs::{FsyncReports, Report};
use crate::units::Offset;

use super::address::LinkAddress;
use super::link_table::KnownLink;
use super::Replicas;

impl Replicas {
    /// For each replica that is worth a second request for its fsynced offset, the range of
    /// offsets that the request may confirm: above the first, up to and including the second.
    ///
    /// A replica answers a request at once, before the fsync of the turn that brought it, and
    /// reports nothing more for up to a second. With `appendfsync always` this fsync is over once
    /// the replica has acknowledged the offset. So it gets another request for what it has
    /// acknowledged since the last one. Example: it had acknowledged 5 when the last request was
    /// sent, and has acknowledged 20 now: the range is above 5, up to 20. With
    /// `appendfsync everysec` a replica gets one such request for each step.
    pub fn unconfirmed_fsyncs<'a>(
        &'a self,
        fsyncs: &'a FsyncReports,
    ) -> impl Iterator<Item = (Offset, Offset)> + 'a {
        let links = self.links_with_reasons();
        let counting = links.filter(|(_, _, reason)| reason.is_none());
        counting.filter_map(|(link, address, _)| {
            let reports = possible_reports(fsyncs, address, link, self.offset);
            let fsynced = reports.map(|report| report.fsynced).min()?;
            let known = link.acked_at_request.max(fsynced);
            (known < link.acked).then_some((known, link.acked))
        })
    }

    /// What the counting replicas have fsynced, one offset for each that has reported.
    pub(super) fn fsynced<'a>(
        &'a self,
        fsyncs: &'a FsyncReports,
    ) -> impl Iterator<Item = Offset> + 'a {
        let addresses = self.table.addresses.iter();
        let able =
            addresses.filter(|address| !fsyncs.is_empty() && address.allowed && address.port != 0);
        able.flat_map(|address| self.fsynced_at(address, fsyncs))
    }

    /// What the replicas of one address have fsynced, one offset for each that counts.
    fn fsynced_at(&self, address: &LinkAddress, fsyncs: &FsyncReports) -> Vec<Offset> {
        let links = address.links.iter();
        let counting: Vec<Offset> = links
            .filter(|&&index| self.reason(index).is_none())
            .filter_map(|&index| Some(self.table.links.get(index)?.acked))
            .collect();
        let reports = fsyncs.of(&address.host, address.port);
        let Some(baseline) = address.baseline else {
            // A single link. A fsynced offset above the acknowledged one is not believed.
            let acked = counting.first().copied();
            let mut reports = reports.fuse();
            return match (reports.next(), reports.next(), acked) {
                (Some(Some(report)), None, Some(acked)) => vec![report.fsynced.min(acked)],
                _ => Vec::new(),
            };
        };
        let proved = reports
            .flatten()
            .filter(|report| report.acked > baseline && report.acked <= self.offset);
        let mut fsynced: Vec<Offset> = proved
            .map(|report| report.fsynced.min(report.acked))
            .collect();
        fsynced.sort_unstable_by(|a, b| b.cmp(a));
        // The report of a client that has just gone may still be known. The lowest are kept.
        let surplus = fsynced.len().saturating_sub(counting.len());
        fsynced.drain(..surplus);
        fsynced
    }
}

/// The reports that may be this link's. A single link of an address has the only report of that
/// address. One of several links has those that acknowledged the same offset as it did.
pub(super) fn possible_reports<'a>(
    fsyncs: &'a FsyncReports,
    address: &'a LinkAddress,
    link: &'a KnownLink,
    offset: Offset,
) -> impl Iterator<Item = Report> + 'a {
    let reports = fsyncs.of(&address.host, address.port);
    let has_several_links = address.baseline.is_some();
    let is_only_report = fsyncs.of(&address.host, address.port).count() == 1;
    reports.flatten().filter(move |report| {
        if has_several_links {
            report.acked == link.acked && report.acked <= offset
        } else {
            is_only_report
        }
    })
}
