//! The arguments of a command: bytes that the server owns while the handler runs.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::slice;

use durable_core::key_places::KeyPlaces;
use redis_module::raw;

use super::OwnString;

/// One argument vector, the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    // Each is a string of the server that is valid during `'a`.
    strings: &'a [*mut raw::RedisModuleString],
}

impl<'a> Args<'a> {
    /// Takes what a handler was given.
    ///
    /// # Safety
    /// `argv` is null or points to `argc` strings of the server. They stay valid and unchanged
    /// during `'a`, as those of a command handler do until it returns.
    pub(super) unsafe fn new(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> Self {
        let len = usize::try_from(argc).unwrap_or(0);
        let strings = if argv.is_null() || len == 0 {
            &[]
        } else {
            // SAFETY: neither null nor empty; the rest is promised by the caller.
            unsafe { slice::from_raw_parts(argv.cast_const(), len) }
        };
        Self { strings }
    }

    /// Takes a list of the server's strings.
    ///
    /// # Safety
    /// Each string stays valid and unchanged during `'a`.
    pub(super) unsafe fn of(strings: &'a [*mut raw::RedisModuleString]) -> Self {
        Self { strings }
    }

    /// The number of words. The command's name is one of them, unless it was skipped.
    pub fn len(self) -> usize {
        self.strings.len()
    }

    /// The bytes of the word at this index.
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        // SAFETY: a string of this vector is valid during `'a`.
        self.strings
            .get(index)
            .map(|&string| unsafe { bytes(string) })
    }

    /// The bytes of each word.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        // Looked up once: slot hints read thousands of words.
        let read = api!(RedisModule_StringPtrLen);
        // SAFETY: a string of this vector is valid during `'a`, and `read` is that call.
        self.strings
            .iter()
            .map(move |&string| unsafe { bytes_by(read, string) })
    }

    /// The words without the first `n`.
    pub fn skip(self, n: usize) -> Self {
        Self {
            strings: self.strings.get(n..).unwrap_or(&[]),
        }
    }

    /// The first `n` words, or all if there are fewer.
    pub fn take(self, n: usize) -> Self {
        Self {
            strings: self.strings.get(..n).unwrap_or(self.strings),
        }
    }

    /// The server's own strings, to hand on to a call.
    pub(super) fn as_raw(self) -> &'a [*mut raw::RedisModuleString] {
        self.strings
    }
}

/// Words put together from those of a handler.
pub struct Restored<'a> {
    // Strings of `_others`, and `_first`.
    strings: Vec<*mut raw::RedisModuleString>,
    _first: Option<OwnString>,
    _others: PhantomData<Args<'a>>,
}

impl<'a> Restored<'a> {
    /// The words as they were before some of their keys were moved away from `places`. `None` if
    /// such a move cannot have resulted in these words.
    pub fn new(places: KeyPlaces, keys: Args<'a>, first: &[u8], rest: Args<'a>) -> Option<Self> {
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
        // SAFETY: the first word is kept by `self`, and the others are valid during `'a`, which
        // outlives `self`.
        unsafe { Args::of(&self.strings) }
    }
}

/// Words of a command that outlive its handler.
pub struct KeptWords {
    // Each is the string of the reference at the same index.
    strings: Vec<*mut raw::RedisModuleString>,
    _references: Vec<OwnString>,
}

impl KeptWords {
    /// Keeps these words. They are not copied, so they must be dropped while the client is still
    /// blocked: afterwards a thread of the server may free the client's words.
    pub fn of(words: Args<'_>) -> Self {
        // SAFETY: the strings of an argument vector are valid.
        let hold = |&string| unsafe { OwnString::hold(string) };
        let references: Vec<_> = words.strings.iter().map(hold).collect();
        Self {
            strings: references.iter().map(OwnString::as_ptr).collect(),
            _references: references,
        }
    }

    /// The words of a script command such as EVAL, up to the script, with a number of keys of 0.
    pub fn without_keys(words: Args<'_>) -> Self {
        let mut kept = Self::of(words.take(2));
        let zero = OwnString::new(b"0");
        kept.strings.push(zero.as_ptr());
        kept._references.push(zero);
        kept
    }

    /// All words.
    pub fn args(&self) -> Args<'_> {
        // SAFETY: `self` has a reference to each string.
        unsafe { Args::of(&self.strings) }
    }
}

/// Words that are about to be passed to a call as strings. The server may put these strings into
/// its data, and the client would share them. So small words are copied. To copy a large one would
/// cost more than sharing it does harm.
pub(super) struct PassedWords {
    strings: Vec<*mut raw::RedisModuleString>,
    _copies: Vec<OwnString>,
}

impl PassedWords {
    /// Copies words of up to `limit` bytes, and the first `always` words.
    pub(super) fn copy_up_to(limit: usize, always: usize, words: Args<'_>) -> Self {
        let mut copies = Vec::new();
        let mut pass =
            |(index, (word, &string)): (usize, (&[u8], &*mut raw::RedisModuleString))| {
                if word.len() > limit && index >= always {
                    return string;
                }
                let copy = OwnString::new(word);
                let string = copy.as_ptr();
                copies.push(copy);
                string
            };
        let strings = words
            .iter()
            .zip(words.strings)
            .enumerate()
            .map(&mut pass)
            .collect();
        Self {
            strings,
            _copies: copies,
        }
    }

    /// The strings. They are valid while this and the original words live.
    pub(super) fn as_raw(&self) -> &[*mut raw::RedisModuleString] {
        &self.strings
    }
}

/// The bytes of a string of the server.
///
/// # Safety
/// The string stays valid and unchanged during `'a`.
pub(super) unsafe fn bytes<'a>(string: *const raw::RedisModuleString) -> &'a [u8] {
    // SAFETY: promised by the caller.
    unsafe { bytes_by(api!(RedisModule_StringPtrLen), string) }
}

type StringPtrLen =
    unsafe extern "C" fn(*const raw::RedisModuleString, *mut usize) -> *const c_char;

/// As [`bytes`], for many strings.
///
/// # Safety
/// `read` is the call of that name, and the string is as for [`bytes`].
unsafe fn bytes_by<'a>(read: StringPtrLen, string: *const raw::RedisModuleString) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: the string is valid; the server stores its length.
    let data = unsafe { read(string, &mut len) };
    if data.is_null() {
        return &[];
    }
    // SAFETY: `len` bytes at `data` that belong to the string.
    unsafe { slice::from_raw_parts(data.cast(), len) }
}
