//! What happened, counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often each thing happened since the client was made, in all of its sessions
        /// together.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        /// The same, while it is counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Count,)+
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.get(),)+ }
            }
        }
    };
}

counters! {
    /// Commands with a key, counted once each however often they were sent.
    commands,
    /// Of these, those whose slot was in the cache.
    hits,
    /// And those whose slot was not, so that they went to the default node.
    misses,
    /// Pipelines sent and answered, one for each node of a batch, and requests for hints: what the
    /// network costs.
    round_trips,
    /// `MOVED` answers.
    moved,
    /// `ASK` answers.
    asked,
    /// Slots that a `MOVED` or an unexpected success corrected by itself.
    patches,
    /// Shards that were moved as a whole, because a known replica had become their primary.
    failovers,
    /// `TRYAGAIN` answers.
    try_again,
    /// `CLUSTERDOWN` answers to commands that had not been executed.
    cluster_down,
    /// `LOADING` answers.
    loading,
    /// `READONLY` and other answers of nodes that are no primary.
    not_primary,
    /// Commands that were sent again for any reason but a redirection.
    retries,
    /// Commands whose outcome is unknown.
    outcome_unknown,
    /// `SLOTHINT` requests.
    hint_requests,
    /// `SLOTHINT.MAP` requests, those of the background refresh included.
    map_requests,
    /// Slots that hints and maps taught or changed.
    hinted_slots,
    /// Changes of the map that `SLOTHINT.WATCH` reported.
    watch_updates,
    /// Connections made.
    connections,
    /// Connections that broke, and attempts to connect that failed.
    connection_failures,
    /// Connections that were closed because the server had sent what no command had asked for:
    /// which reply belongs to which command is not known then.
    surplus_replies,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: usize) {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
