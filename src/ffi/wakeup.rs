//! Waking the event loop, so that its next turn begins at once.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guard;

/// The number of wake-ups that the event loop has not run yet.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// Keeps the event loop from sleeping at the end of this turn. Possible on any thread: the server's
/// list of these functions has a lock of its own (`RM_EventLoopAddOneShot` in `module.c`).
pub fn wake_event_loop() {
    PENDING.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the function takes no data. Its code stays until it has run, because the module is
    // not unloaded while a wake-up is pending (`unload.rs`).
    unsafe { api!(RedisModule_EventLoopAddOneShot)(Some(on_wakeup), ptr::null_mut()) };
}

/// Whether the event loop still has a wake-up to run. The server itself would unload the module in
/// spite of that.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed) > 0
}

/// Only counts down. Its purpose is that the event loop has to begin another turn to run it.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_wakeup(_data: *mut c_void) {
    guard::plain((), || {
        PENDING.fetch_sub(1, Ordering::Relaxed);
    });
}
