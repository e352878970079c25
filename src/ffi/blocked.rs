//! A client that waits for its reply, and the reply that the server holds for it meanwhile.

use std::ptr::NonNull;

use redis_module::raw;

use super::{CallReply, Ctx};

/// Called when a client's wait is given up; it has to reply.
pub type TimeoutCallback = raw::RedisModuleCmdFunc;
/// Called when a waiting client leaves or the server answers it itself.
pub type DisconnectCallback = raw::RedisModuleDisconnectFunc;

/// The handle of a blocked client. Whatever becomes of the client, its handle has to go back to the
/// server exactly once, or it leaks and the module cannot be unloaded: hence [`Blocked::unblock`]
/// takes it by value, and it cannot be copied.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a handle that does not go back to the server leaks"]
pub struct Blocked(NonNull<raw::RedisModuleBlockedClient>);

impl Ctx {
    /// Blocks the client whose command runs. The server is given no timeout: it is coarse, and a
    /// timeout that strikes between the unblocking and the serving of a client leaves it without
    /// any reply on 7.0 and aborts 7.2.
    ///
    /// The caller has made sure that the context may block: inside MULTI or a script the server
    /// would answer with an error of its own.
    pub fn block(
        &self,
        timeout: TimeoutCallback,
        disconnect: DisconnectCallback,
    ) -> Option<Blocked> {
        // SAFETY: the context is that of a running command; no private data is given to be freed.
        let handle = unsafe { api!(RedisModule_BlockClient)(self.raw(), None, timeout, None, 0) };
        let handle = NonNull::new(handle)?;
        // SAFETY: the handle is the one that was just made.
        unsafe { api!(RedisModule_SetDisconnectCallback)(handle.as_ptr(), disconnect) };
        Some(Blocked(handle))
    }
}

impl Ctx {
    /// The blocked client that a timeout callback is about.
    pub fn blocked_handle(&self) -> *mut raw::RedisModuleBlockedClient {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetBlockedClientHandle)(self.raw()) }
    }
}

impl Blocked {
    /// Whether this is the handle that the server means.
    pub fn is(&self, raw: *mut raw::RedisModuleBlockedClient) -> bool {
        self.0.as_ptr() == raw
    }

    /// Gives the server the reply to send when the client is unblocked, byte for byte; a wait that
    /// is given up drops it. A call reply points into its handler's context and must not outlive
    /// it, so this is done at once.
    pub fn hold_reply(&self, reply: &CallReply<'_>) {
        self.hold(|ctx| ctx.reply_with(reply));
    }

    /// As [`hold_reply`](Self::hold_reply), for an integer.
    pub fn hold_integer(&self, value: i64) {
        self.hold(|ctx| ctx.reply_integer(value));
    }

    /// As [`hold_reply`](Self::hold_reply), for whatever `reply` replies.
    pub fn hold(&self, reply: impl FnOnce(&Ctx)) {
        // SAFETY: the handle has not gone back to the server, because that takes `self`.
        let raw = unsafe { api!(RedisModule_GetThreadSafeContext)(self.0.as_ptr()) };
        // SAFETY: a fresh context of the server, used on the main thread and freed below.
        if let Some(ctx) = unsafe { Ctx::new(raw) } {
            reply(&ctx);
            // SAFETY: the context was made above and nothing refers to it any more.
            unsafe { api!(RedisModule_FreeThreadSafeContext)(ctx.raw()) };
        }
    }

    /// Gives the handle back. A client that still waits gets the reply that the server holds for it.
    pub fn unblock(self) {
        // SAFETY: the handle goes back once, because this takes `self`.
        unsafe { api!(RedisModule_UnblockClient)(self.0.as_ptr(), std::ptr::null_mut()) };
    }
}
