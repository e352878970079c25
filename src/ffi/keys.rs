//! Telling the server where the keys of a command stand, for commands that know only by looking.
//!
//! Valkey with I/O threads asks this **on those threads**. Nothing here touches anything but the
//! arguments and the server's own table of commands, which it reads there itself.

use std::ffi::c_int;

use super::{Args, Ctx};

impl Ctx {
    /// True when the handler was called to tell where the keys are, and not to run.
    pub fn asks_for_keys(&self) -> bool {
        // SAFETY: the context is valid; the server looks at a flag of it.
        unsafe { api!(RedisModule_IsKeysPositionRequest)(self.raw()) != 0 }
    }

    /// Tells that the keys are those of the command that `args` are, which stand `offset` words after
    /// the beginning of the handler's own arguments.
    pub fn report_keys_of(&self, args: Args<'_>, offset: usize) {
        let Ok(argc) = c_int::try_from(args.len()) else {
            return;
        };
        let strings = args.as_raw().as_ptr().cast_mut();
        let mut count = 0;
        let mut flags: *mut c_int = std::ptr::null_mut();
        // SAFETY: the strings are the handler's; the server reads them, and answers with an array
        // of `count` positions and one of as many flags, or with null and no flags.
        let positions = unsafe {
            api!(RedisModule_GetCommandKeysWithFlags)(
                self.raw(),
                strings,
                argc,
                &mut count,
                &mut flags,
            )
        };
        if positions.is_null() {
            return;
        }
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: `index` is below `count`, and the flags are there when the positions are.
            let (position, flag) = unsafe { (*positions.add(index), *flags.add(index)) };
            let position = usize::try_from(position)
                .unwrap_or(0)
                .saturating_add(offset);
            if let (Ok(position), Ok(flag)) = (c_int::try_from(position), u32::try_from(flag)) {
                // SAFETY: the context is that of a request for keys.
                unsafe {
                    api!(RedisModule_KeyAtPosWithFlags)(self.raw(), position, flag.cast_signed())
                };
            }
        }
        // SAFETY: both arrays are ours to free, with the server's own function.
        unsafe {
            api!(RedisModule_Free)(positions.cast());
            api!(RedisModule_Free)(flags.cast());
        }
    }
}
