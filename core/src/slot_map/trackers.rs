//! Whether clients track the slot map, by `CLIENT TRACKING ON BCAST PREFIX p` with a prefix of
//! [`TOPOLOGY_KEY`].
//!
//! INFO reports how many prefixes are tracked (`tracking_total_prefixes`), not which. So a command
//! filter notes the clients that send the command. While one of them may track, the number is read
//! once a second. Most servers never meet such a client, and read the number only in the first
//! minute after the module was loaded.
//!
//! | case | is a change signalled | does the module look for changes |
//! |---|---|---|
//! | no client has sent the command | no | no |
//! | a client sent it within the last minute | yes | no |
//! | such a client is connected, and the number is above 0 | yes | yes |
//!
//! Clients may have sent the command before the module was loaded. So loading counts as sending it.
//! Until the number was 0 once, any tracked prefix may be a prefix of the map's name.

use std::collections::HashSet;

use crate::units::{ClientId, Millis};

/// The name that is signalled as modified when the map has changed. No key has this name.
pub const TOPOLOGY_KEY: &[u8] = b"__slothint__:topology";

/// The time between two reads of the server's number, unless a client has just sent the command.
const READ_INTERVAL: Millis = Millis::from_secs(1);

/// For this long after it sent the command, a client counts as one that possibly tracks, even if
/// the number at the last read was 0: the filter sees the command before it is executed. If the
/// command was queued in a MULTI, the time starts again at the EXEC.
const MAY_TRACK: Millis = Millis::from_secs(60);

/// The clients that may track the map, and the last number that the server reported.
#[derive(Debug)]
pub struct Trackers {
    /// Clients that sent the command and have not left. Id 0 stands for unknown clients.
    clients: HashSet<ClientId>,
    /// When the last of them sent it. The time when the module was loaded counts as well.
    sent: Option<Millis>,
    /// Some clients may have sent the command before the module was loaded.
    may_predate_module: bool,
    /// When the server's number was last read. `None` if the next read is due at once.
    read: Option<Millis>,
    /// Some client tracks, as of the last read.
    tracked: bool,
}

impl Trackers {
    /// The module is loaded. Clients may have sent the command before.
    pub fn at_load(now_ms: u64) -> Self {
        Self {
            clients: HashSet::new(),
            sent: Some(Millis::new(now_ms)),
            may_predate_module: true,
            read: None,
            tracked: false,
        }
    }

    /// A client sends `CLIENT TRACKING`, followed by these words.
    pub fn tracking_sent<'a>(
        &mut self,
        client: u64,
        words: impl Iterator<Item = &'a [u8]>,
        now_ms: u64,
    ) {
        if tracks_topology(words) {
            self.clients.insert(ClientId::new(client));
            self.may_begin(now_ms);
        }
    }

    /// A client sends `EXEC`. Its `CLIENT TRACKING` may have been queued until now.
    pub fn exec_sent(&mut self, client: u64, now_ms: u64) {
        if self.clients.contains(&ClientId::new(client)) {
            self.may_begin(now_ms);
        }
    }

    fn may_begin(&mut self, now_ms: u64) {
        self.sent = Some(Millis::new(now_ms));
        self.read = None;
    }

    /// A client left.
    pub fn client_left(&mut self, client: u64) {
        self.clients.remove(&ClientId::new(client));
    }

    /// True if a client tracks, or may track by now. Then a change has to be signalled; a signal
    /// without a tracker does no harm.
    pub fn is_possible(&self, now_ms: u64) -> bool {
        let is_recent = |at| Millis::new(now_ms).since(at) < MAY_TRACK;
        self.tracked || self.sent.is_some_and(is_recent)
    }

    /// True if a client tracks. Then the module has to look for changes.
    pub fn is_tracked(&self) -> bool {
        self.tracked
    }

    /// True if the server's number has to be read now.
    pub fn is_count_due(&self, now_ms: u64) -> bool {
        let is_old = |at| Millis::new(now_ms).since(at) >= READ_INTERVAL;
        self.is_possible(now_ms) && self.read.is_none_or(is_old)
    }

    /// Takes the number of tracked prefixes that the server reports. Returns true if tracking has
    /// begun since the last read.
    pub fn take_count(&mut self, prefixes: u64, now_ms: u64) -> bool {
        self.read = Some(Millis::new(now_ms));
        // Once the number was 0, the filter sees every client that begins to track.
        self.may_predate_module &= prefixes > 0;
        let tracked = prefixes > 0 && (self.may_predate_module || !self.clients.is_empty());
        let begins = tracked && !self.tracked;
        self.tracked = tracked;
        begins
    }
}

/// True for `… BCAST … [PREFIX p]…` in any order and case, if there is no prefix or one of
/// [`TOPOLOGY_KEY`].
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
mod tests;
