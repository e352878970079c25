//! Calls of the server's own commands, and their replies.

use std::ffi::{c_char, c_int, CStr};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_module::raw;

use super::args::PassedWords;
use super::{Args, Ctx, OwnString};

/// The reply to a call, freed when dropped. It must not outlive the context of the call, because
/// every reply keeps a pointer to that context.
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

    /// The text of an error with its code, without the leading dash. `None` for any other reply.
    ///
    /// Read from the protocol, because asking for a reply's type makes the server parse the whole
    /// reply, down to the last element.
    pub fn error(&self) -> Option<&[u8]> {
        let line = self.protocol().strip_prefix(b"-")?;
        line.split(|&byte| byte == b'\r').next()
    }

    /// The whole reply as the server would have sent it. In RESP2, unless the call asked for
    /// another version.
    pub fn protocol(&self) -> &[u8] {
        // SAFETY: the reply lives as long as `self`.
        unsafe { protocol(self.raw) }
    }

    pub(super) fn as_ptr(&self) -> *mut raw::RedisModuleCallReply {
        self.raw.as_ptr()
    }

    /// The server's pointer. Whoever takes it frees the reply, while its context lives.
    pub(super) fn into_raw(self) -> NonNull<raw::RedisModuleCallReply> {
        ManuallyDrop::new(self).raw
    }
}

/// A reply, or an element of one, as the server would have sent it.
///
/// # Safety
/// The reply is alive during `'a`.
pub(super) unsafe fn protocol<'a>(reply: NonNull<raw::RedisModuleCallReply>) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: the reply is alive; the server stores the length.
    let data = unsafe { api!(RedisModule_CallReplyProto)(reply.as_ptr(), &mut len) };
    if data.is_null() {
        return &[];
    }
    // SAFETY: `len` bytes at `data` that belong to the reply.
    unsafe { slice::from_raw_parts(data.cast(), len) }
}

/// One element of a reply. Each reader returns `None` on a type mismatch.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    raw: NonNull<raw::RedisModuleCallReply>,
    owner: PhantomData<&'a ()>,
}

impl<'a> Reply<'a> {
    pub(super) fn as_ptr(self) -> NonNull<raw::RedisModuleCallReply> {
        self.raw
    }

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

    /// A number, written as an integer or as a string.
    pub fn number(self) -> Option<i64> {
        self.integer()
            .or_else(|| std::str::from_utf8(self.bytes()?).ok()?.parse().ok())
    }

    /// The elements of an array. Empty for anything else.
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
        // SAFETY: as in `kind`; the server returns null for an index beyond the array's end.
        let element = unsafe { api!(RedisModule_CallReplyArrayElement)(self.raw.as_ptr(), index) };
        NonNull::new(element).map(|raw| Reply {
            raw,
            owner: PhantomData,
        })
    }
}

/// Whether the server checked `maxmemory` before the handler ran. The server checks commands with
/// the flag `deny-oom`. It makes an exception for scripts that have begun to write, or that are
/// allowed to exceed `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It did if the inner command needs it: the durable command has the flag if the inner one has.
    CheckedByServer,
    /// It did not: the durable command has no such flag. The call has to check.
    Unchecked,
}

/// Up to so many arguments, besides a key that comes first, are passed as buffers. `RM_Call` is
/// variadic, so each number of arguments is a call of its own in the source.
const BUFFERS: usize = 16;

/// The longest argument that is copied for a call, in bytes.
pub(super) const COPIED: usize = 64 * 1024;

