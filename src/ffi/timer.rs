//! One-shot timers of the server.

use std::ffi::c_void;
use std::ptr;

use redis_module::raw;

use super::{guard, Ctx};

/// What a timer does.
pub trait Timer {
    /// The timer has fired. Its [`TimerId`] must be forgotten before anything else, so that nothing
    /// stops the timer. The server frees it when this returns, even if stopping has freed it
    /// already (`moduleTimerHandler` in `module.c`).
    fn fire(ctx: &Ctx);
}

/// An armed timer. The server refuses to unload a module that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(raw::RedisModuleTimerID);

impl Ctx {
    /// Arms a timer that fires once, after `ms` milliseconds. With 0 it fires in this turn of the
    /// event loop, or in the next one if it is armed at the turn's end. Possible only in a context
    /// that the server gave to the module, not in a [detached](Ctx::detached) one.
    pub fn start_timer<T: Timer>(&self, ms: u64) -> TimerId {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX / 1_000_000);
        // SAFETY: the context is valid. The function takes no data, and its code stays while the
        // timer is armed.
        TimerId(unsafe {
            api!(RedisModule_CreateTimer)(self.raw(), ms, Some(on_timer::<T>), ptr::null_mut())
        })
    }

    /// Disarms a timer. Does nothing if it has fired meanwhile. Must not be called from within its
    /// own [`Timer::fire`].
    pub fn stop_timer(&self, timer: TimerId) {
        // SAFETY: the context is valid, and null says that the data is not asked for. The server
        // looks the id up before it uses it.
        unsafe { api!(RedisModule_StopTimer)(self.raw(), timer.0, ptr::null_mut()) };
    }
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_timer<T: Timer>(ctx: *mut raw::RedisModuleCtx, _data: *mut c_void) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, T::fire) };
}
