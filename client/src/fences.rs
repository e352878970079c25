//! Which connection the writes of a slot were sent on, for the fences after them. Pure.
//!
//! A fence (`DURABLE.WAIT`) says that what its server has executed is acknowledged. Of the writes before it that says
//! something only where that server executed them: not after a failover, and not after a restart. As long as
//! it is sent on their very connection, neither has come in between.

use std::collections::HashMap;

/// The connections of a session, counted as they are made.
pub(crate) type Serial = u64;

#[derive(Default)]
pub(crate) struct Fences {
    written_on: HashMap<Option<u16>, Serial>,
}

impl Fences {
    /// A command that may write goes to this slot, on this connection.
    pub(crate) fn written(&mut self, slot: Option<u16>, connection: Serial) {
        self.written_on.insert(slot, connection);
    }

    /// Whether a fence on this connection speaks of the writes to this slot. It does where there were none.
    pub(crate) fn cover(&self, slot: Option<u16>, connection: Serial) -> bool {
        self.written_on
            .get(&slot)
            .is_none_or(|written| *written == connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_speaks_of_the_latest_write_to_its_slot_on_the_same_connection_only() {
        let mut fences = Fences::default();
        assert!(fences.cover(Some(1), 7));
        fences.written(Some(1), 7);
        assert!(fences.cover(Some(1), 7));
        assert!(!fences.cover(Some(1), 8));
        assert!(fences.cover(Some(2), 8));
        fences.written(Some(1), 8);
        assert!(fences.cover(Some(1), 8));
        assert!(!fences.cover(Some(1), 7));
    }
}