/// Passes the bytes of the arguments. The server makes strings of its own from them, with one
/// exception: a key that comes first is passed as the client's own string, because the server
/// copies keys that it keeps.
///
/// If it got the client's own strings, the server would put these into its data, and the client
/// would share them for as long as it waits. That is bad for two reasons. A thread of the server
/// may free data, and must not free a string that is shared. And the server stores a number as an
/// integer only if its string is not shared.
///
/// `None` if there are too many arguments, or one is too long to be copied. Then nothing was
/// called.
fn call_with_buffers(
    ctx: &Ctx,
    command: &CStr,
    args: Args<'_>,
    key_first: bool,
    memory: Memory,
) -> Option<*mut raw::RedisModuleCallReply> {
    let (key, args) = match args.as_raw() {
        [key, ..] if key_first => (Some(*key), args.skip(1)),
        _ => (None, args),
    };
    if args.len() > BUFFERS {
        return None;
    }
    let mut buffers = [(ptr::null::<c_char>(), 0_usize); BUFFERS];
    for (buffer, arg) in buffers.iter_mut().zip(args.iter()) {
        if arg.len() > COPIED {
            return None;
        }
        *buffer = (arg.as_ptr().cast(), arg.len());
    }
    let (call, ctx, command) = (api!(RedisModule_Call), ctx.raw(), command.as_ptr());
    let checks_memory = memory == Memory::Unchecked;
    let _calling = Calling::begin();
    // The flags, then `s` for the key, then one `b` for each of the other arguments.
    macro_rules! call_by_number {
        ($($number:literal: $buffers:literal: $($at:literal)*;)*) => {
            Some(match (args.len(), key) {
                $(
                    ($number, None) => {
                        let format = call_format!(checks_memory, $buffers);
                        // SAFETY: the context and the arguments are valid, and the format ends in a
                        // null byte. Each `b` takes a pointer and a length, and there are as many
                        // of both as arguments.
                        unsafe { call(ctx, command, format $(, buffers[$at].0, buffers[$at].1)*) }
                    }
                    ($number, Some(key)) => {
                        let format = call_format!(checks_memory, concat!("s", $buffers));
                        // SAFETY: as above; `s` takes the key.
                        unsafe { call(ctx, command, format, key $(, buffers[$at].0, buffers[$at].1)*) }
                    }
                )*
                _ => return None,
            })
        };
    }
    macro_rules! call_format {
        ($checks_memory:expr, $arguments:expr) => {
            if $checks_memory {
                concat!("!CME0", $arguments, "\0").as_ptr().cast::<c_char>()
            } else {
                concat!("!CE0", $arguments, "\0").as_ptr().cast::<c_char>()
            }
        };
    }
    call_by_number! {
        0: "":;
        1: "b": 0;
        2: "bb": 0 1;
        3: "bbb": 0 1 2;
        4: "bbbb": 0 1 2 3;
        5: "bbbbb": 0 1 2 3 4;
        6: "bbbbbb": 0 1 2 3 4 5;
        7: "bbbbbbb": 0 1 2 3 4 5 6;
        8: "bbbbbbbb": 0 1 2 3 4 5 6 7;
        9: "bbbbbbbbb": 0 1 2 3 4 5 6 7 8;
        10: "bbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9;
        11: "bbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10;
        12: "bbbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10 11;
        13: "bbbbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10 11 12;
        14: "bbbbbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10 11 12 13;
        15: "bbbbbbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        16: "bbbbbbbbbbbbbbbb": 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15;
    }
}

/// As [`call_with_buffers`], for any number of arguments of any length.
fn call_with_strings(
    ctx: &Ctx,
    command: &CStr,
    args: Args<'_>,
    memory: Memory,
) -> *mut raw::RedisModuleCallReply {
    let passed = PassedWords::copy_up_to(COPIED, 0, args);
    let raw = passed.as_raw();
    let format = match memory {
        Memory::CheckedByServer => c"!CE0v",
        Memory::Unchecked => c"!CME0v",
    };
    let _calling = Calling::begin();
    // SAFETY: the context and the arguments are valid, and the copies live until the call has
    // returned. `v` takes an array and its length, and the server keeps references of its own.
    unsafe {
        api!(RedisModule_Call)(
            ctx.raw(),
            command.as_ptr(),
            format.as_ptr(),
            raw.as_ptr(),
            raw.len(),
        )
    }
}

