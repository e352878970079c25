//! `DURABLE.REPLICAS`
//!
//! Replies with one entry for each link that the server lists:
//!
//! | field | value |
//! |---|---|
//! | `host`, `port` | the address of the replica |
//! | `acked-offset` | the acknowledged offset |
//! | `lag-bytes` | how many bytes the replica is behind |
//! | `ack-age-ms` | how long ago the acknowledged offset changed |
//! | `fsynced-offset` | the fsynced offset, -1 if the replica has not reported one |
//! | `counts` | 1 if the link counts, otherwise 0 |
//! | `reason` | why the link does not count; empty if it counts |

use std::ffi::CStr;

use durable_core::coordinator::Coordinator;
use durable_core::replicas::Reason;

use super::admission::Refusal;
use super::state::coordinator;
use super::{look, turn};
use crate::clock;
use crate::ffi::{Args, Command, Ctx};

const NAME: &str = "DURABLE.REPLICAS";

/// The command, for the table in `commands.rs`.
pub struct DurableReplicas;

impl Command for DurableReplicas {
    fn run(ctx: &Ctx, _: Args<'_>) {
        if !ctx.situation().is_primary() {
            return ctx.reply_error_text(&Refusal::Replica.text(NAME));
        }
        turn::used(ctx);
        look::look_at_all(ctx);
        let entries = coordinator(|coordinator| entries(coordinator));
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

fn entries<P>(coordinator: &Coordinator<P>) -> Vec<Entry> {
    let now = clock::now();
    let end = coordinator.offset_to_reach();
    coordinator
        .links()
        .map(|link| Entry {
            host: link.host.to_vec(),
            numbers: [
                (c"port", link.port.into()),
                (c"acked-offset", signed(link.acked.get())),
                (c"lag-bytes", signed(end.bytes_since(link.acked))),
                (
                    c"ack-age-ms",
                    signed(now.since(link.acked_changed_at).to_millis().get()),
                ),
                (
                    c"fsynced-offset",
                    link.fsynced.map_or(-1, |fsynced| signed(fsynced.get())),
                ),
                (c"counts", link.reason.is_none().into()),
            ],
            reason: link.reason.map_or("", Reason::text),
        })
        .collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
