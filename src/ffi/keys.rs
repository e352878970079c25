//! Where the keys of a command stand, for commands that know only by looking.
//!
//! Valkey with I/O threads in cluster mode asks for this **on those threads**, and so does Redis from 8.2 on (from 8.4 on
//! also without a cluster). The context that they make for it counts on being alone: whatever the handler does, the
//! server crashes. So no command asks to be asked there.

use std::ffi::c_int;

use redis_module::raw;

use super::{Args, Ctx};

impl Ctx {
    /// True when the handler was called to tell where the keys are, and not to run.
    pub fn asks_for_keys(&self) -> bool {
        // SAFETY: the context is valid; the server looks at a flag of it.
        unsafe { api!(RedisModule_IsKeysPositionRequest)(self.raw()) != 0 }
    }

    /// Tells that one of the handler's own arguments is a key, and what is done to it. Where that is not known, access
    /// control asks for no more here than any permission for it, and for more when the inner command is called.
    pub fn report_key(&self, position: usize, flags: c_int) {
        let is_variable = flags.cast_unsigned() & raw::REDISMODULE_CMD_KEY_VARIABLE_FLAGS != 0;
        let flags = if is_variable {
            raw::REDISMODULE_CMD_KEY_RW.cast_signed()
        } else {
            flags
        };
        if let Ok(position) = c_int::try_from(position) {
            // SAFETY: the context is that of a request for keys.
            unsafe { api!(RedisModule_KeyAtPosWithFlags)(self.raw(), position, flags) };
        }
    }
}

/// The keys of the command that `args` are: where each stands, and the server's flags for it. None for a
/// command that has none, or is not known, or is not well formed. Servers before Redis 8.6 and Valkey leak memory where
/// there are many: 7 of them or 257.
pub fn of(args: Args<'_>) -> Vec<(usize, c_int)> {
    let Ok(argc) = c_int::try_from(args.len()) else {
        return Vec::new();
    };
    let strings = args.as_raw().as_ptr().cast_mut();
    let mut count = 0;
    let mut flags: *mut c_int = std::ptr::null_mut();
    // SAFETY: the server does not use the context. The strings are a handler's or a filter's; the server reads them,
    // and answers with an array of `count` positions and one of as many flags, or with null and no flags.
    let positions = unsafe {
        api!(RedisModule_GetCommandKeysWithFlags)(
            std::ptr::null_mut(),
            strings,
            argc,
            &mut count,
            &mut flags,
        )
    };
    if positions.is_null() {
        return Vec::new();
    }
    let keys = (0..usize::try_from(count).unwrap_or(0)).filter_map(|index| {
        // SAFETY: `index` is below `count`, and the flags are there when the positions are.
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