/// How many calls are under way, one within another. Only the main thread calls.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Whether the module is calling the server. A command filter that runs now sees a command of the
/// module itself.
pub(super) fn is_under_way() -> bool {
    CALLS.load(Ordering::Relaxed) > 0
}

/// Lives as long as one call.
pub(super) struct Calling;

impl Calling {
    pub(super) fn begin() -> Self {
        // Not an addition in one instruction, which would lock the memory.
        CALLS.store(
            CALLS.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        Self
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        CALLS.store(
            CALLS.load(Ordering::Relaxed).wrapping_sub(1),
            Ordering::Relaxed,
        );
    }
}

impl Ctx {
    /// Runs a user's command with the rights of this context's client, as if that client had sent
    /// it. `None` if the server did not execute the command.
    ///
    /// The flags: `!` replicates the command, `C` checks the ACL, `E` turns a refusal into an error
    /// reply, `0` replies in the client's protocol version. `M` refuses writes beyond `maxmemory`;
    /// it is set if `memory` is [`Memory::Unchecked`]. `key_first` says that the first argument is
    /// a key.
    pub fn call_for_client(
        &self,
        command: &CStr,
        args: Args<'_>,
        key_first: bool,
        memory: Memory,
    ) -> Option<CallReply<'_>> {
        let reply = call_with_buffers(self, command, args, key_first, memory)
            .unwrap_or_else(|| call_with_strings(self, command, args, memory));
        // SAFETY: just made in this context.
        unsafe { self.owned(reply) }
    }

    /// Calls a command for the module itself, with up to three words. The server does not check the
    /// ACL for it, and does not replicate it.
    pub fn ask(&self, command: &CStr, words: &[&CStr]) -> Option<CallReply<'_>> {
        let call = api!(RedisModule_Call);
        let (ctx, name) = (self.raw(), command.as_ptr());
        let _calling = Calling::begin();
        // SAFETY: the context is valid, and each `c` takes a string that ends in a null byte. The
        // reply was just made in this context.
        unsafe {
            self.owned(match *words {
                [] => call(ctx, name, c"E".as_ptr()),
                [a] => call(ctx, name, c"Ec".as_ptr(), a.as_ptr()),
                [a, b] => call(ctx, name, c"Ecc".as_ptr(), a.as_ptr(), b.as_ptr()),
                [a, b, d] => {
                    let format = c"Eccc".as_ptr();
                    call(ctx, name, format, a.as_ptr(), b.as_ptr(), d.as_ptr())
                }
                _ => return None,
            })
        }
    }

    /// `CLIENT LIST ID id …`: the lines of those clients that the server still has.
    pub fn ask_for_clients(&self, ids: &[u64]) -> Option<CallReply<'_>> {
        let strings: Vec<_> = ids
            .iter()
            .map(|id| OwnString::new(id.to_string().as_bytes()))
            .collect();
        let raw: Vec<_> = strings.iter().map(OwnString::as_ptr).collect();
        let _calling = Calling::begin();
        // SAFETY: as in `ask`; `v` takes an array of strings and its length.
        unsafe {
            self.owned(api!(RedisModule_Call)(
                self.raw(),
                c"CLIENT".as_ptr(),
                c"Eccv".as_ptr(),
                c"LIST".as_ptr(),
                c"ID".as_ptr(),
                raw.as_ptr(),
                raw.len(),
            ))
        }
    }

    /// Takes the reply of a call. `None` for null.
    ///
    /// # Safety
    /// `reply` is null or was just made by a call in this context.
    pub(super) unsafe fn owned(
        &self,
        reply: *mut raw::RedisModuleCallReply,
    ) -> Option<CallReply<'_>> {
        NonNull::new(reply).map(|raw| CallReply {
            raw,
            ctx: PhantomData,
        })
    }
}
