//! Command filters: a look at every command before it is executed.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use redis_module::raw;

use super::{Args, Ctx, OwnString};

/// Called for every command of every client.
pub type Callback = unsafe extern "C" fn(*mut raw::RedisModuleCommandFilterCtx);

/// One command, seen by a filter.
pub struct Command(NonNull<raw::RedisModuleCommandFilterCtx>);

/// All words of a command.
pub struct Words<'a> {
    strings: Vec<*mut raw::RedisModuleString>,
    // They are valid until a word is replaced or deleted, which takes the command for itself.
    _command: PhantomData<&'a Command>,
}

impl Words<'_> {
    /// As a handler would be given them.
    pub fn args(&self) -> Args<'_> {
        Args::of(&self.strings)
    }
}

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
        // SAFETY: a string of the command, borrowed until one of its words is changed; `len` bytes at `data`.
        unsafe {
            let data = api!(RedisModule_StringPtrLen)(string.cast_const(), &mut len);
            (!data.is_null()).then(|| slice::from_raw_parts(data.cast(), len))
        }
    }

    /// All of its words.
    pub fn words(&self) -> Words<'_> {
        let strings = (0..self.len()).map(|index| {
            // SAFETY: the context is valid, and the index is below the number of words.
            unsafe { api!(RedisModule_CommandFilterArgGet)(self.0.as_ptr(), index) }
        });
        Words {
            strings: strings.collect(),
            _command: PhantomData,
        }
    }

    /// Puts another word in the place of one.
    pub fn replace_word(&mut self, index: usize, word: &[u8]) {
        if let Some(index) = self.index(index) {
            let word = OwnString::new(word).into_raw();
            // SAFETY: the context is valid, there is such a word, and the server takes the string over.
            unsafe { api!(RedisModule_CommandFilterArgReplace)(self.0.as_ptr(), index, word) };
        }
    }

    /// Puts a word before another one.
    pub fn insert_word(&mut self, index: usize, word: OwnString) {
        if let Some(index) = self.index(index) {
            // SAFETY: as for a replacement.
            unsafe {
                api!(RedisModule_CommandFilterArgInsert)(self.0.as_ptr(), index, word.into_raw())
            };
        }
    }

    /// Takes a word out.
    pub fn delete_word(&mut self, index: usize) {
        if let Some(index) = self.index(index) {
            // SAFETY: the context is valid, and there is such a word.
            unsafe { api!(RedisModule_CommandFilterArgDelete)(self.0.as_ptr(), index) };
        }
    }

    /// None where there is no such word.
    fn index(&self, index: usize) -> Option<c_int> {
        let index = c_int::try_from(index).ok()?;
        (index < self.len()).then_some(index)
    }

    /// The id of the client that sent it; 0 where the server cannot tell, which is before 7.2.
    pub fn client_id(&self) -> u64 {
        // SAFETY: as in `api!`, and this one is optional; the context is valid.
        unsafe { raw::RedisModule_CommandFilterGetClientId.map_or(0, |get| get(self.0.as_ptr())) }
    }
}

impl Ctx {
    /// Registers a filter for the commands of clients, and for the module's own calls if `own_calls`.
    pub fn register_filter(&self, callback: Callback, own_calls: bool) -> bool {
        let flags = if own_calls {
            0
        } else {
            raw::REDISMODULE_CMDFILTER_NOSELF.cast_signed()
        };
        // SAFETY: the context is that of the load. The server drops the filter on unload.
        let filter =
            unsafe { api!(RedisModule_RegisterCommandFilter)(self.raw(), Some(callback), flags) };
        !filter.is_null()
    }
}
