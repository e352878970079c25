//! Whether anybody tracks the map, by `CLIENT TRACKING ON BCAST PREFIX …` with a prefix of [`TOPOLOGY_KEY`].
//!
//! The server tells how many prefixes are tracked and by nobody which. So the commands that ask for it are heard, and
//! the number is looked up now and then, but only while somebody may track: most servers never meet such a client.

use std::collections::HashSet;

/// The name that is signalled when the map has changed. No key has it.
pub const TOPOLOGY_KEY: &[u8] = b"__slothint__:topology";

/// How often the server's number is looked up, while somebody may track.
const GLANCE_MS: u64 = 1000;

/// For so long after a client asked, somebody may: the command is heard before it is executed, and what was queued in
/// a MULTI is heard again at its EXEC.
const MAY_TRACK_MS: u64 = 60_000;

/// What was heard and seen of trackers.
#[derive(Debug)]
pub struct Trackers {
    /// Clients that asked and have not left. Their id is 0 where the server does not tell it.
    asked: HashSet<u64>,
    /// When one last asked.
    asked_ms: Option<u64>,
    /// There may be some that were never heard: the module was loaded after they asked.
    unheard: bool,
    /// When the server's number was last looked up.
    seen_ms: Option<u64>,
    tracked: bool,
}

impl Default for Trackers {
    fn default() -> Self {
        Self {
            asked: HashSet::new(),
            asked_ms: Some(0),
            unheard: true,
            seen_ms: None,
            tracked: false,
        }
    }
}

impl Trackers {
    /// A client sends `CLIENT TRACKING` and these words.
    pub fn heard<'a>(&mut self, client: u64, words: impl Iterator<Item = &'a [u8]>, now_ms: u64) {
        if tracks_topology(words) {
            self.asked.insert(client);
            self.may_begin(now_ms);
        }
    }

    /// A client sends `EXEC`: what it asked may have been queued till now.
    pub fn executes(&mut self, client: u64, now_ms: u64) {
        if self.asked.contains(&client) {
            self.may_begin(now_ms);
        }
    }

    fn may_begin(&mut self, now_ms: u64) {
        self.asked_ms = Some(now_ms);
        // Looked up at the next occasion.
        self.seen_ms = None;
    }

    /// A client left.
    pub fn left(&mut self, client: u64) {
        self.asked.remove(&client);
    }

    /// Whether somebody tracks, or may by now. A change has to be signalled then: one signal too many does no harm.
    pub fn is_possible(&self, now_ms: u64) -> bool {
        let asked_lately = |at| now_ms.saturating_sub(at) < MAY_TRACK_MS;
        self.tracked || self.asked_ms.is_some_and(asked_lately)
    }

    /// Whether somebody tracks, so that changes have to be looked for.
    pub fn is_tracked(&self) -> bool {
        self.tracked
    }

    /// Whether the server's number is to be looked up now.
    pub fn is_glance_due(&self, now_ms: u64) -> bool {
        let is_old = |seen| now_ms.saturating_sub(seen) >= GLANCE_MS;
        self.is_possible(now_ms) && self.seen_ms.is_none_or(is_old)
    }

    /// Takes the server's number of tracked prefixes. True if tracking has begun.
    pub fn glanced(&mut self, prefixes: u64, now_ms: u64) -> bool {
        self.seen_ms = Some(now_ms);
        // Once there are none, all that come are heard.
        self.unheard &= prefixes > 0;
        let tracked = prefixes > 0 && (self.unheard || !self.asked.is_empty());
        let begins = tracked && !self.tracked;
        self.tracked = tracked;
        begins
    }
}

