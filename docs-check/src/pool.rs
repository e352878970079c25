//! The running servers. The examples of a page share them, and the next page uses them if this one
//! has changed nothing but data.

use std::panic::{catch_unwind, AssertUnwindSafe};

use anyhow::{anyhow, Result};

use crate::example::{self, Outcome};
use crate::setup::{Kind, Setup, Wanted};

/// The test kit panics when it waits for something in vain.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
        Err(anyhow!(
            text.unwrap_or_else(|| "a panic without a message".into())
        ))
    })
}

#[derive(Default)]
pub struct Pool {
    running: Vec<Setup>,
    changed: bool,
}

impl Pool {
    pub fn with(&mut self, kind: Kind) -> Result<&Setup> {
        if !self.running.iter().any(|setup| setup.kind == kind) {
            let setup = guarded(|| Setup::start(kind))?;
            self.running.push(setup);
        }
        let found = self.running.iter().find(|setup| setup.kind == kind);
        found.ok_or_else(|| anyhow!("no servers of this kind"))
    }

    /// Executes an example. Returns `None` if the servers lack what it shows.
    pub fn run(&mut self, wanted: Wanted, code: &str) -> Result<Option<Outcome>> {
        let setup = self.with(wanted.kind)?;
        if wanted.kind == Kind::Fsync && !setup.reports_fsyncs() {
            return Ok(None);
        }
        let outcome = guarded(|| example::run(setup, code, wanted.resp3));
        setup.resume();
        let (changed, broke) = match &outcome {
            Ok(outcome) => (outcome.changed_servers, outcome.broke_servers),
            Err(_) => (true, true),
        };
        self.changed |= changed;
        if broke {
            self.running.retain(|setup| setup.kind != wanted.kind);
        }
        outcome.map(Some)
    }

    /// Begins a new page.
    pub fn page_ends(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.running.clear();
        }
        for setup in &self.running {
            setup.clear();
        }
    }
}
