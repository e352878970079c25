//! Prints headings, explanations, commands and replies.
//!
//! Colours and the spinner appear on a terminal only. In a file the output is plain text.

use std::io::{self, Write};
use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

/// Indentation of a legend.
const MARGIN: &str = "  ";
const TICK: Duration = Duration::from_millis(80);

pub struct Screen;

impl Screen {
    pub fn heading(&self, text: &str) -> io::Result<()> {
        self.line(&format!("\n{}", style(text).bold().underlined()))
    }

    /// A paragraph of explanation.
    pub fn explain(&self, text: &str) -> io::Result<()> {
        self.line("")?;
        for line in text.lines() {
            self.line(&style(line).italic().to_string())?;
        }
        Ok(())
    }

    /// Something that happens to the servers and is not a command.
    pub fn event(&self, text: &str) -> io::Result<()> {
        self.line(&style(format!("# {text}")).yellow().to_string())
    }

    /// One line of a legend: the place in the reply above, and what is there.
    pub fn legend(&self, place: &str, meaning: &str) -> io::Result<()> {
        self.line(&format!(
            "{MARGIN}{}  {meaning}",
            style(format!("{place:<12}")).cyan()
        ))
    }

    pub fn command(&self, prompt: &str, command: &str) -> io::Result<()> {
        self.line(&format!(
            "{} {}",
            style(format!("{prompt}>")).dim(),
            style(command).bold()
        ))
    }

    pub fn reply(&self, shown: &str) -> io::Result<()> {
        for line in shown.lines() {
            if line.starts_with("(error)") {
                self.line(&style(line).red().to_string())?;
            } else {
                self.line(&style(line).green().to_string())?;
            }
        }
        Ok(())
    }

    pub fn close(&self, text: &str) -> io::Result<()> {
        self.line(&format!("\n{text}"))
    }

    /// Shows a spinner while `work` runs.
    pub fn with_spinner<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let _spinner = Spinner::start(what);
        work()
    }

    fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }
}

/// Cleared when dropped, so also after an error. Draws nothing without a terminal.
struct Spinner(ProgressBar);

impl Spinner {
    fn start(what: &str) -> Spinner {
        let bar = ProgressBar::new_spinner().with_message(what.to_string());
        // If the template does not parse, the standard look stays.
        if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {msg} ({elapsed})") {
            bar.set_style(look);
        }
        bar.enable_steady_tick(TICK);
        Spinner(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
