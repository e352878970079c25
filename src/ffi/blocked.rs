//! A client that waits for its reply. The server holds the reply meanwhile, or the module makes it
//! when the wait ends (`blocked/answer.rs`).

mod answer;

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use durable_core::common_reply::CommonReply;
use redis_module::raw;

use super::{guard, CallReply, Ctx};

/// How a wait ends if the module does not [unblock](Blocked::unblock) the client.
pub trait Waiting {
    /// `CLIENT UNBLOCK id TIMEOUT` has ended the wait. This function has to reply. `handle` is the
    /// client's.
    fn timed_out(ctx: &Ctx, handle: HandleId);
    /// The client disconnected or was killed, or the server itself replied to it.
    fn disconnected(ctx: &Ctx, handle: HandleId);
    /// Whether [`served`](Self::served) has anything to do. Runs for every client that gets a
    /// [`CommonReply`], and must be free of panics.
    fn awaits_serving() -> bool {
        false
    }
    /// A client was released, and has got its [`CommonReply`]. The server calls this between two
    /// events (`moduleHandleBlockedClients` in `module.c`), so subscriptions may end here.
    fn served(_ctx: &Ctx) {}
}

/// The handle of a blocked client. It has to go back to the server exactly once, whatever becomes
/// of the client: otherwise it leaks, and the module cannot be unloaded. Therefore it cannot be
/// copied, and [`Blocked::unblock`] takes it by value.
#[derive(Debug)]
#[must_use = "a handle that does not go back to the server leaks"]
pub struct Blocked(NonNull<raw::RedisModuleBlockedClient>);

/// The address of a blocked client's handle, for comparison with handles that the module still
/// has. When a handle has gone back, the server may give a new handle the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleId(usize);

impl HandleId {
    fn of(handle: *mut raw::RedisModuleBlockedClient) -> Self {
        Self(handle.addr())
    }
}

impl Ctx {
    /// Blocks the client whose command runs. `None` if the server refuses. To be called only inside
    /// a command that [may wait](super::context::Situation::denies_waiting): inside MULTI or a
    /// script the server would send an error of its own.
    ///
    /// The module gives the server no timeout. The server's timeouts are coarse. If one strikes
    /// between the unblocking and the serving of a client, Redis 7.0 leaves the client without a
    /// reply, and Redis 7.2 aborts.
    pub fn block<W: Waiting>(&self) -> Option<Blocked> {
        self.block_with::<W>(None)
    }

    /// As [`block`](Self::block), for a client that gets a [`CommonReply`]. It is released by
    /// [`Blocked::unblock_with`].
    pub fn block_for_common<W: Waiting>(&self) -> Option<Blocked> {
        self.block_with::<W>(Some(answer::on_reply::<W>))
    }

    fn block_with<W: Waiting>(&self, reply: raw::RedisModuleCmdFunc) -> Option<Blocked> {
        // SAFETY: the context is that of a running command. There is no private data to be freed,
        // and the server does not unload a module that has blocked clients.
        let handle = unsafe {
            api!(RedisModule_BlockClient)(self.raw(), reply, Some(on_timeout::<W>), None, 0)
        };
        let handle = NonNull::new(handle)?;
        // SAFETY: the handle was just made.
        unsafe {
            api!(RedisModule_SetDisconnectCallback)(handle.as_ptr(), Some(on_disconnect::<W>));
        }
        Some(Blocked(handle))
    }
}

impl Blocked {
    /// The address of this handle.
    pub fn id(&self) -> HandleId {
        HandleId::of(self.0.as_ptr())
    }

    /// Gives the server the reply to send, byte for byte, when the client is unblocked. If the wait
    /// is given up instead, the server drops that reply. A call reply must not outlive the context
    /// of its handler, so it is handed over at once.
    pub fn hold_reply(&self, reply: &CallReply<'_>) {
        self.hold(|ctx| ctx.reply_with(reply));
    }

    /// As [`hold_reply`](Self::hold_reply), for whatever `reply` replies.
    pub fn hold(&self, reply: impl FnOnce(&Ctx)) {
        // SAFETY: the handle has not gone back to the server, because that takes `self`.
        let raw = unsafe { api!(RedisModule_GetThreadSafeContext)(self.0.as_ptr()) };
        // SAFETY: null or a fresh context of the server, used on the main thread and freed below.
        if let Some(ctx) = unsafe { Ctx::new(raw) } {
            reply(&ctx);
            // SAFETY: the context was made above, and nothing refers to it any more.
            unsafe { api!(RedisModule_FreeThreadSafeContext)(ctx.raw()) };
        }
    }

    /// Gives the handle back. A client that still waits gets the reply that the server holds for
    /// it. If it was to get a common reply, it gets an error instead.
    pub fn unblock(self) {
        // SAFETY: the handle goes back once, because this takes `self`. There is no private data.
        unsafe { api!(RedisModule_UnblockClient)(self.0.as_ptr(), ptr::null_mut()) };
    }

    /// Gives the handle back. The client was blocked by [`Ctx::block_for_common`] and gets this
    /// reply, if it still waits.
    pub fn unblock_with(self, reply: CommonReply) {
        let data = answer::private_data(reply);
        // SAFETY: the handle goes back once, because this takes `self`. The private data is a
        // number, not an address: nobody reads what it would point to, and nothing frees it.
        unsafe { api!(RedisModule_UnblockClient)(self.0.as_ptr(), data) };
    }
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_timeout<W: Waiting>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this callback.
    unsafe {
        guard::command(ctx, argv, argc, |ctx, _| {
            let handle = api!(RedisModule_GetBlockedClientHandle)(ctx.raw());
            W::timed_out(ctx, HandleId::of(handle));
        })
    }
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_disconnect<W: Waiting>(
    ctx: *mut raw::RedisModuleCtx,
    handle: *mut raw::RedisModuleBlockedClient,
) {
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, |ctx| W::disconnected(ctx, HandleId::of(handle))) };
}
