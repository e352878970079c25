//! A timer of the server that can be armed once at a time.

use std::ffi::c_void;
use std::ptr;

use redis_module::raw;

use super::Ctx;

/// Names an armed timer. The server refuses to unload a module that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(raw::RedisModuleTimerID);

/// What a timer calls.
pub type Callback = unsafe extern "C" fn(*mut raw::RedisModuleCtx, *mut c_void);

impl Ctx {
    /// Arms a timer that fires once, after so many milliseconds.
    pub fn start_timer(&self, ms: u64, callback: Callback) -> TimerId {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX / 1_000_000);
        // SAFETY: the context is valid, and the callback takes no data.
        TimerId(unsafe {
            api!(RedisModule_CreateTimer)(self.raw(), ms, Some(callback), ptr::null_mut())
        })
    }

    /// Disarms a timer. One that has fired meanwhile is unknown to the server, which is no harm.
    pub fn stop_timer(&self, timer: TimerId) {
        // SAFETY: the context is valid, the data is not asked for, and the server looks an id up
        // before it believes it.
        unsafe { api!(RedisModule_StopTimer)(self.raw(), timer.0, ptr::null_mut()) };
    }
}
