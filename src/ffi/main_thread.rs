//! A place for state that only the server's main thread reaches.

use std::cell::RefCell;

/// A value that only the thread that made it can reach.
///
/// A `thread_local!` or the standard library's thread ids would do as well, but their destructors
/// pin the shared library in memory. A module that was unloaded and loaded again would then find
/// its old state.
pub struct MainThread<T> {
    owner: libc::pthread_t,
    value: RefCell<Option<T>>,
}

// SAFETY: only `with`, `set` and `clear` reach the value, and each does nothing on any thread but
// the owner. So the `RefCell` is never touched by two threads, and no other thread gets the value.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    /// Empty, and owned by the calling thread.
    pub fn new() -> Self {
        Self {
            owner: this_thread(),
            value: RefCell::new(None),
        }
    }

    /// Puts a value in, and drops the one before. Does nothing on another thread and within
    /// [`with`](Self::with).
    pub fn set(&self, value: T) {
        if self.is_owner() {
            if let Ok(mut slot) = self.value.try_borrow_mut() {
                *slot = Some(value);
            }
        }
    }

    /// Drops the value. Does nothing on another thread and within [`with`](Self::with).
    pub fn clear(&self) {
        if self.is_owner() {
            if let Ok(mut slot) = self.value.try_borrow_mut() {
                *slot = None;
            }
        }
    }

    /// Works with the value. `None` if there is none, on another thread, and within itself: `work`
    /// must not call into the server, which may call back.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.is_owner() {
            return None;
        }
        self.value.try_borrow_mut().ok()?.as_mut().map(work)
    }

    fn is_owner(&self) -> bool {
        // SAFETY: compares two numbers.
        unsafe { libc::pthread_equal(this_thread(), self.owner) != 0 }
    }
}

fn this_thread() -> libc::pthread_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::pthread_self() }
}
