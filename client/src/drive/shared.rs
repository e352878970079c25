//! What all sessions of a client share.

use std::sync::{Mutex, MutexGuard};

use crate::decide::knowledge::Knowledge;
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Counters;
use crate::drive::fetches::SharedFetches;

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    pub(crate) stats: Counters,
    pub(crate) fetches: SharedFetches,
    knowledge: Mutex<Knowledge>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, seeds: Vec<Node>) -> Shared {
        Shared {
            settings,
            #[cfg(feature = "tls")]
            tls: None,
            stats: Counters::default(),
            fetches: SharedFetches::default(),
            knowledge: Mutex::new(Knowledge::new(seeds)),
        }
    }

    /// Locks the knowledge. Nothing that runs under this lock waits or calls the caller's code.
    ///
    /// No change is left half done either, so the lock can be used after another thread has
    /// panicked.
    pub(crate) fn know(&self) -> MutexGuard<'_, Knowledge> {
        self.knowledge
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
