//! `DURABLE.SET key value [SET's own options] [REPLICAS n|MAJORITY|ALL] [FSYNC n] [TIMEOUT ms]`
//!
//! SET, with the reply sent once the requirement is met. The module passes SET's own options to the
//! server unchanged, so all options of the running server's SET are accepted. The command is a row
//! of the [family](super::family); this file only finds where the requirement options begin.
//!
//! The requirement options are a block at the end, after the value and SET's own options. So the
//! value may be spelt `TIMEOUT`, and so may the value that options such as IFEQ compare with.
//! Example: `DURABLE.SET k TIMEOUT EX 5 REPLICAS 2` sets `k` to `TIMEOUT`, and the options begin at
//! `REPLICAS`.

use durable_core::options;

use crate::ffi::Args;

/// The number of words that belong to SET, the name included.
pub fn inner_len(args: Args<'_>) -> usize {
    const NAME_KEY_VALUE: usize = 3;
    let start = options::trailing_start_in_set(args.skip(NAME_KEY_VALUE).iter());
    NAME_KEY_VALUE.saturating_add(start)
}
