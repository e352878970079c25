//! The connections on which the writes of a slot were sent, for the fences after them. Pure.
//!
//! A fence (`DURABLE.WAIT`) succeeds when everything that its server has executed is acknowledged.
//! It covers the writes before it only if that server has executed all of them: not after a
//! failover, and not after a restart. As long as the fence goes over the connection of its writes,
//! neither another server nor another run of this one has come in between. One case does not show
//! here: connections survive if the server was demoted and promoted again.

use std::collections::HashMap;

use crate::decide::links::ConnectionId;

/// The writes of each slot that no fence has covered yet.
#[derive(Default)]
pub(crate) struct Fences {
    writes: HashMap<Option<u16>, Writes>,
}

#[derive(Clone, Copy, PartialEq)]
enum Writes {
    /// All were sent on this connection.
    On(ConnectionId),
    /// They were sent on several connections, or it is not known where. No fence covers them all.
    Apart,
}

impl Fences {
    /// A write to this slot was executed, or may have been, on this connection.
    pub(crate) fn written(&mut self, slot: Option<u16>, connection: ConnectionId) {
        let own = Writes::On(connection);
        let writes = self.writes.entry(slot).or_insert(own);
        if *writes != own {
            *writes = Writes::Apart;
        }
    }

    /// A write to this slot may have been executed, and it is not known where.
    pub(crate) fn written_somewhere(&mut self, slot: Option<u16>) {
        self.writes.insert(slot, Writes::Apart);
    }

    /// Whether a fence on this connection covers all writes to this slot. It does if there were
    /// none.
    pub(crate) fn cover(&self, slot: Option<u16>, connection: ConnectionId) -> bool {
        let writes = self.writes.get(&slot);
        writes.is_none_or(|writes| *writes == Writes::On(connection))
    }

    /// The caller knows the outcome of the writes so far: a fence has succeeded, or has reported
    /// that they may be lost.
    pub(crate) fn settled(&mut self, slot: Option<u16>) {
        self.writes.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Option<u16> = Some(1);

    #[test]
    fn a_fence_covers_writes_to_its_slot_on_the_same_connection_only() {
        let mut fences = Fences::default();
        assert!(fences.cover(SLOT, ConnectionId(7)));
        fences.written(SLOT, ConnectionId(7));
        fences.written(SLOT, ConnectionId(7));
        assert!(fences.cover(SLOT, ConnectionId(7)));
        assert!(!fences.cover(SLOT, ConnectionId(8)));
        assert!(fences.cover(Some(2), ConnectionId(8)));
    }

    #[test]
    fn writes_on_several_connections_are_covered_by_no_fence_until_the_caller_knows() {
        let mut fences = Fences::default();
        fences.written(SLOT, ConnectionId(7));
        fences.written(SLOT, ConnectionId(8));
        for connection in [7, 8, 9].map(ConnectionId) {
            assert!(!fences.cover(SLOT, connection));
        }
        fences.written(SLOT, ConnectionId(8));
        assert!(!fences.cover(SLOT, ConnectionId(8)));
        fences.settled(SLOT);
        assert!(fences.cover(SLOT, ConnectionId(8)));
        fences.written(SLOT, ConnectionId(8));
        assert!(fences.cover(SLOT, ConnectionId(8)));
        fences.written_somewhere(SLOT);
        assert!(!fences.cover(SLOT, ConnectionId(8)));
    }
}
