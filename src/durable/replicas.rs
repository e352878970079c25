//! `DURABLE.REPLICAS`
//!
//! One entry for each online replica: where it is, what it has acknowledged, how far behind that is,
//! and how long ago it last moved.

use std::ffi::{c_int, CStr};

use redis_module::raw;

use super::admission::Refusal;
use super::turn;
use crate::ffi::command::Spec;
use crate::ffi::{guard, Ctx};
use crate::state::{self, State};

const NAME: &str = "DURABLE.REPLICAS";

/// Registers the command.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    let mut categories = vec!["slow".to_owned()];
    categories.extend(category.map(str::to_owned));
    let spec = Spec {
        name: c"durable.replicas".into(),
        flags: c"allow-stale".into(),
        arity: 1,
        categories,
        summary: c"Lists the online replicas and what each has acknowledged.".into(),
        complexity: c"O(N) where N is the number of replicas".into(),
        ..Spec::default()
    };
    ctx.create_command(&spec, handler)
}

unsafe extern "C" fn handler(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this handler.
    unsafe { guard::command(ctx, argv, argc, |ctx, _| replicas(ctx)) }
}

/// One entry of the reply.
struct Entry {
    host: Vec<u8>,
    fields: [(&'static CStr, i64); 5],
}

fn replicas(ctx: &Ctx) {
    if !ctx.situation().is_primary() {
        return ctx.reply_error_text(&Refusal::Replica.text(NAME));
    }
    turn::look(ctx);
    let entries = state::with(entries).unwrap_or_default();
    ctx.reply_array(entries.len());
    for entry in entries {
        ctx.reply_map(entry.fields.len().saturating_add(1));
        ctx.reply_bytes(b"host");
        ctx.reply_bytes(&entry.host);
        for (name, value) in entry.fields {
            ctx.reply_bytes(name.to_bytes());
            ctx.reply_integer(value);
        }
    }
}

fn entries(state: &mut State) -> Vec<Entry> {
    let (now, offset) = (state.now(), state.replicas.offset());
    let online = state.replicas.online().iter();
    online
        .map(|replica| Entry {
            host: replica.host.clone(),
            fields: [
                (c"port", replica.port.into()),
                (c"acked-offset", signed(replica.acked)),
                (c"lag-bytes", signed(offset.saturating_sub(replica.acked))),
                (
                    c"ack-age-ms",
                    signed(now.saturating_sub(replica.moved) / 1000),
                ),
                (c"fsynced-offset", replica.fsynced.map_or(-1, signed)),
            ],
        })
        .collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
