//! Asking for hints: which node, how long, and what an answer or a refusal means. Pure.

pub(crate) mod fetches;
pub(crate) mod fill;
pub(crate) mod inquiry;
pub(crate) mod question;
pub(crate) mod watcher;
