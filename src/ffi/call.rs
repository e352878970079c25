//! Calling the server's own commands, and reading what they answer.

use std::ffi::{c_int, c_longlong, CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use redis_module::raw;

use super::{Args, Ctx};

/// The reply to a call, freed with it. It must not outlive the context it was made in: the server
/// keeps a pointer to that in every reply.
pub struct CallReply<'ctx> {
    raw: NonNull<raw::RedisModuleCallReply>,
    ctx: PhantomData<&'ctx Ctx>,
}

impl Drop for CallReply<'_> {
    fn drop(&mut self) {
        // SAFETY: the reply was made by a call and is freed here, once, within its context's life.
        unsafe { api!(RedisModule_FreeCallReply)(self.raw.as_ptr()) };
    }
}

impl CallReply<'_> {
    /// The outermost element.
    pub fn root(&self) -> Reply<'_> {
        Reply {
            raw: self.raw,
            owner: PhantomData,
        }
    }

    /// The text of an error, code and all, without the leading dash; `None` for any other reply.
    ///
    /// Read off the protocol, because the server takes a reply apart, down to its last element, as soon
    /// as it is asked of what type it is.
    pub fn error(&self) -> Option<&[u8]> {
        let line = self.protocol().strip_prefix(b"-")?;
        line.split(|&byte| byte == b'\r').next()
    }

    /// The whole reply as the server would have sent it, in RESP2 unless the call asked otherwise.
    pub fn protocol(&self) -> &[u8] {
        let mut len = 0;
        // SAFETY: the reply is alive; the server stores the length.
        let data = unsafe { api!(RedisModule_CallReplyProto)(self.raw.as_ptr(), &mut len) };
        if data.is_null() {
            return &[];
        }
        // SAFETY: `len` bytes at `data` that belong to the reply.
        unsafe { slice::from_raw_parts(data.cast(), len) }
    }

    pub(super) fn as_ptr(&self) -> *mut raw::RedisModuleCallReply {
        self.raw.as_ptr()
    }
}

/// One element of a reply. What it is not, it is not: each reader answers `None` for other types.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    raw: NonNull<raw::RedisModuleCallReply>,
    owner: PhantomData<&'a ()>,
}

impl<'a> Reply<'a> {
    fn kind(self) -> c_int {
        // SAFETY: the element lives as long as the reply that it belongs to.
        unsafe { api!(RedisModule_CallReplyType)(self.raw.as_ptr()) }
    }

    fn is(self, kind: isize) -> bool {
        isize::try_from(self.kind()) == Ok(kind)
    }

    /// The bytes of a simple or bulk string.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if !self.is(raw::REDISMODULE_REPLY_STRING) {
            return None;
        }
        let mut len = 0;
        // SAFETY: as in `kind`; the server stores the length.
        let data = unsafe { api!(RedisModule_CallReplyStringPtr)(self.raw.as_ptr(), &mut len) };
        // SAFETY: `len` bytes at `data` that belong to the reply.
        (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), len) })
    }

    /// An integer.
    pub fn integer(self) -> Option<i64> {
        self.is(raw::REDISMODULE_REPLY_INTEGER).then(|| {
            // SAFETY: as in `kind`.
            unsafe { api!(RedisModule_CallReplyInteger)(self.raw.as_ptr()) }
        })
    }

    /// A number that the server wrote as an integer or as a string.
    pub fn number(self) -> Option<i64> {
        self.integer()
            .or_else(|| std::str::from_utf8(self.bytes()?).ok()?.parse().ok())
    }

    /// The elements of an array; none for anything else.
    pub fn elements(self) -> impl Iterator<Item = Reply<'a>> {
        let len = if self.is(raw::REDISMODULE_REPLY_ARRAY) {
            // SAFETY: as in `kind`.
            unsafe { api!(RedisModule_CallReplyLength)(self.raw.as_ptr()) }
        } else {
            0
        };
        (0..len).filter_map(move |index| self.at(index))
    }

    /// One element of an array.
    pub fn get(self, index: usize) -> Option<Reply<'a>> {
        if self.is(raw::REDISMODULE_REPLY_ARRAY) {
            self.at(index)
        } else {
            None
        }
    }

    fn at(self, index: usize) -> Option<Reply<'a>> {
        // SAFETY: as in `kind`; the server answers null for an index beyond the array's end.
        let element = unsafe { api!(RedisModule_CallReplyArrayElement)(self.raw.as_ptr(), index) };
        NonNull::new(element).map(|raw| Reply {
            raw,
            owner: PhantomData,
        })
    }
}

