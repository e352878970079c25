//! `DURABLE.SET key value [SET's own options] [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! SET, answered when the requirement is met. SET's own options are whatever the running server's
//! SET takes; they are handed through untouched. The requirement options are a trailing block. It
//! begins after the value at the earliest, so that a value may be spelt `TIMEOUT`, and so may the
//! words that SET's IFEQ and its kin compare with.
//!
//! The command is a row of the [family](super::family); what is its own is where the options begin.

use durable_core::options;

use crate::ffi::Args;

/// How many words, the command's name first, belong to SET itself.
pub fn own_words(args: Args<'_>) -> usize {
    const NAME_KEY_VALUE: usize = 3;
    let start = options::trailing_start_in_set(args.skip(NAME_KEY_VALUE).iter());
    NAME_KEY_VALUE.saturating_add(start)
}
