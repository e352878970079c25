//! Counters of everything that happens in a client. Without locks.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often each thing has happened since the client was made, in all its sessions
        /// together.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        /// The counters behind [`Stats`].
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
    /// Commands with a key. Each counts once, however often it was sent.
    commands,
    /// Commands of these whose slot was in the cache.
    hits,
    /// Commands of these whose slot was not in the cache, so that they went to the default node.
    misses,
    /// Round trips: one for each window of commands ([`crate::Session::batch`]) whose replies were
    /// all read, and one for each request for a hint or the map that was answered.
    round_trips,
    /// `MOVED` answers.
    moved,
    /// `ASK` answers.
    asked,
    /// Slots that were corrected one by one, by `MOVED` or an unexpected success.
    patches,
    /// Shards that were corrected as a whole, because a known replica had become the primary.
    failovers,
    /// `TRYAGAIN` answers to commands that could be sent again.
    try_again,
    /// `CLUSTERDOWN` answers to commands that could be sent again.
    cluster_down,
    /// `LOADING` answers to commands that could be sent again.
    loading,
    /// `READONLY` and other answers of nodes that are not a primary, to commands that could be sent
    /// again.
    not_primary,
    /// `UNACKED` answers to commands by [`crate::Command::once`].
    unacked,
    /// Attempts that failed, of commands that could be sent again. The first 16 redirections of a
    /// command do not count.
    retries,
    /// Commands whose outcome is unknown.
    outcome_unknown,
    /// `SLOTHINT` requests.
    hint_requests,
    /// `SLOTHINT.MAP` requests, including those of the background refresh.
    map_requests,
    /// Slots that hints and maps have taught or changed.
    hinted_slots,
    /// Changes of the map that `SLOTHINT.WATCH` reported.
    watch_updates,
    /// Connections made.
    connections,
    /// Connections that broke, and attempts to connect that failed.
    connection_failures,
    /// Connections that were closed because the server had sent a reply that no command had
    /// requested. It is not known then which reply belongs to which command.
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
