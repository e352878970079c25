//! Waking the event loop, so that its next turn begins at once.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guard;

/// Wake-ups that the event loop has not run yet. Only the main thread counts.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// Keeps the event loop from sleeping at the end of this turn.
pub fn wake_event_loop() {
    PENDING.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the function takes no data. Its code stays until it has run, because the module is
    // not unloaded while a wake-up is pending (`unload.rs`).
    unsafe { api!(RedisModule_EventLoopAddOneShot)(Some(on_wakeup), ptr::null_mut()) };
}

/// Whether the event loop still has a wake-up to run. The server does not count them when it
/// unloads a module.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed) > 0
}

/// Does nothing else: to run it, the event loop has to begin another turn.
///
/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_wakeup(_data: *mut c_void) {
    guard::plain((), || {
        PENDING.fetch_sub(1, Ordering::Relaxed);
    });
}
