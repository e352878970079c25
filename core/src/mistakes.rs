//! Mistakes on purpose, for the tests of the fault lab: a build that makes one has to be caught.
//! Only with the feature `mistakes`, which no build for users has.

use std::sync::atomic::{AtomicU8, Ordering};

/// A wrong rule for what counts as an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mistake {
    /// Waits are released at the end of the turn that sends the request for acknowledgements.
    EarlyRelease = 1,
    /// A replica that is loading its full synchronization acknowledges everything.
    CountsLoading,
    /// After a change of role, offsets that were acknowledged in the old stream count in the new
    /// one.
    KeepsAcknowledgements,
    /// A link that is gone acknowledges everything.
    CountsGoneLinks,
    /// One more replica than there is acknowledges everything.
    CountsOneMore,
}

impl Mistake {
    /// All mistakes and their names.
    pub const EACH: [(&'static str, Mistake); 5] = [
        ("early-release", Mistake::EarlyRelease),
        ("counts-loading", Mistake::CountsLoading),
        ("keeps-acknowledgements", Mistake::KeepsAcknowledgements),
        ("counts-gone-links", Mistake::CountsGoneLinks),
        ("counts-one-more", Mistake::CountsOneMore),
    ];

    /// The mistake of that name.
    pub fn named(name: &[u8]) -> Option<Mistake> {
        let mut each = Self::EACH.into_iter();
        each.find_map(|(known, mistake)| (known.as_bytes() == name).then_some(mistake))
    }

    /// Makes this mistake from now on, until the process ends.
    pub fn make(self) {
        CURRENT.store(self as u8, Ordering::Relaxed);
    }

    /// Whether this mistake is to be made.
    pub fn is_made(self) -> bool {
        CURRENT.load(Ordering::Relaxed) == self as u8
    }
}

/// 0: none.
static CURRENT: AtomicU8 = AtomicU8::new(0);
