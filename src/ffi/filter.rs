//! Command filters: a look at every command before it is executed.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;

use redis_module::raw;

use super::{Ctx, OwnString};

/// Called for every command of every client.
pub type Callback = unsafe extern "C" fn(*mut raw::RedisModuleCommandFilterCtx);

/// One command, seen by a filter.
pub struct Command(NonNull<raw::RedisModuleCommandFilterCtx>);

impl Command {
    /// Wraps what a filter is given.
    ///
    /// # Safety
    /// `raw` is the context that the server gave to a filter, which has not returned yet.
    pub unsafe fn new(raw: *mut raw::RedisModuleCommandFilterCtx) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    /// How many words it has, its name included.
    pub fn len(&self) -> c_int {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_CommandFilterArgsCount)(self.0.as_ptr()) }
    }

    /// One of its words.
    pub fn word(&self, index: c_int) -> Option<&[u8]> {
        // SAFETY: the context is valid; the server answers null for an index that is out of range.
        let string = unsafe { api!(RedisModule_CommandFilterArgGet)(self.0.as_ptr(), index) };
        if string.is_null() {
            return None;
        }
        let mut len = 0;
        // SAFETY: a string of the command, which no filter of ours changes; `len` bytes at `data`.
        unsafe {
            let data = api!(RedisModule_StringPtrLen)(string.cast_const(), &mut len);
            (!data.is_null()).then(|| slice::from_raw_parts(data.cast(), len))
        }
    }

    /// Puts another word in the place of one.
    pub fn replace_word(&self, index: c_int, word: &[u8]) {
        let word = OwnString::new(word).into_raw();
        // SAFETY: the context is valid, and the server takes the string over.
        unsafe { api!(RedisModule_CommandFilterArgReplace)(self.0.as_ptr(), index, word) };
    }

    /// The id of the client that sent it; 0 where the server cannot tell, which is before 7.2.
    pub fn client_id(&self) -> u64 {
        // SAFETY: as in `api!`, and this one is optional; the context is valid.
        unsafe { raw::RedisModule_CommandFilterGetClientId.map_or(0, |get| get(self.0.as_ptr())) }
    }
}

/// Whether the server can tell whose a command is, which is so from 7.2 on.
pub fn knows_clients() -> bool {
    // SAFETY: as in `api!`.
    unsafe { raw::RedisModule_CommandFilterGetClientId }.is_some()
}

impl Ctx {
    /// Registers a filter for the commands of clients. The module's own calls are not filtered.
    pub fn register_filter(&self, callback: Callback) -> bool {
        let flags = raw::REDISMODULE_CMDFILTER_NOSELF.cast_signed();
        // SAFETY: the context is that of the load. The server drops the filter on unload.
        let filter =
            unsafe { api!(RedisModule_RegisterCommandFilter)(self.raw(), Some(callback), flags) };
        !filter.is_null()
    }
}
