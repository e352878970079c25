//! A string of the server that belongs to the module.

use std::mem::ManuallyDrop;
use std::ptr;

use redis_module::raw;

/// A string, or one reference to a string, that is freed when dropped. The server counts
/// references, so it can keep the string for longer.
pub struct OwnString(*mut raw::RedisModuleString);

impl OwnString {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: the server copies the bytes. Made without a context, the string is ours to free.
        Self(unsafe {
            api!(RedisModule_CreateString)(ptr::null_mut(), bytes.as_ptr().cast(), bytes.len())
        })
    }

    /// A reference to a string of the server. It may be freed on the main thread only: references
    /// are counted without a lock.
    ///
    /// # Safety
    /// `string` is a valid string of the server.
    pub(super) unsafe fn hold(string: *mut raw::RedisModuleString) -> Self {
        // SAFETY: promised by the caller. Held without a context, the reference is ours to free.
        Self(unsafe { api!(RedisModule_HoldString)(ptr::null_mut(), string) })
    }

    /// The server's pointer, valid while this lives.
    pub(super) fn as_ptr(&self) -> *mut raw::RedisModuleString {
        self.0
    }

    /// The server's pointer. Whoever takes it frees the string.
    pub(super) fn into_raw(self) -> *mut raw::RedisModuleString {
        ManuallyDrop::new(self).0
    }
}

impl Clone for OwnString {
    /// Another reference to the same string.
    fn clone(&self) -> Self {
        // SAFETY: the string is valid while this lives. It is not sent to another thread, because
        // it is a pointer.
        unsafe { Self::hold(self.0) }
    }
}

impl Drop for OwnString {
    fn drop(&mut self) {
        // SAFETY: made by `new` without a context, and freed once.
        unsafe { api!(RedisModule_FreeString)(ptr::null_mut(), self.0) };
    }
}
