//! Replies of the server that are kept, to be sent to clients again and again. To copy a reply
//! costs the server far less than to write it anew.
//!
//! A reply keeps a pointer to the context of its call, and must not outlive it. So these calls are
//! made in a context of our own, which lives as long as the last of its replies.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::rc::Rc;

use redis_module::raw;

use super::context::Detached;
use super::Ctx;

/// Makes replies that can be kept.
pub struct ReplyKeeper(Rc<Detached>);

/// A whole reply.
struct Root {
    raw: NonNull<raw::RedisModuleCallReply>,
    // Dropped after the reply is freed, which refers to it.
    _ctx: Rc<Detached>,
}

impl Drop for Root {
    fn drop(&mut self) {
        // SAFETY: made by a call and freed once. Its context is still there.
        unsafe { api!(RedisModule_FreeCallReply)(self.raw.as_ptr()) };
    }
}

/// One element of a reply.
pub struct KeptReply {
    raw: NonNull<raw::RedisModuleCallReply>,
    // The element belongs to it.
    _root: Rc<Root>,
}

impl ReplyKeeper {
    /// `None` if the server makes no context.
    pub fn new() -> Option<Self> {
        Some(Self(Rc::new(Detached::new()?)))
    }

    /// Calls a command with one word, and keeps the elements of its reply. There are none if the
    /// reply is no array.
    pub fn call(&self, command: &CStr, word: &CStr) -> Vec<KeptReply> {
        let Some(reply) = self.0.ctx().ask(command, &[word]) else {
            return Vec::new();
        };
        // The elements belong to the reply, which stays at its place.
        let elements: Vec<_> = reply.root().elements().map(|it| it.as_ptr()).collect();
        let root = Rc::new(Root {
            raw: reply.into_raw(),
            _ctx: Rc::clone(&self.0),
        });
        let keep = |raw| KeptReply {
            raw,
            _root: Rc::clone(&root),
        };
        elements.into_iter().map(keep).collect()
    }
}

impl KeptReply {
    /// Calls a command without words, and keeps its whole reply. `None` if the server does not
    /// execute it.
    pub fn of(command: &CStr) -> Option<Self> {
        let ctx = Rc::new(Detached::new()?);
        let raw = ctx.ctx().ask(command, &[])?.into_raw();
        let _root = Rc::new(Root { raw, _ctx: ctx });
        Some(Self { raw, _root })
    }

    /// The bytes that are sent to a client.
    pub fn protocol(&self) -> &[u8] {
        // SAFETY: the reply is alive as long as `self`.
        unsafe { super::call::protocol(self.raw) }
    }
}

impl Ctx {
    /// Replies with a kept reply.
    #[inline]
    pub fn reply_kept(&self, reply: &KeptReply) {
        // SAFETY: context and reply are valid. The server copies the reply.
        unsafe { api!(RedisModule_ReplyWithCallReply)(self.raw(), reply.raw.as_ptr()) };
    }
}
