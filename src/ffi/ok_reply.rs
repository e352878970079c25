//! `+OK`, as the reply of a call that is kept.
//!
//! To send a kept reply costs the server 150 instructions, to send a simple string 850: Redis 7.0.15
//! copies its text first. Most durable writes reply OK.
//!
//! A call's reply has a pointer to the context of the call. So the context is kept, too. It is one
//! of our own, which lives until it is freed.

use lazy_static::lazy_static;
use redis_module::raw;

use super::main_thread::MainThread;
use super::{CallReply, Ctx};

lazy_static! {
    static ref KEPT: MainThread<KeptOk> = MainThread::new();
}

/// A context of our own, and the reply of a call in it.
struct KeptOk {
    ctx: Ctx,
    reply: *mut raw::RedisModuleCallReply,
}

impl Drop for KeptOk {
    fn drop(&mut self) {
        // SAFETY: both were made by `load`. The reply is freed first, because it has a pointer to
        // the context. Nothing else refers to them.
        unsafe {
            api!(RedisModule_FreeCallReply)(self.reply);
            api!(RedisModule_FreeThreadSafeContext)(self.ctx.raw());
        }
    }
}

/// Makes the reply, with a command that does nothing. If the server does not reply OK, because the
/// command was renamed, nothing is kept.
pub fn load() {
    // SAFETY: as in `Ctx::detached`. Null or just made, and freed below or by `KeptOk`.
    let ctx = unsafe { Ctx::new(api!(RedisModule_GetThreadSafeContext)(std::ptr::null_mut())) };
    let Some(ctx) = ctx else {
        return;
    };
    let reply = ctx.ask(c"UNWATCH", &[]);
    let is_ok = |reply: &CallReply<'_>| reply.protocol() == b"+OK\r\n";
    match reply.filter(is_ok).map(CallReply::into_raw) {
        Some(reply) => KEPT.set(KeptOk { ctx, reply }),
        // SAFETY: the context was just made, and nothing refers to it.
        None => unsafe { api!(RedisModule_FreeThreadSafeContext)(ctx.raw()) },
    }
}

/// Frees the reply.
pub fn unload() {
    KEPT.clear();
}

impl Ctx {
    /// Replies `+OK`.
    pub fn reply_ok(&self) {
        match KEPT.get(|kept| kept.reply) {
            // SAFETY: the context is valid. The reply is, until `unload`.
            Some(reply) => unsafe {
                api!(RedisModule_ReplyWithCallReply)(self.raw(), reply);
            },
            None => self.reply_simple(c"OK"),
        }
    }
}
