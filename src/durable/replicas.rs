//! `DURABLE.REPLICAS`
//!
//! One entry for each link that the server lists: where it is, what it has acknowledged, how far
//! behind that is, how long ago it last moved, and whether it counts, or why not.

use std::ffi::CStr;

use durable_core::replicas::Reason;

use super::admission::Refusal;
use super::look;
use crate::ffi::{Args, Command, Ctx};
use crate::state::{self, State};

const NAME: &str = "DURABLE.REPLICAS";

/// The command, for the table in `commands.rs`.
pub struct DurableReplicas;

impl Command for DurableReplicas {
    fn run(ctx: &Ctx, _: Args<'_>) {
        if !ctx.situation().is_primary() {
            return ctx.reply_error_text(&Refusal::Replica.text(NAME));
        }
        look::look_at_all(ctx);
        let entries = state::with(entries).unwrap_or_default();
        ctx.reply_array(entries.len());
        for entry in entries {
            ctx.reply_map(entry.numbers.len().saturating_add(2));
            ctx.reply_bytes(b"host");
            ctx.reply_bytes(&entry.host);
            for (name, value) in entry.numbers {
                ctx.reply_bytes(name.to_bytes());
                ctx.reply_integer(value);
            }
            ctx.reply_bytes(b"reason");
            ctx.reply_bytes(entry.reason.as_bytes());
        }
    }
}

/// One entry of the reply.
struct Entry {
    host: Vec<u8>,
    numbers: [(&'static CStr, i64); 6],
    reason: &'static str,
}

fn entries(state: &mut State) -> Vec<Entry> {
    let now = state.now();
    // The last request for an acknowledgement is covered by no answer: who has what precedes it
    // is not behind.
    let end = state.requests.target(state.replicas.offset());
    let shown = state.replicas.shown(&state.fsyncs);
    shown
        .map(|link| Entry {
            host: link.host.to_vec(),
            numbers: [
                (c"port", link.port.into()),
                (c"acked-offset", signed(link.acked)),
                (c"lag-bytes", signed(end.saturating_sub(link.acked))),
                (c"ack-age-ms", signed(now.saturating_sub(link.moved) / 1000)),
                (c"fsynced-offset", link.fsynced.map_or(-1, signed)),
                (c"counts", link.reason.is_none().into()),
            ],
            reason: link.reason.map_or("", Reason::text),
        })
        .collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
