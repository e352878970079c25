//! What the counting replicas have fsynced, and which of them are worth a second request.
//!
//! The client that sent a report (`REPLCONF ACK a FACK f`) is known, but a listed link has no id.
//! So a report is matched by address. Where several links show one address, a report counts only
//! if the offset in the same message (`a`) is above the baseline, and not above the primary's own.
//! That proves that its client is alive.
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
    /// For each replica that is worth another request for its fsynced offset: `(from, to)`. The
    /// request may confirm offsets above `from`, up to and including `to`.
    ///
    /// A replica composes its answer before the fsync of its turn. So the answer does not include
    /// this fsync, and the next report may come a second later. With `appendfsync always` the fsync
    /// is over when the primary receives the answer. So the replica is worth another request if it
    /// has acknowledged more than at the last request, and more than it has reported as fsynced.
    /// The range begins at the greater of these two offsets. Example: it had acknowledged 5 when
    /// the last request was sent, has reported 3 as fsynced, and has acknowledged 20 now: the range
    /// is above 5, up to 20.
    ///
    /// With `appendfsync everysec` the fsync may last longer. Even so, the replica gets only one
    /// such request each time its acknowledged offset has grown.
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

    /// What the replicas of one address have fsynced, at most one offset for each link that counts.
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
        // The report of a client that has just gone may still be known. So there may be more
        // offsets than counting links. The lowest are kept.
        let surplus = fsynced.len().saturating_sub(counting.len());
        fsynced.drain(..surplus);
        fsynced
    }
}

/// The reports that may be this link's. At an address without a baseline the link is the only one.
/// It has the report of the address, if a single client shows the address. At an address with a
/// baseline it may have each report that acknowledged the same offset as the link.
pub(super) fn possible_reports<'a>(
    fsyncs: &'a FsyncReports,
    address: &'a LinkAddress,
    link: &'a KnownLink,
    offset: Offset,
) -> impl Iterator<Item = Report> + 'a {
    let reports = fsyncs.of(&address.host, address.port);
    let has_baseline = address.baseline.is_some();
    let is_only_report = fsyncs.of(&address.host, address.port).count() == 1;
    reports.flatten().filter(move |report| {
        if has_baseline {
            report.acked == link.acked && report.acked <= offset
        } else {
            is_only_report
        }
    })
}