impl Ctx {
    /// Runs a user's command with the rights of the client of this context, as if it had sent it:
    /// `!` replicates it, `C` checks the ACL, `M` refuses writes past `maxmemory`, `E` turns a
    /// refusal into an error reply, `0` answers in the client's protocol version.
    pub fn call_for_client(&self, command: &CStr, args: Args<'_>) -> Option<CallReply<'_>> {
        let args = args.as_raw();
        // SAFETY: the context and the arguments belong to the running handler; `v` takes an array
        // and its length, which the server copies before it runs anything.
        self.owned(unsafe {
            api!(RedisModule_Call)(
                self.raw(),
                command.as_ptr(),
                c"!CME0v".as_ptr(),
                args.as_ptr(),
                args.len(),
            )
        })
    }

    /// Asks the server with a command and fixed words, none of them from a user.
    pub fn ask(&self, command: &CStr, words: &[&CStr]) -> Option<CallReply<'_>> {
        let call = api!(RedisModule_Call);
        let (ctx, name) = (self.raw(), command.as_ptr());
        // SAFETY: the context is valid, and each `c` takes a string that ends in a null byte.
        self.owned(unsafe {
            match *words {
                [] => call(ctx, name, c"E".as_ptr()),
                [a] => call(ctx, name, c"Ec".as_ptr(), a.as_ptr()),
                [a, b] => call(ctx, name, c"Ecc".as_ptr(), a.as_ptr(), b.as_ptr()),
                _ => return None,
            }
        })
    }

    /// `CLIENT LIST ID id …`: the lines of those clients that the server still has.
    pub fn ask_for_clients(&self, ids: &[CString]) -> Option<CallReply<'_>> {
        // SAFETY: without a context a string is its maker's to free; the server copies the bytes.
        let mut strings: Vec<_> = ids
            .iter()
            .map(|id| unsafe {
                api!(RedisModule_CreateString)(ptr::null_mut(), id.as_ptr(), id.as_bytes().len())
            })
            .collect();
        // SAFETY: as in `ask`; `v` takes an array and its length.
        let reply = unsafe {
            api!(RedisModule_Call)(
                self.raw(),
                c"CLIENT".as_ptr(),
                c"Eccv".as_ptr(),
                c"LIST".as_ptr(),
                c"ID".as_ptr(),
                strings.as_ptr(),
                strings.len(),
            )
        };
        for string in strings.drain(..) {
            // SAFETY: made above, and the server keeps its own reference to what it needs.
            unsafe { api!(RedisModule_FreeString)(ptr::null_mut(), string) };
        }
        self.owned(reply)
    }

    /// `CLIENT UNBLOCK id TIMEOUT`: true if that client was waiting. Its timeout callback has run
    /// when this returns.
    pub fn unblock_as_timed_out(&self, client: u64) -> bool {
        let Ok(id) = c_longlong::try_from(client) else {
            return false;
        };
        // SAFETY: as in `ask`; `l` takes a long long.
        let reply = self.owned(unsafe {
            api!(RedisModule_Call)(
                self.raw(),
                c"CLIENT".as_ptr(),
                c"Eclc".as_ptr(),
                c"UNBLOCK".as_ptr(),
                id,
                c"TIMEOUT".as_ptr(),
            )
        });
        reply.and_then(|reply| reply.root().integer()) == Some(1)
    }

    fn owned(&self, reply: *mut raw::RedisModuleCallReply) -> Option<CallReply<'_>> {
        NonNull::new(reply).map(|raw| CallReply {
            raw,
            ctx: PhantomData,
        })
    }
}
