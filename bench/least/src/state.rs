//! What the module remembers between two callbacks of the server.

use std::cell::RefCell;
use std::ffi::c_int;
use std::ptr::NonNull;

use redis_module::raw;

/// The module's state.
pub static STATE: Shared = Shared(RefCell::new(State {
    waiting: Vec::new(),
    unasked: None,
    ok: None,
}));

pub struct State {
    /// The handles of the clients that wait. Each goes back to the server once.
    pub waiting: Vec<NonNull<raw::RedisModuleBlockedClient>>,
    /// The database of the last write, if clients were added since the last request.
    pub unasked: Option<c_int>,
    /// `+OK`, as the reply of a call that is kept.
    pub ok: Option<NonNull<raw::RedisModuleCallReply>>,
}

/// A state that all callbacks reach.
pub struct Shared(RefCell<State>);

// SAFETY: the state is private to this module's callbacks, and a server runs callbacks only on the
// thread that holds its lock. So no two threads reach the `RefCell` at once. The pointers belong to
// the server and to no thread.
unsafe impl Sync for Shared {}

impl Shared {
    /// Works with the state. `None` within itself. `work` must not call into the server, which may
    /// call back.
    pub fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> Option<R> {
        Some(work(&mut *self.0.try_borrow_mut().ok()?))
    }
}
