//! A place for state that only the server's main thread reaches, and which thread that is.
//!
//! Another module may hold the server's lock on a thread of its own and call commands there. The
//! server then runs handlers, filters and events on that thread. The guard around each callback
//! turns these away before they reach the state.

use std::cell::RefCell;
use std::sync::OnceLock;

/// The thread that loaded the module: the server's main thread. As a number, because musl's type is a
/// pointer, which a static variable may not hold.
static MAIN: OnceLock<usize> = OnceLock::new();

/// The module is loaded on this thread.
pub(super) fn load() {
    MAIN.get_or_init(|| this_thread() as usize);
}

/// True on the server's main thread.
#[inline(never)]
pub(super) fn is_here() -> bool {
    MAIN.get()
        .is_some_and(|&main| is_this_thread(main as libc::pthread_t))
}

/// A value that only the thread that made it can reach.
///
/// `thread_local!` and the standard library's thread ids are not used: their destructors pin the
/// shared library in memory. A module that was unloaded and loaded again would then find its old
/// state.
pub struct MainThread<T> {
    owner: libc::pthread_t,
    value: RefCell<Option<T>>,
}

// SAFETY: only `with`, `set` and `clear` reach the value, and none reaches it on any thread but the
// owner. So the `RefCell` is never touched by two threads, and no other thread gets the value.
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

    /// Works with the value. `work` must not call into the server, which may call back.
    ///
    /// # Panics
    /// Before the module is loaded, after it was unloaded, on another thread, and within itself.
    /// Each of these is a bug of the module: the guard lets callbacks run on the main thread only.
    /// The guard turns the panic into an error reply.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        if !self.is_owner() {
            unreachable_state("the state was accessed on another thread");
        }
        let Ok(mut slot) = self.value.try_borrow_mut() else {
            unreachable_state("the state was accessed while it was in use");
        };
        match slot.as_mut() {
            Some(value) => work(value),
            None => unreachable_state("there is no state"),
        }
    }

    /// Reads from the value. `None` if there is none, on another thread, and within
    /// [`with`](Self::with).
    pub fn get<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        if !self.is_owner() {
            return None;
        }
        self.value.try_borrow().ok()?.as_ref().map(read)
    }

    fn is_owner(&self) -> bool {
        is_this_thread(self.owner)
    }
}

/// On Linux the ids of threads are compared as numbers. `pthread_equal` does the same, but is a call
/// into another library, and a durable write compares some thirty times.
fn is_this_thread(thread: libc::pthread_t) -> bool {
    this_thread() as usize == thread as usize
}

fn this_thread() -> libc::pthread_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::pthread_self() }
}

#[cold]
fn unreachable_state(why: &str) -> ! {
    panic!("{why}")
}
