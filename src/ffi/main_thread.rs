//! Where the module's state lives: on the server's main thread and nowhere else.

use std::cell::RefCell;

/// A value that only the thread that made it can reach.
///
/// A `thread_local!` would do the same, and so would the standard library's thread ids, but their
/// destructors pin the shared library in memory, and a module that was unloaded and loaded again
/// would meet its old state.
pub struct MainThread<T> {
    owner: libc::pthread_t,
    value: RefCell<Option<T>>,
}

// SAFETY: `with`, `set` and `clear` are the only ways to the value, and each gives up on any thread
// but the owner, so the `RefCell` is never touched by two threads and the value never moves to
// another one.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    /// Empty, and owned by the calling thread.
    pub fn new() -> Self {
        Self {
            owner: this_thread(),
            value: RefCell::new(None),
        }
    }

    /// Puts a value in.
    pub fn set(&self, value: T) {
        if self.is_owner() {
            if let Ok(mut slot) = self.value.try_borrow_mut() {
                *slot = Some(value);
            }
        }
    }

    /// Drops the value.
    pub fn clear(&self) {
        if self.is_owner() {
            if let Ok(mut slot) = self.value.try_borrow_mut() {
                *slot = None;
            }
        }
    }

    /// Works with the value. `None` where there is none, on another thread, and within itself: no
    /// caller may reach the server from inside `work`.
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
