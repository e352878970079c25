//! The arguments of a command: bytes that the server owns while the handler runs.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::slice;

use durable_core::key_places::Places;
use redis_module::raw;

use super::OwnString;

/// One argument vector, the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    strings: &'a [*mut raw::RedisModuleString],
}

impl<'a> Args<'a> {
    /// Takes what a handler was given.
    ///
    /// # Safety
    /// `argv` points to `argc` strings of the server that stay valid during `'a`, as those of a
    /// command handler do until it returns.
    pub unsafe fn new(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> Self {
        let len = usize::try_from(argc).unwrap_or(0);
        let strings = if argv.is_null() || len == 0 {
            &[]
        } else {
            // SAFETY: promised by the caller; neither null nor empty.
            unsafe { slice::from_raw_parts(argv.cast_const(), len) }
        };
        Self { strings }
    }

    /// Takes a list of the server's strings, none of which is freed while the list is borrowed.
    pub(super) fn of(strings: &'a [*mut raw::RedisModuleString]) -> Self {
        Self { strings }
    }

    /// How many there are, the command's name included.
    pub fn len(self) -> usize {
        self.strings.len()
    }

    /// The bytes of one.
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        self.strings.get(index).map(|&string| bytes(string))
    }

    /// The bytes of each.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.strings.iter().map(|&string| bytes(string))
    }

    /// Without the first `n`.
    pub fn skip(self, n: usize) -> Self {
        Self {
            strings: self.strings.get(n..).unwrap_or(&[]),
        }
    }

    /// The first `n`.
    pub fn take(self, n: usize) -> Self {
        Self {
            strings: self.strings.get(..n).unwrap_or(self.strings),
        }
    }

    /// The server's own strings, to hand on to a call.
    pub fn as_raw(self) -> &'a [*mut raw::RedisModuleString] {
        self.strings
    }
}

/// Words put together from those of a handler.
pub struct Restored<'a> {
    strings: Vec<*mut raw::RedisModuleString>,
    // What `strings` points to besides the handler's own words.
    _first: Option<OwnString>,
    _others: PhantomData<Args<'a>>,
}

impl<'a> Restored<'a> {
    /// The words as they were before keys of theirs were moved from these places. None where that cannot be.
    pub fn new(places: Places, keys: Args<'a>, first: &[u8], rest: Args<'a>) -> Option<Self> {
        let first = OwnString::new(first);
        let strings = places.restore(keys.strings, first.as_ptr(), rest.strings)?;
        Some(Self {
            strings,
            _first: Some(first),
            _others: PhantomData,
        })
    }

    /// Words of which none was moved.
    pub fn unmoved(words: Args<'a>) -> Self {
        Self {
            strings: words.strings.to_vec(),
            _first: None,
            _others: PhantomData,
        }
    }

    /// All words.
    pub fn args(&self) -> Args<'_> {
        Args::of(&self.strings)
    }
}

fn bytes<'a>(string: *mut raw::RedisModuleString) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: a string of an `Args`, valid for as long as that; the server stores the length.
    let data = unsafe { api!(RedisModule_StringPtrLen)(string, &mut len) };
    if data.is_null() {
        return &[];
    }
    // SAFETY: the server's strings are `len` bytes at `data`, and no handler changes its arguments.
    unsafe { slice::from_raw_parts(data.cast(), len) }
}
