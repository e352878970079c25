//! Acknowledgements that are heard when a replica sends them, without a look at the replicas.
//!
//! On some servers a command filter is told which client has sent `REPLCONF ACK`
//! ([`Fact::TellsFsyncs`](crate::servers::Fact::TellsFsyncs)). If that client is the only replica
//! at its address, its link is known, and the acknowledgement counts at once. A look costs the
//! server far more: ROLE asks the kernel for the address of each replica.
//!
//! A look is needed all the same to find out
//! - where the stream ends, for the offset of new waits;
//! - which links are there, after any sign that they have changed;
//! - what was acknowledged by a client that is not known. That one is **missed**.
//!
//! Example: the last look showed the end of the stream at 150, and one replica at 100.
//!
//! | heard | effect |
//! |---|---|
//! | the replica acknowledges 150 | waits up to 150 are satisfied |
//! | the replica acknowledges 160 | missed: the stream is longer than known |
//! | another client acknowledges 150 | missed, unless it is known to be no replica |

use std::collections::HashMap;

use super::{Actions, Coordinator};
use crate::fsyncs::Sender;
use crate::units::{Micros, Offset};

#[derive(Debug)]
pub(super) struct Hearing {
    /// Something was acknowledged since the last look, and not taken.
    missed: bool,
    /// A client that is not known acknowledges. It may do so in every turn.
    has_unknown: bool,
}

impl Default for Hearing {
    fn default() -> Self {
        Self {
            missed: true,
            has_unknown: true,
        }
    }
}

impl Hearing {
    pub fn looked(&mut self) {
        self.missed = false;
    }

    /// Clients that were not known may be known now.
    pub fn may_know_all(&mut self) {
        self.has_unknown = false;
    }
}

impl<P> Coordinator<P> {
    /// Clients that have acknowledged something were looked up: see
    /// [`FsyncReports::looked_up`](crate::fsyncs::FsyncReports::looked_up).
    pub fn looked_up(&mut self, asked: &[u64], listed: &HashMap<u64, Option<Vec<u8>>>) {
        self.fsyncs.looked_up(asked, listed);
        self.hearing.may_know_all();
    }

    /// A client has sent `REPLCONF ACK`. Any client can send it. Returns true if the caller has to
    /// release waits now, by [`release_heard`](Self::release_heard).
    pub fn acknowledgement_heard(&mut self, client: u64, acked: Offset, now: Micros) -> bool {
        if !self.setup.hears_acknowledgements {
            return false;
        }
        let links_are_known = self.links_are_known();
        let taken = match self.fsyncs.sender(client) {
            Sender::NoReplica => return false,
            Sender::Unknown => {
                self.hearing.has_unknown = true;
                false
            }
            Sender::Replica { host, port } => {
                links_are_known && self.replicas.hear((host, port), acked, now, &self.fsyncs)
            }
        };
        if !taken {
            self.hearing.missed = true;
            return false;
        }
        self.releases_when_heard() && self.ledger.has_releasable(self.replicas.acks())
    }

    /// A command was called that may have let the server carry out commands of replicas meanwhile.
    /// The filter takes these for calls of the module.
    pub fn may_have_missed(&mut self) {
        self.hearing.missed = true;
        self.lone.acknowledgement_heard();
    }

    /// A client has sent `REPLCONF ACK`, whoever it is.
    pub fn acknowledgement_seen(&mut self) {
        self.alarms.acknowledgement_seen();
        self.lone.acknowledgement_heard();
    }

    /// Releases the waits that an acknowledgement has satisfied.
    pub fn release_heard(&mut self, now: Micros) -> Actions<P> {
        let mut actions = Actions::none();
        self.release(&mut actions, now);
        actions
    }

    /// True if the acknowledgements are known without a look.
    pub(super) fn has_heard_all(&self) -> bool {
        self.setup.hears_acknowledgements && !self.hearing.missed && self.links_are_known()
    }

    /// True if the links have not changed since the last look, as far as is known.
    pub(super) fn links_are_known(&self) -> bool {
        self.replicas_current && !self.replicas.needs_listing()
    }

    /// In a cluster that has failed, the cron of Redis replies CLUSTERDOWN to clients that are
    /// released and not served yet. So in clusters waits are released in the timer, which looks at
    /// the cluster first.
    fn releases_when_heard(&self) -> bool {
        self.setup.releases_when_heard && !self.setup.is_cluster
    }

    /// True if waits may have to be released in the timer of this turn: acknowledgements that will
    /// be read in it do not release them.
    pub(super) fn may_release_in_timer(&self) -> bool {
        !self.releases_when_heard()
            || self.hearing.has_unknown
            || !self.has_heard_all()
            || self.ledger.has_releasable(self.replicas.acks())
    }
}
