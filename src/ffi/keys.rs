//! Reports the keys of a command to the server, for commands that the server calls for their keys
//! (`getkeys-api`).
//!
//! Valkey with I/O threads in cluster mode makes this call **on those threads**. So does Redis from
//! 8.2 on, and from 8.4 on also without a cluster. The context that the server makes for the call
//! is not safe beside other contexts in use: the server crashes, whatever the handler does. So no
//! command is registered with `getkeys-api` where this can happen.

use std::ffi::c_int;
use std::ptr;

use redis_module::raw;

use super::{Args, Ctx};

impl Ctx {
    /// True if the handler is called to report where the keys are, and not to run.
    pub fn asks_for_keys(&self) -> bool {
        // SAFETY: the context is valid; the server reads a flag of it.
        unsafe { api!(RedisModule_IsKeysPositionRequest)(self.raw()) != 0 }
    }

    /// Reports that one of the handler's arguments is a key, and what is done to the key. If what
    /// is done depends on the arguments, only `RW` is reported. Access control then requires any
    /// permission for the key here, and the exact one when the inner command is called. Does
    /// nothing for a position behind the arguments.
    pub fn report_key(&self, args: Args<'_>, position: usize, flags: c_int) {
        let is_variable = flags.cast_unsigned() & raw::REDISMODULE_CMD_KEY_VARIABLE_FLAGS != 0;
        let flags = if is_variable {
            raw::REDISMODULE_CMD_KEY_RW.cast_signed()
        } else {
            flags
        };
        if position >= args.len() {
            return;
        }
        if let Ok(position) = c_int::try_from(position) {
            // SAFETY: the context is valid, and the position is that of an argument. The server
            // does nothing unless it has called the command for its keys.
            unsafe { api!(RedisModule_KeyAtPosWithFlags)(self.raw(), position, flags) };
        }
    }
}

/// The keys of the command that `args` are: the position of each, and the server's flags for it.
/// Empty for a command that has no keys, is not known or is not well formed. Valkey and Redis
/// before 8.6 leak memory for a command with many keys: more than 256, on Redis 8 more than 6.
pub fn of(args: Args<'_>) -> Vec<(usize, c_int)> {
    let Ok(argc) = c_int::try_from(args.len()) else {
        return Vec::new();
    };
    let strings = args.as_raw().as_ptr().cast_mut();
    let mut count = 0;
    let mut flags: *mut c_int = ptr::null_mut();
    // SAFETY: the server does not use the context. It reads the strings, which are valid, and
    // returns an array of `count` positions and one of as many flags, or null.
    let positions = unsafe {
        api!(RedisModule_GetCommandKeysWithFlags)(
            ptr::null_mut(),
            strings,
            argc,
            &mut count,
            &mut flags,
        )
    };
    if positions.is_null() || flags.is_null() {
        return Vec::new();
    }
    let keys = (0..usize::try_from(count).unwrap_or(0)).filter_map(|index| {
        // SAFETY: both arrays have `count` elements, and `index` is below that.
        let (position, flags) = unsafe { (*positions.add(index), *flags.add(index)) };
        Some((usize::try_from(position).ok()?, flags))
    });
    let keys = keys.collect();
    // SAFETY: both arrays are ours to free, with the server's own function.
    unsafe {
        api!(RedisModule_Free)(positions.cast());
        api!(RedisModule_Free)(flags.cast());
    }
    keys
}
