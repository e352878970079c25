//! A string of the server that belongs to the module.

use std::ptr;

use redis_module::raw;

/// Freed when dropped. The server counts references, and keeps one of its own to what it still needs.
pub struct OwnString(*mut raw::RedisModuleString);

impl OwnString {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: without a context the string is its maker's to free; the server copies the bytes.
        Self(unsafe {
            api!(RedisModule_CreateString)(ptr::null_mut(), bytes.as_ptr().cast(), bytes.len())
        })
    }

    /// The server's pointer, valid while this lives.
    pub fn as_ptr(&self) -> *mut raw::RedisModuleString {
        self.0
    }

    /// The server's pointer, to be freed by somebody else from now on.
    pub fn into_raw(self) -> *mut raw::RedisModuleString {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for OwnString {
    fn drop(&mut self) {
        // SAFETY: made by `new` without a context, and freed once.
        unsafe { api!(RedisModule_FreeString)(ptr::null_mut(), self.0) };
    }
}
