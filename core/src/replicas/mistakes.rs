//! The acknowledgements as a mistake on purpose takes them: see [`crate::mistakes`].

use super::{Reason, Replicas};
use crate::mistakes::Mistake;
use crate::units::Offset;

/// What only a mistake remembers.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The most links that have counted at a time.
    most: usize,
    /// The greatest offset that was acknowledged from each address before the role changed.
    kept: Vec<(Vec<u8>, u16, Offset)>,
}

impl Replicas {
    /// The wrong acknowledged offsets. `None` if no mistake is to be made.
    pub(super) fn mistaken(&mut self) -> Option<Vec<Offset>> {
        let end = self.offset;
        let counting: Vec<Offset> = self
            .links_with_reasons()
            .filter(|(_, _, reason)| reason.is_none())
            .map(|(link, _, _)| link.acked)
            .collect();
        if Mistake::EarlyRelease.is_made() {
            return Some(vec![end; counting.len()]);
        }
        if Mistake::CountsLoading.is_made() {
            let loading = |reason: Option<Reason>| reason == Some(Reason::Loading);
            let links = self.links_with_reasons();
            let all = links.filter(|(_, _, reason)| reason.is_none() || loading(*reason));
            let acked = all.map(|(link, _, reason)| if loading(reason) { end } else { link.acked });
            return Some(acked.collect());
        }
        if Mistake::KeepsAcknowledgements.is_made() {
            let links = self.links_with_reasons();
            let acked = links.filter(|(_, _, reason)| reason.is_none());
            let kept = &self.remembered.kept;
            let acked = acked.map(|(link, address, _)| {
                let mut before = kept.iter();
                let before =
                    before.find(|(host, port, _)| *host == address.host && *port == address.port);
                before.map_or(link.acked, |(_, _, before)| link.acked.max(*before))
            });
            return Some(acked.collect());
        }
        if Mistake::CountsOneMore.is_made() {
            return Some(counting.into_iter().chain([end]).collect());
        }
        if Mistake::CountsGoneLinks.is_made() {
            self.remembered.most = self.remembered.most.max(counting.len());
            let mut acked = counting;
            acked.resize(self.remembered.most, end);
            return Some(acked);
        }
        None
    }

    /// The role changes, and what was acknowledged is to be remembered.
    pub(super) fn remember(&mut self) -> Remembered {
        let links = self.table.links.iter();
        let links = links.filter_map(|link| Some((link, self.table.addresses.get(link.address)?)));
        let mut kept: Vec<_> = links
            .map(|(link, address)| (address.host.clone(), address.port, link.acked))
            .collect();
        if kept.is_empty() {
            // A replica has no links. It may be promoted again.
            kept = std::mem::take(&mut self.remembered.kept);
        }
        Remembered { most: 0, kept }
    }
}
