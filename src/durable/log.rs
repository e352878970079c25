//! Writes the log lines about replicas: whether the configured requirement can be met, and which
//! links do not count. `core/src/alarms.rs` decides which lines are written.

use durable_core::alarms::LogLine;

use super::admission::configured;
use super::look::look_to_show;
use super::state::coordinator;
use crate::clock;
use crate::ffi::Ctx;

/// The server's cron ran. Does nothing unless something has changed, or may have changed without an
/// event.
pub fn cron(ctx: &Ctx) {
    let now = clock::now();
    if !coordinator(|coordinator| coordinator.alarms.is_look_due(now)) {
        return;
    }
    if !look_to_show(ctx) {
        // This server is a replica, or did not reply to ROLE.
        coordinator(|coordinator| coordinator.alarms.clear());
        return;
    }
    let required = configured().map(|requirement| requirement.need.replicas);
    let now = clock::now();
    for line in coordinator(|coordinator| coordinator.log_lines(required, now)) {
        match line {
            LogLine::Warning(text) => ctx.log_warning(&text),
            LogLine::Notice(text) => ctx.log_notice(&text),
        }
    }
}
