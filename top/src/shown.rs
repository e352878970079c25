//! What the screen shows now, and what a key or a look changes. No I/O; time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rates::Rates;
use crate::sample::Sample;
use crate::watch::Look;

/// As wide as any screen.
const HISTORY: usize = 400;
/// An answer that takes longer is late, and the figures are shown as old.
const LATE: Duration = Duration::from_secs(2);

/// The state of the screen.
#[derive(Default)]
pub struct Shown {
    pub address: String,
    pub interval: Duration,
    pub sample: Option<Sample>,
    pub rates: Option<Rates>,
    /// When `sample` was read.
    pub read_at: Option<Instant>,
    /// Why the last look failed.
    pub trouble: Option<String>,
    /// Acknowledged waits per second, the newest last.
    pub history: VecDeque<u64>,
    pub paused: bool,
    pub help: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Quit,
}

impl Shown {
    pub fn new(address: &str, interval: Duration) -> Shown {
        Shown {
            address: address.into(),
            interval,
            ..Shown::default()
        }
    }

    /// Takes what a look found. While paused nothing changes.
    pub fn take(&mut self, look: Result<Look, String>, now: Instant) {
        if self.paused {
            return;
        }
        match look {
            Ok((sample, rates)) => {
                self.trouble = None;
                self.read_at = Some(now);
                self.sample = Some(sample);
                self.rates = rates;
                if let Some(rates) = rates {
                    self.history.push_back(rates.acknowledged.round() as u64);
                    if self.history.len() > HISTORY {
                        self.history.pop_front();
                    }
                }
            }
            // The last figures stay, with their age.
            Err(error) => self.trouble = Some(error),
        }
    }

    pub fn key(&mut self, key: char) -> Next {
        match key {
            'q' => return Next::Quit,
            'p' => self.paused = !self.paused,
            '?' => self.help = !self.help,
            _ => self.help = false,
        }
        Next::GoOn
    }

    /// What the title says in place of the server's version: `connecting`, `reconnecting …`,
    /// `PAUSED`, with the age of the figures. `None` if the figures are new.
    pub fn status(&self, now: Instant) -> Option<String> {
        let past = self.read_at.map(|read| now.saturating_duration_since(read));
        let age = past.map(|past| past.as_secs());
        if self.paused {
            return Some(match age {
                Some(age) => format!("PAUSED, figures of {age} s ago"),
                None => "PAUSED".into(),
            });
        }
        match (&self.trouble, age) {
            (Some(error), Some(age)) => {
                Some(format!("reconnecting, figures of {age} s ago: {error}"))
            }
            (Some(error), None) => Some(format!("cannot connect, trying again: {error}")),
            (None, None) => Some("connecting".into()),
            (None, Some(age)) if past > Some(self.interval + LATE) => {
                Some(format!("no answer yet; figures of {age} s ago"))
            }
            (None, Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(waiters: i64) -> Look {
        let sample = Sample::from_info(&format!("durable_version:1\ndurable_waiters:{waiters}\n"));
        let rates = Rates {
            acknowledged: 2.0,
            ..Rates::default()
        };
        (sample, Some(rates))
    }

    fn waiters(shown: &Shown) -> Option<i64> {
        shown
            .sample
            .as_ref()
            .and_then(|sample| sample.field("waiters"))
    }

    #[test]
    fn a_lost_connection_keeps_the_figures_and_shows_their_age() {
        let begin = Instant::now();
        let mut shown = Shown::new("h:1", Duration::from_secs(1));
        assert_eq!(shown.status(begin).as_deref(), Some("connecting"));
        shown.take(Ok(look(3)), begin);
        assert_eq!(shown.status(begin), None);
        shown.take(Err("refused".into()), begin);
        let later = begin + Duration::from_secs(7);
        assert_eq!(
            shown.status(later).as_deref(),
            Some("reconnecting, figures of 7 s ago: refused")
        );
        assert_eq!(waiters(&shown), Some(3));
        shown.take(Ok(look(4)), later);
        assert_eq!((shown.status(later), waiters(&shown)), (None, Some(4)));
        let late = later + Duration::from_secs(4);
        let status = shown.status(late);
        assert_eq!(status.as_deref(), Some("no answer yet; figures of 4 s ago"));
    }

    #[test]
    fn a_paused_screen_does_not_change() {
        let now = Instant::now();
        let mut shown = Shown::new("h:1", Duration::from_secs(1));
        shown.take(Ok(look(3)), now);
        assert_eq!(shown.key('p'), Next::GoOn);
        shown.take(Ok(look(4)), now);
        assert_eq!(waiters(&shown), Some(3));
        shown.key('p');
        shown.take(Ok(look(5)), now);
        assert_eq!(waiters(&shown), Some(5));
    }

    #[test]
    fn keys_open_help_close_it_and_quit() {
        let mut shown = Shown::new("h:1", Duration::from_secs(1));
        shown.key('?');
        assert!(shown.help);
        shown.key('x');
        assert!(!shown.help);
        assert_eq!(shown.key('q'), Next::Quit);
    }

    #[test]
    fn the_history_is_bounded() {
        let mut shown = Shown::new("h:1", Duration::from_secs(1));
        for _ in 0..2 * HISTORY {
            shown.take(Ok(look(0)), Instant::now());
        }
        assert_eq!(shown.history.len(), HISTORY);
    }
}
