//! Decides which lines about replicas the server's log gets.
//!
//! Input: looks at the replicas ([`Snapshot`]). Output: at most two lines for each look
//! ([`LogLine`]):
//! - the configured requirement cannot be met, or can be met again;
//! - some links do not count, and why.
//!
//! The line about the requirement is written once when it cannot be met, and once when it can be
//! met again. The line about links is written once for each set of links and reasons. If the set
//! changes and the new one lasts, all its links are named. The set that was named last is not named
//! again within 60 s.
//!
//! A bad state that lasts for less than two seconds, such as a replica that is still connecting,
//! gets no line. A refused command gets no line of its own. Example, with two required replicas:
//!
//! | second | replicas that count | line |
//! |---|---|---|
//! | 1 | 2 | |
//! | 2 | 1 | |
//! | 4 | 1 | warning: cannot be met, 1 of 2 required replicas are connected |
//! | 5 | 0 | |
//! | 7 | 2 | notice: can be met again, with the numbers of refused and given up commands |

use crate::options::Word;
use crate::replicas::{LinkStatus, Reason};
use crate::units::Micros;

/// The replicas and the counters at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The time of the look, in microseconds on the caller's clock.
    pub now: Micros,
    /// The number of replicas that the configured requirement needs. `None` if the settings give no
    /// requirement: then it cannot be met. Example: `all` without `durable.expected-replicas`.
    pub required: Option<u32>,
    /// The number of replicas that count for the admission of a command.
    pub connected: u32,
    /// Commands refused by NOREPLICAS, since the module was loaded or the statistics were reset.
    pub refused: u64,
    /// Waits given up (UNACKED), likewise.
    pub given_up: u64,
    /// The links that do not count.
    pub uncounted: Vec<UncountedLink>,
}

/// A link that does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UncountedLink {
    host: Vec<u8>,
    port: u16,
    reason: Reason,
}

impl UncountedLink {
    /// Returns `None` for a link that counts.
    pub fn of(link: &LinkStatus<'_>) -> Option<Self> {
        Some(Self {
            host: link.host.to_vec(),
            port: link.port,
            reason: link.reason?,
        })
    }
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLine {
    /// Something that an operator should look at.
    Warning(String),
    /// The end of a state that was warned of.
    Notice(String),
}

/// The states that were logged, or will be if they last.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Something has changed since the last look.
    changed: bool,
    /// While the requirement was not met, a client has sent REPLCONF ACK since the last look. So a
    /// link may count now.
    acknowledged: bool,
    /// The earliest time of the next look without a change.
    next_look: Micros,
    /// `None` while the requirement is met.
    unmet: Option<Unmet>,
    /// The links that do not count.
    uncounted: UncountedLinks,
    /// The links that were named last, and when.
    last_named: Option<(Vec<UncountedLink>, Micros)>,
}

/// A requirement that is not met.
#[derive(Debug)]
struct Unmet {
    since: Micros,
    /// [`Snapshot::refused`] at that time.
    refused: u64,
    /// [`Snapshot::given_up`] at that time.
    given_up: u64,
    logged: bool,
}

/// The links that do not count.
#[derive(Debug, Default)]
struct UncountedLinks {
    /// Sorted.
    links: Vec<UncountedLink>,
    since: Micros,
    logged: bool,
}

/// A state that lasts for less than this is not logged.
const TRANSIENT: Micros = Micros::from_secs(2);
/// The least time between two looks without a change.
const LOOK_INTERVAL: Micros = Micros::from_secs(1);
/// The links that were named last are not named again within this time: a link may come and go.
const REPEAT_INTERVAL: Micros = Micros::from_secs(60);
/// The greatest number of links that one line names.
const MAX_NAMED: usize = 8;

impl Alarms {
    /// A replica came or went, a setting or the role changed, or a command was refused by
    /// NOREPLICAS.
    pub fn something_changed(&mut self) {
        self.changed = true;
    }

    /// A client has sent REPLCONF ACK. It may be no replica, and the offset may be false.
    pub fn acknowledgement_seen(&mut self) {
        self.acknowledged = self.unmet.is_some();
    }

    /// True if a look is due. `now` is in microseconds. A look is due at once after a change. It is
    /// due once a second while a state is not logged yet, or when acknowledgements arrive while the
    /// requirement is not met.
    pub fn is_look_due(&mut self, now: Micros) -> bool {
        let links_pending = !self.uncounted.links.is_empty() && !self.uncounted.logged;
        let unmet_pending = self.unmet.as_ref().is_some_and(|unmet| !unmet.logged);
        let is_pending = links_pending || unmet_pending || self.acknowledged;
        let is_due = self.changed || (is_pending && now >= self.next_look);
        if is_due {
            self.changed = false;
            self.acknowledged = false;
            self.next_look = now.saturating_add(LOOK_INTERVAL);
        }
        is_due
    }

    /// This server is not a primary: forgets all states.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Evaluates a look that was taken, and returns the lines to log.
    pub fn observe(&mut self, sight: Snapshot) -> Vec<LogLine> {
        let requirement = self.requirement_line(&sight);
        requirement
            .into_iter()
            .chain(self.links_line(sight))
            .collect()
    }

    fn requirement_line(&mut self, sight: &Snapshot) -> Option<LogLine> {
        let now = sight.now;
        let required = sight.required;
        if required.is_some_and(|required| sight.connected >= required) {
            let unmet = self.unmet.take().filter(|unmet| unmet.logged)?;
            return Some(LogLine::Notice(format!(
                "the configured requirement can be met again: {} replicas count, {} required; \
                 meanwhile {} commands were refused (NOREPLICAS) and {} given up (UNACKED)",
                sight.connected,
                required.unwrap_or(0),
                sight.refused.saturating_sub(unmet.refused),
                sight.given_up.saturating_sub(unmet.given_up),
            )));
        }
        let unmet = self.unmet.get_or_insert(Unmet {
            since: now,
            refused: sight.refused,
            given_up: sight.given_up,
            logged: false,
        });
        if unmet.logged || now.since(unmet.since) < TRANSIENT {
            return None;
        }
        unmet.logged = true;
        Some(LogLine::Warning(match required {
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

    fn links_line(&mut self, sight: Snapshot) -> Option<LogLine> {
        let now = sight.now;
        let mut links = sight.uncounted;
        links.sort_unstable();
        let uncounted = &mut self.uncounted;
        if links != uncounted.links {
            *uncounted = UncountedLinks {
                links,
                since: now,
                logged: false,
            };
        }
        let is_transient = now.since(uncounted.since) < TRANSIENT;
        if uncounted.links.is_empty() || uncounted.logged || is_transient {
            return None;
        }
        uncounted.logged = true;
        let links = &uncounted.links;
        let is_repeated = |(named, at): &(Vec<UncountedLink>, Micros)| {
            named == links && now.since(*at) < REPEAT_INTERVAL
        };
        if self.last_named.as_ref().is_some_and(is_repeated) {
            return None;
        }
        self.last_named = Some((links.clone(), now));
        let name = |link: &UncountedLink| {
            let (host, port) = (Word::new(&link.host), link.port);
            format!("{host}:{port} ({})", link.reason.text())
        };
        let names: Vec<_> = links.iter().take(MAX_NAMED).map(name).collect();
        let more = match links.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(LogLine::Warning(format!(
            "links that do not count as replicas: {}{more}; see DURABLE.REPLICAS",
            names.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests;
