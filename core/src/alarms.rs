//! What the server's log is told of the replicas: that the configured requirement can no longer be
//! met, that it can be again, and which links do not count and why. One line each, and none for a
//! single write.
//!
//! The log is for an operator at night. What passes by itself within two seconds, such as a
//! replica that is still connecting, is not worth a line.

use crate::options::Word;
use crate::replicas::{Reason, Shown};

/// What a look shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Microseconds on the caller's clock.
    pub now: u64,
    /// How many replicas the configured requirement needs; `None` where it cannot be computed.
    pub required: Option<u32>,
    /// How many replicas count for the admission of a command.
    pub connected: u32,
    /// Commands refused because too few replicas were connected, since the module was loaded.
    pub refused: u64,
    /// Waits given up, likewise.
    pub given_up: u64,
    /// The links that do not count.
    pub uncounted: Vec<Uncounted>,
}

/// A link that does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uncounted {
    host: Vec<u8>,
    port: u16,
    reason: Reason,
}

impl Uncounted {
    /// `None` for a link that counts.
    pub fn of(link: &Shown<'_>) -> Option<Self> {
        Some(Self {
            host: link.host.to_vec(),
            port: link.port,
            reason: link.reason?,
        })
    }
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Something to see to.
    Warning(String),
    /// Good news.
    Notice(String),
}

/// What was said, and what is about to be.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Something has changed since the last look.
    roused: bool,
    /// A link has acknowledged something since the last look, and may count now.
    heard: bool,
    next_look: u64,
    unmet: Option<Unmet>,
    /// The links that do not count, since when, and whether that was said.
    uncounted: (Vec<Uncounted>, u64, bool),
    /// The links that were named last, and when.
    named: Option<(Vec<Uncounted>, u64)>,
}

/// Since the requirement is not met.
#[derive(Debug)]
struct Unmet {
    since: u64,
    refused: u64,
    given_up: u64,
    said: bool,
}

/// What lasts for less than this is not said, in microseconds.
const PASSING: u64 = 2_000_000;
/// While something is awaited the replicas are looked at no more often than this.
const INTERVAL: u64 = 1_000_000;
/// The same links are not named again so soon: one of them may come and go.
const NAMED_AGAIN: u64 = 60_000_000;
/// No more links are named in one line.
const NAMED: usize = 8;

impl Alarms {
    /// A replica came or went, a setting changed, or a command was refused.
    pub fn rouse(&mut self) {
        self.roused = true;
    }

    /// A link has acknowledged something, true or not.
    pub fn acknowledgement_heard(&mut self) {
        self.heard = self.unmet.is_some();
    }

    /// True if it is time for a look: something has changed, or may have, or is about to be said
    /// unless it passes.
    pub fn wants_look(&mut self, now: u64) -> bool {
        let links = !self.uncounted.0.is_empty() && !self.uncounted.2;
        let requirement = self.unmet.as_ref().is_some_and(|unmet| !unmet.said);
        let awaited = links || requirement || self.heard;
        let wanted = self.roused || (awaited && now >= self.next_look);
        if wanted {
            self.roused = false;
            self.heard = false;
            self.next_look = now.saturating_add(INTERVAL);
        }
        wanted
    }

    /// This server is no primary: there is nothing to say.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a look, and tells what is to be said.
    pub fn observe(&mut self, sight: Sight) -> Vec<Line> {
        let requirement = self.requirement(&sight);
        requirement.into_iter().chain(self.links(sight)).collect()
    }

    fn requirement(&mut self, sight: &Sight) -> Option<Line> {
        let required = sight.required;
        if required.is_some_and(|required| sight.connected >= required) {
            let unmet = self.unmet.take().filter(|unmet| unmet.said)?;
            return Some(Line::Notice(format!(
                "the configured requirement can be met again: {} replicas count, {} required; \
                 meanwhile {} commands were refused (NOREPLICAS) and {} given up (UNACKED)",
                sight.connected,
                required.unwrap_or(0),
                sight.refused.saturating_sub(unmet.refused),
                sight.given_up.saturating_sub(unmet.given_up),
            )));
        }
        let unmet = self.unmet.get_or_insert(Unmet {
            since: sight.now,
            refused: sight.refused,
            given_up: sight.given_up,
            said: false,
        });
        let passing = sight.now.saturating_sub(unmet.since) < PASSING;
        if unmet.said || passing {
            return None;
        }
        unmet.said = true;
        Some(Line::Warning(match required {
            Some(required) => format!(
                "the configured requirement cannot be met: {} of {required} required replicas \
                 are connected; durable commands are refused (NOREPLICAS)",
                sight.connected
            ),
            None => {
                "the configured requirement cannot be met: durable.replicas is majority or all \
                     and durable.expected-replicas is not set, or fewer than durable.fsync; \
                     durable commands are refused"
                    .into()
            }
        }))
    }

