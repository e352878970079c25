//! The pairs of slot and node index in the replies to SLOTHINT, and those that are kept.
//!
//! To write a pair anew takes the server three calls, 580 instructions of the 1,300 that a key then
//! costs. To copy a kept one takes 150. So the module keeps, for each slot, the last pair that it
//! wrote: at most 16,384, about 5 MB, and up to 10 MB while the topology changes. What is kept
//! never becomes wrong, because it is used only for the same slot and index.
//!
//! The API has no call that makes a reply to keep. So the module calls its own command, with a word
//! that only this file knows, and with the pairs in its state.

use std::ffi::CStr;

use durable_core::slot::SLOTS;
use durable_core::slot_map::KeyHint;

use super::state;
use crate::ffi::{Args, Ctx, KeptReply, ReplyKeeper};

/// How many pairs one command adds. So many cost as much as a hint for a hundred keys.
const ADDED_PER_COMMAND: usize = 50;

/// Fewer are not added: each call has costs of its own, in time and in memory.
const WORTH_A_CALL: usize = 4;

/// The word of the module's own calls. It is no secret: without pairs in the state it is a key like
/// any other.
const WORD: &CStr = c"redis-durable: the pairs in the state";

/// After so many calls all pairs are dropped, and are kept anew. A pair keeps the whole reply that
/// it belongs to, and failovers may leave replies with few pairs in use. This is twice the number
/// of calls that keep all slots.
const MOST_CALLS: usize = 2 * (SLOTS as usize).div_ceil(ADDED_PER_COMMAND);

/// The pairs that are kept.
#[derive(Default)]
pub struct Pairs {
    /// How many calls were made since all pairs were dropped.
    calls: usize,
    /// By slot. Empty until the first one is added.
    kept: Vec<Option<Kept>>,
    keeper: Option<ReplyKeeper>,
}

struct Kept {
    node: Option<u16>,
    reply: KeptReply,
}

/// Replies with a pair for each key. `may_keep`: new pairs may be kept, because each index is that
/// of the node in the whole map and will be needed again. In other hints the indices differ from
/// one command to the next.
pub fn reply(ctx: &Ctx, keys: &[KeyHint], may_keep: bool) {
    // The server may call back, so the pairs are taken out of the state. A hint within that would
    // find none, and write its own.
    let mut pairs = state::with(|hints| std::mem::take(&mut hints.pairs));
    let mut missing = Vec::new();
    ctx.reply_array(keys.len());
    for key in keys {
        if let Some(reply) = pairs.get(*key) {
            ctx.reply_kept(reply);
        } else {
            write(ctx, *key);
            if may_keep && missing.len() < ADDED_PER_COMMAND {
                missing.push(*key);
            }
        }
    }
    if missing.len() >= WORTH_A_CALL {
        pairs.add(missing);
    }
    let of_others = state::with(|hints| std::mem::replace(&mut hints.pairs, pairs));
    // Frees replies of the server, so it is not done in the state.
    drop(of_others);
}

/// Replies to a call of [`Pairs::add`]. False if this is none.
pub fn reply_to_own_call(ctx: &Ctx, args: Args<'_>) -> bool {
    if args.len() != 2 || args.get(1) != Some(WORD.to_bytes()) {
        return false;
    }
    let Some(pairs) = state::with(|hints| hints.pairs_to_write.take()) else {
        return false;
    };
    ctx.reply_array(pairs.len());
    pairs.iter().for_each(|&pair| write(ctx, pair));
    true
}

fn write(ctx: &Ctx, key: KeyHint) {
    ctx.reply_array(2);
    ctx.reply_integer(key.slot.into());
    ctx.reply_integer(index(key));
}

/// The index of the key's node in the reply. -1 if the slot has no owner.
fn index(key: KeyHint) -> i64 {
    key.node.map_or(-1, Into::into)
}

impl Pairs {
    fn get(&self, key: KeyHint) -> Option<&KeptReply> {
        let kept = self.kept.get(usize::from(key.slot))?.as_ref()?;
        (kept.node == key.node).then_some(&kept.reply)
    }

    /// Lets the server write these pairs, and keeps them.
    fn add(&mut self, pairs: Vec<KeyHint>) {
        if self.calls >= MOST_CALLS {
            *self = Self::default();
        }
        self.calls = self.calls.saturating_add(1);
        if self.keeper.is_none() {
            self.keeper = ReplyKeeper::new();
        }
        let Some(keeper) = &self.keeper else { return };
        state::with(|hints| hints.pairs_to_write = Some(pairs.clone()));
        let replies = keeper.call(c"SLOTHINT", WORD);
        // Still there if the server has not made the call.
        state::with(|hints| hints.pairs_to_write = None);
        if self.kept.is_empty() {
            self.kept.resize_with(usize::from(SLOTS), || None);
        }
        for (pair, reply) in pairs.into_iter().zip(replies) {
            let expected = format!("*2\r\n:{}\r\n:{}\r\n", pair.slot, index(pair));
            let place = self.kept.get_mut(usize::from(pair.slot));
            if let Some(place) = place.filter(|_| reply.protocol() == expected.as_bytes()) {
                let node = pair.node;
                *place = Some(Kept { node, reply });
            }
        }
    }
}
