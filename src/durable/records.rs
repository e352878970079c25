//! The records of DURABLE.ONCE, as plain string keys beside the data.
//!
//! They are read and written by the key API, which nothing can refuse: no access control, no
//! `maxmemory`, no slot that is moving. `core/src/once.rs` has names and contents.

use std::ffi::CStr;

use durable_core::once::record::{self, Protocol, Recorded};
use durable_core::once::slot_tags::SlotTags;
use durable_core::once::{other_name, record_name, BadId, Digest};
use durable_core::slot;
use durable_core::stats::bump;
use lazy_static::lazy_static;

use super::state::coordinator;
use crate::config;
use crate::ffi::main_thread::MainThread;
use crate::ffi::{Args, Ctx, OwnString, Situation, StringValue};

/// The error for an id whose record may be on another node.
pub const MAY_BE_ELSEWHERE: &CStr = c"TRYAGAIN the record of this id may be on another node while its slot is moving; nothing was executed";

/// The error for a user who may not run a command that is not executed now.
pub const NO_PERMISSION: &CStr =
    c"NOPERM this user has no permissions to run this command or to access its keys";

/// What every record needs, made once.
struct Ready {
    /// The tags of all slots.
    tags: SlotTags,
    /// The word of SET before a record's Unix time.
    pxat: OwnString,
}

lazy_static! {
    static ref READY: MainThread<Ready> = MainThread::new();
}

/// Makes what records need, so that no command has to.
pub fn load() {
    READY.set(Ready {
        tags: SlotTags::new(),
        pxat: OwnString::new(b"PXAT"),
    });
}

/// Frees the memory.
pub fn unload() {
    READY.clear();
}

/// The place of the record of one command.
pub struct Record {
    slot: u16,
    name: OwnString,
    /// The digest of the command.
    pub digest: Digest,
}

/// What is stored under the name of a record.
pub enum Found {
    Nothing,
    Recorded(Vec<u8>),
    /// A key of another type.
    NoRecord,
}

impl Record {
    /// The record of the inner command `words`, whose first key is `key`.
    ///
    /// # Errors
    /// If the id is empty or too long.
    pub fn of(id: &[u8], key: &[u8], words: Args<'_>) -> Result<Self, BadId> {
        let slot = slot::of_key(key);
        let name = READY.with(|ready| record_name(&ready.tags, slot, id))?;
        let name = OwnString::new(&name);
        let command = words.get(0).unwrap_or_default();
        let digest = Digest::of(command, words.skip(1).iter());
        Ok(Self { slot, name, digest })
    }

    /// Looks the record up in the selected database.
    pub fn look_up(&self, ctx: &Ctx) -> Found {
        ctx.with_string_key(&self.name, |value| match value {
            StringValue::Absent => Found::Nothing,
            StringValue::Value(value) => Found::Recorded(value.to_vec()),
            StringValue::OtherType => Found::NoRecord,
        })
    }

    /// True if the record, which this node does not have, may be on another one, because its slot
    /// is moving.
    pub fn may_be_elsewhere(&self, ctx: &Ctx, situation: Situation) -> bool {
        if !situation.is_cluster() {
            return false;
        }
        let other = READY.with(|ready| other_name(&ready.tags, self.slot));
        !ctx.has_whole_slot(&self.name, &OwnString::new(&other))
    }

    /// The command was executed: writes the record, with the reply as the server would send it to
    /// the client.
    pub fn write(&self, ctx: &Ctx, is_resp3: bool, reply: &[u8]) {
        let protocol = if is_resp3 {
            Protocol::Resp3
        } else {
            Protocol::Resp2
        };
        let value = record::encode(self.digest, protocol, reply);
        let ttl = config::read(|config| config.once_ttl_ms);
        let expires = ctx.unix_time_ms().saturating_add(ttl);
        let pxat = READY.with(|ready| ready.pxat.clone());
        if !ctx.set_string_key(&self.name, &value, &pxat, expires) {
            ctx.log_warning("the record of a DURABLE.ONCE could not be written");
        }
        coordinator(|coordinator| bump(&mut coordinator.stats.counters.once));
    }
}

/// Replies what the first caller was told.
pub fn repeat(ctx: &Ctx, recorded: Recorded<'_>) {
    match recorded {
        Recorded::Reply(reply) => ctx.reply_recorded(reply),
        Recorded::TooLarge(bytes) => ctx.reply_error_text(&format!(
            "ERR executed before; its reply of {bytes} bytes was not kept"
        )),
    }
}