    fn links(&mut self, sight: Sight) -> Option<Line> {
        let mut uncounted = sight.uncounted;
        uncounted.sort_unstable();
        if uncounted != self.uncounted.0 {
            self.uncounted = (uncounted, sight.now, false);
        }
        let (uncounted, since, said) = &mut self.uncounted;
        let passing = sight.now.saturating_sub(*since) < PASSING;
        if uncounted.is_empty() || *said || passing {
            return None;
        }
        *said = true;
        let named = self.named.as_ref().filter(|(links, at)| {
            links == uncounted && sight.now.saturating_sub(*at) < NAMED_AGAIN
        });
        if named.is_some() {
            return None;
        }
        self.named = Some((uncounted.clone(), sight.now));
        let name = |link: &Uncounted| {
            let (host, port) = (Word::new(&link.host), link.port);
            format!("{host}:{port} ({})", link.reason.text())
        };
        let names: Vec<_> = uncounted.iter().take(NAMED).map(name).collect();
        let more = match uncounted.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(Line::Warning(format!(
            "links that do not count as replicas: {}{more}; see DURABLE.REPLICAS",
            names.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn sight(seconds: u64, connected: u32, required: u32) -> Sight {
        Sight {
            now: seconds * SECOND,
            required: Some(required),
            connected,
            refused: 10 * seconds,
            given_up: seconds,
            uncounted: Vec::new(),
        }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines
            .iter()
            .map(|line| match line {
                Line::Warning(text) | Line::Notice(text) => text.as_str(),
            })
            .collect()
    }

    #[test]
    fn one_line_says_that_the_requirement_is_not_met_and_one_that_it_is_again() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.observe(sight(1, 2, 2)), []);
        assert_eq!(alarms.observe(sight(2, 1, 2)), [], "it may pass");
        let lines = alarms.observe(sight(4, 1, 2));
        assert!(texts(&lines)[0].contains("1 of 2 required replicas"));
        assert_eq!(alarms.observe(sight(5, 0, 2)), []);
        let lines = alarms.observe(sight(7, 2, 2));
        assert!(matches!(lines[..], [Line::Notice(_)]));
        assert!(texts(&lines)[0].contains("50 commands were refused (NOREPLICAS) and 5 given up"));
        assert_eq!(alarms.observe(sight(8, 2, 2)), []);
    }

    #[test]
    fn a_replica_that_comes_and_goes_within_two_seconds_is_not_worth_a_line() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.observe(sight(1, 0, 1)), []);
        assert_eq!(alarms.observe(sight(2, 1, 1)), []);
        let mut alarms = Alarms::default();
        assert_eq!(alarms.observe(sight(1, 0, 1)), []);
        assert_eq!(alarms.observe(sight(3, 0, 1)).len(), 1);
    }

    #[test]
    fn a_requirement_that_cannot_be_computed_cannot_be_met() {
        let mut alarms = Alarms::default();
        let mut unknown = sight(1, 5, 0);
        unknown.required = None;
        alarms.observe(unknown.clone());
        unknown.now += PASSING;
        let lines = alarms.observe(unknown);
        assert!(texts(&lines)[0].contains("durable.expected-replicas is not set"));
    }

    #[test]
    fn links_that_go_on_not_counting_are_named_once_with_their_reasons() {
        let link = |host: &[u8], port, reason| Uncounted {
            host: host.to_vec(),
            port,
            reason,
        };
        let mut alarms = Alarms::default();
        let seen = |seconds, uncounted| Sight {
            uncounted,
            ..sight(seconds, 1, 1)
        };
        let loading = vec![link(b"a", 1, Reason::Loading)];
        assert_eq!(alarms.observe(seen(1, loading.clone())), []);
        assert!(alarms.wants_look(2 * SECOND), "it may pass");
        let both = vec![
            link(b"b\n#", 0, Reason::NoListeningPort),
            link(b"a", 1, Reason::Loading),
        ];
        assert_eq!(alarms.observe(seen(2, both.clone())), []);
        let lines = alarms.observe(seen(4, both.clone()));
        assert_eq!(
            texts(&lines),
            [
                "links that do not count as replicas: a:1 (loading), b\\n#:0 (no listening port); \
              see DURABLE.REPLICAS"
            ]
        );
        assert_eq!(alarms.observe(seen(9, both)), []);
        assert!(!alarms.wants_look(10 * SECOND), "all is said");
        assert_eq!(alarms.observe(seen(10, Vec::new())), []);
        alarms.observe(seen(11, loading.clone()));
        assert_eq!(
            alarms.observe(seen(13, loading.clone())).len(),
            1,
            "others than the last"
        );
        for second in 14..70 {
            let there = if second % 4 < 3 {
                loading.clone()
            } else {
                Vec::new()
            };
            assert_eq!(alarms.observe(seen(second, there)), [], "it comes and goes");
        }
        let many = (0..20)
            .map(|port| link(b"c", port, Reason::NotAllowed))
            .collect::<Vec<_>>();
        alarms.observe(seen(80, many.clone()));
        assert!(texts(&alarms.observe(seen(82, many)))[0].contains("and 12 more;"));
    }

    #[test]
    fn nobody_looks_while_nothing_changes() {
        let mut alarms = Alarms::default();
        assert!(!alarms.wants_look(0));
        alarms.rouse();
        assert!(alarms.wants_look(0));
        alarms.observe(sight(0, 1, 1));
        assert!(!alarms.wants_look(100 * SECOND));
        alarms.rouse();
        assert!(alarms.wants_look(100 * SECOND));
        alarms.observe(sight(100, 0, 1));
        assert!(alarms.wants_look(102 * SECOND), "whether it passes");
        assert_eq!(alarms.observe(sight(102, 0, 1)).len(), 1);
        assert!(!alarms.wants_look(200 * SECOND));
        // No event tells that a link has begun to count.
        alarms.acknowledgement_heard();
        assert!(alarms.wants_look(200 * SECOND));
        alarms.acknowledgement_heard();
        assert!(!alarms.wants_look(200 * SECOND + 1), "not at each of them");
        assert!(alarms.wants_look(201 * SECOND));
        alarms.observe(sight(201, 1, 1));
        alarms.acknowledgement_heard();
        assert!(!alarms.wants_look(300 * SECOND));
    }
}
