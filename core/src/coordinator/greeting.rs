//! Whether durable commands are in use, and links that nobody has asked yet.
//!
//! A replica counts once it has acknowledged something. So a replica that comes online gets a
//! request, but only while durable commands are in use: a module that nobody uses writes nothing
//! into the replication stream. Without a request the first acknowledgement may take ten seconds.
//!
//! The first durable command after a quiet time must not be refused because of that. So links that
//! were not asked yet count for admission, until they have had time to answer. No wait is released
//! by them: only acknowledgements release waits.
//!
//! Example: the module is idle, and a replica comes online at 0 s. At 60 s a client sends
//! DURABLE.SET. It is executed, and the request of its turn asks the replica. If the replica has
//! answered nothing at 62 s, later commands are refused (NOREPLICAS).

use super::Coordinator;
use crate::units::Micros;

/// Durable commands are in use for this long after the last one.
const IN_USE: Micros = Micros::from_secs(60);

/// For this long after the first command, links that were not asked before count for admission.
const TIME_TO_ANSWER: Micros = Micros::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Greeting {
    used_until: Micros,
    /// Links that were not asked before count until then.
    unasked_count_until: Micros,
}

impl<P> Coordinator<P> {
    /// A durable command was sent, or somebody looks at the module's figures.
    pub fn used(&mut self, now: Micros) {
        self.greeting.used_until = now.saturating_add(IN_USE);
        if self.requests.begin_use() {
            self.greeting.unasked_count_until = now.saturating_add(TIME_TO_ANSWER);
        }
    }

    /// To be called from time to time.
    pub(super) fn end_use(&mut self, now: Micros) {
        if now >= self.greeting.used_until {
            self.requests.end_use();
        }
    }

    /// Whether links that have acknowledged nothing count for admission, because nobody has asked
    /// them in time.
    pub(super) fn unasked_count(&self, now: Micros) -> bool {
        self.requests.has_unasked() || now < self.greeting.unasked_count_until
    }
}