/// `ON … BCAST … [PREFIX p]…`, in any order and case.
fn tracks_topology<'a>(words: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut words = words;
    let (mut broadcast, mut prefixes, mut matching) = (false, false, false);
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"BCAST") {
            broadcast = true;
        } else if word.eq_ignore_ascii_case(b"PREFIX") {
            prefixes = true;
            matching |= words
                .next()
                .is_some_and(|prefix| TOPOLOGY_KEY.starts_with(prefix));
        } else if word.eq_ignore_ascii_case(b"REDIRECT") {
            words.next();
        }
    }
    broadcast && (matching || !prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> impl Iterator<Item = &[u8]> {
        line.split(' ').map(str::as_bytes)
    }

    #[test]
    fn only_broadcasts_of_a_prefix_of_the_name_track_the_map() {
        for line in [
            "ON BCAST",
            "on REDIRECT 5 bcast prefix __slothint__:",
            "ON PREFIX user: PREFIX __slothint__:topology BCAST NOLOOP",
            "ON BCAST PREFIX ",
        ] {
            assert!(tracks_topology(words(line)), "{line}");
        }
        for line in [
            "ON",
            "OFF",
            "ON OPTIN",
            "ON BCAST PREFIX user:",
            "ON BCAST PREFIX __slothint__:topology:",
            "ON REDIRECT BCAST",
            "ON BCAST PREFIX",
        ] {
            assert!(!tracks_topology(words(line)), "{line}");
        }
    }

    #[test]
    fn a_module_that_is_loaded_looks_whether_there_are_some_already() {
        let mut trackers = Trackers::default();
        assert!(trackers.is_glance_due(0));
        assert!(trackers.glanced(1, 0), "it cannot know of what");
        assert!(trackers.is_tracked());
        assert!(!trackers.glanced(0, 1000) && !trackers.is_tracked());
        // From then on the others are known.
        assert!(!trackers.glanced(1, 2000) && !trackers.is_tracked());
        assert!(!trackers.is_possible(MAY_TRACK_MS));
        assert!(!trackers.is_glance_due(MAY_TRACK_MS));
    }

    /// A while after the load, with nobody who tracks.
    fn settled() -> (Trackers, u64) {
        let mut trackers = Trackers::default();
        trackers.glanced(0, 0);
        (trackers, 10 * MAY_TRACK_MS)
    }

    #[test]
    fn from_asking_on_it_is_possible_and_from_the_next_glance_on_it_is_so() {
        let (mut trackers, now) = settled();
        trackers.glanced(0, now - 1);
        trackers.heard(7, words("ON BCAST"), now);
        assert!(trackers.is_possible(now) && !trackers.is_tracked());
        assert!(trackers.is_glance_due(now), "also if the last was just now");
        assert!(trackers.glanced(1, now));
        assert!(!trackers.is_glance_due(now + GLANCE_MS - 1));
        assert!(
            trackers.is_glance_due(now + 2 * MAY_TRACK_MS),
            "while it lasts"
        );
        assert!(
            !trackers.glanced(1, now + GLANCE_MS),
            "it does not begin again"
        );
        assert!(trackers.is_tracked());
    }

    #[test]
    fn who_tracks_something_else_makes_no_work() {
        let (mut trackers, now) = settled();
        trackers.heard(7, words("ON BCAST PREFIX user:"), now);
        assert!(!trackers.is_possible(now));
        assert!(!trackers.glanced(5, now) && !trackers.is_tracked());
        trackers.heard(8, words("ON BCAST PREFIX __"), now);
        assert!(trackers.glanced(6, now));
        trackers.left(8);
        assert!(!trackers.glanced(5, now) && !trackers.is_tracked());
    }

    #[test]
    fn what_was_queued_for_long_is_heard_again_when_it_is_executed() {
        let (mut trackers, now) = settled();
        trackers.heard(7, words("ON BCAST"), now);
        let later = now + 2 * MAY_TRACK_MS;
        assert!(!trackers.is_possible(later));
        trackers.executes(8, later);
        assert!(!trackers.is_possible(later));
        trackers.executes(7, later);
        assert!(trackers.is_possible(later) && trackers.is_glance_due(later));
    }
}
