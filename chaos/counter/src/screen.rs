//! The progress bar with its live line. Without a terminal it prints a line now and then instead.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tally::Tally;

const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// A pause between acknowledgements that is worth showing while it lasts.
const NOTABLE: Duration = Duration::from_secs(1);
/// Errors may be long. The line should stay one line.
const ERROR_LENGTH: usize = 60;

pub struct Screen {
    bar: ProgressBar,
    begun: Instant,
    seconds: u64,
    next_line: Instant,
}

impl Screen {
    pub fn start(seconds: u32, now: Instant) -> Screen {
        let seconds = u64::from(seconds);
        let bar = ProgressBar::with_draw_target(Some(seconds), ProgressDrawTarget::stderr());
        // If the template does not parse, the standard look stays.
        if let Ok(look) = ProgressStyle::with_template("{bar:60.cyan} {pos}/{len} s\n{wide_msg}") {
            bar.set_style(look);
        }
        Screen {
            bar,
            begun: now,
            seconds,
            next_line: now + BETWEEN_LINES,
        }
    }

    pub fn show(&mut self, tally: &Tally, ending: bool, now: Instant) {
        let line = live_line(tally, ending, now);
        let passed = now.saturating_duration_since(self.begun);
        self.bar.set_position(passed.as_secs().min(self.seconds));
        if self.bar.is_hidden() && now >= self.next_line {
            self.next_line = now + BETWEEN_LINES;
            eprintln!("{} s: {line}", passed.as_secs());
        }
        self.bar.set_message(line);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn live_line(tally: &Tally, ending: bool, now: Instant) -> String {
    let mut line = format!(
        "{} acknowledged, {} retried, longest interruption {:.1} s",
        HumanCount(tally.acknowledged()),
        HumanCount(tally.retried),
        tally.longest_interruption(now).as_secs_f64(),
    );
    if tally.unknown() > 0 {
        line += &format!(", {} of unknown outcome", HumanCount(tally.unknown()));
    }
    let pause = tally.since_acknowledged(now);
    if ending {
        line += "; waiting for outstanding answers";
    } else if pause >= NOTABLE {
        line += &format!("; none for {:.1} s", pause.as_secs_f64());
        if let Some(error) = &tally.last_error {
            let short: String = error.chars().take(ERROR_LENGTH).collect();
            line += &format!(": {short}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_why_nothing_is_acknowledged() {
        let begin = Instant::now();
        let mut tally = Tally::new(1, begin);
        tally.acknowledge(0, 0, 1, begin);
        tally.retry("NOREPLICAS 0 of 1 required replicas are connected");
        assert_eq!(
            live_line(&tally, false, begin),
            "1 acknowledged, 1 retried, longest interruption 0.0 s"
        );
        assert_eq!(
            live_line(&tally, false, begin + Duration::from_secs(3)),
            "1 acknowledged, 1 retried, longest interruption 3.0 s; none for 3.0 s: NOREPLICAS 0 \
             of 1 required replicas are connected"
        );
    }
}
