//! The context that the server gives to a callback: who calls, the state of the server, its log,
//! and the plain replies.

use std::ffi::{c_char, c_int, c_long, CStr, CString};
use std::ptr::NonNull;

use redis_module::raw;

use super::OwnString;

/// A context of the server, valid while the callback that got it runs.
pub struct Ctx(NonNull<raw::RedisModuleCtx>);

/// The state of the server in which a command arrives.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    flags: u32,
}

impl Situation {
    /// This server is a primary.
    pub fn is_primary(self) -> bool {
        self.flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0
    }

    /// The client speaks RESP3.
    pub fn is_resp3(self) -> bool {
        self.flags & raw::REDISMODULE_CTX_FLAGS_RESP3 != 0
    }

    /// Cluster mode is on.
    pub fn is_cluster(self) -> bool {
        self.flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0
    }

    /// A script or another module calls; this is no client's own command. Another module's call is
    /// not recognized inside EXEC, or if it may block (`K`): no flag tells it from a client's own
    /// command.
    pub fn is_call(self) -> bool {
        let denied = self.flags & raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING != 0;
        let in_transaction = self.flags & raw::REDISMODULE_CTX_FLAGS_MULTI != 0;
        self.flags & raw::REDISMODULE_CTX_FLAGS_LUA != 0 || (denied && !in_transaction)
    }

    /// The client cannot wait, because it is inside MULTI or a script, or may not block for another
    /// reason. The server would refuse to block it only after the command was executed.
    pub fn denies_waiting(self) -> bool {
        self.flags
            & (raw::REDISMODULE_CTX_FLAGS_MULTI
                | raw::REDISMODULE_CTX_FLAGS_LUA
                | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING)
            != 0
    }
}

/// A context of our own. Dropping it frees it, also when a panic unwinds.
pub(super) struct Detached(Ctx);

impl Detached {
    /// `None` if the server made no context.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: null is no blocked client; then the server makes a context of its own. The guard
        // lets the module run on the server's main thread only, so no lock is needed.
        let raw = unsafe { api!(RedisModule_GetThreadSafeContext)(std::ptr::null_mut()) };
        // SAFETY: null or just made. It is valid until it is dropped.
        unsafe { Ctx::new(raw) }.map(Self)
    }

    /// As [`new`](Self::new), for a context that belongs to the module of `ctx`.
    pub(super) fn of_module(ctx: &Ctx) -> Option<Self> {
        // SAFETY: the context is valid. The guard lets the module run on the server's main thread
        // only, so no lock is needed.
        let raw = unsafe { api!(RedisModule_GetDetachedThreadSafeContext)(ctx.raw()) };
        // SAFETY: null or just made. It is valid until it is dropped.
        unsafe { Ctx::new(raw) }.map(Self)
    }

    pub(super) fn ctx(&self) -> &Ctx {
        &self.0
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // SAFETY: made by one of the functions above, freed once, and nothing refers to it any
        // more.
        unsafe { api!(RedisModule_FreeThreadSafeContext)(self.0.raw()) };
    }
}

impl Ctx {
    /// Wraps a context.
    ///
    /// # Safety
    /// `ctx` is null or a context of the server that stays valid while this value exists.
    pub(super) unsafe fn new(ctx: *mut raw::RedisModuleCtx) -> Option<Self> {
        NonNull::new(ctx).map(Self)
    }

    /// Works with a context of our own, for callbacks that get none. It belongs to no client and to
    /// no module: commands can be called and the log can be written, but nothing can be registered,
    /// blocked or armed. Each such context costs the server a new client. `None` if the server made
    /// no context.
    pub fn detached<R>(work: impl FnOnce(&Self) -> R) -> Option<R> {
        let ctx = Detached::new()?;
        Some(work(&ctx.0))
    }

    /// The server's pointer.
    pub(super) fn raw(&self) -> *mut raw::RedisModuleCtx {
        self.0.as_ptr()
    }

    /// The state in which a command arrives.
    pub fn situation(&self) -> Situation {
        // SAFETY: the context is valid.
        let flags = unsafe { api!(RedisModule_GetContextFlags)(self.raw()) };
        Situation {
            flags: flags.cast_unsigned(),
        }
    }

    /// The id of the client of this context.
    pub fn client_id(&self) -> u64 {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetClientId)(self.raw()) }
    }

    /// The database that the client of this context has selected.
    pub fn selected_db(&self) -> c_int {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetSelectedDb)(self.raw()) }
    }

    /// Selects the database in which this context's calls are executed. Has no effect on the client
    /// of a command. The server checks the number.
    pub fn select_db(&self, db: c_int) {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_SelectDb)(self.raw(), db) };
    }

    /// Requests an acknowledgement from every replica: sends `REPLCONF GETACK *` to the replicas
    /// and not to the append-only file. False if it was not sent. To be called only in an event of
    /// the server: its context has a client of its own, and no transaction would enclose the
    /// request.
    ///
    /// The server sends the request in the context's database. `db` should be that of the last
    /// write, otherwise the stream gets a SELECT before and after.
    ///
    /// While traffic to the replicas is paused (CLIENT PAUSE, FAILOVER) the server aborts on this
    /// call, so it is not made then.
    pub fn request_acknowledgements(&self, db: c_int) -> bool {
        if self.is_traffic_paused() {
            return false;
        }
        // SAFETY: the context is valid. The server checks the number of the database, and each `c`
        // takes a string that ends in a null byte.
        let status = unsafe {
            api!(RedisModule_SelectDb)(self.raw(), db);
            api!(RedisModule_Replicate)(
                self.raw(),
                c"REPLCONF".as_ptr(),
                c"Acc".as_ptr(),
                c"GETACK".as_ptr(),
                c"*".as_ptr(),
            )
        };
        isize::try_from(status) == Ok(raw::REDISMODULE_OK)
    }

    /// True while nothing may be sent to the replicas, because of CLIENT PAUSE or a failover.
    pub fn is_traffic_paused(&self) -> bool {
        // SAFETY: takes nothing.
        unsafe { api!(RedisModule_AvoidReplicaTraffic)() != 0 }
    }

    /// Tells the server what is safe with this module, which has no data types:
    ///
    /// * to go on after an error while data are loaded;
    /// * to load a full synchronization beside the old data;
    /// * on Valkey, to move slots atomically. Valkey does not while a module is loaded that has not
    ///   declared this.
    pub fn declare_options(&self, moves_slots_atomically: bool) {
        /// An option of Valkey from 9.0 on.
        const ATOMIC_SLOT_MIGRATION: u32 = 1 << 5;
        let own = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
            | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD;
        let options = if moves_slots_atomically {
            own | ATOMIC_SLOT_MIGRATION
        } else {
            own
        };
        // SAFETY: the context is that of the load.
        unsafe { api!(RedisModule_SetModuleOptions)(self.raw(), options.cast_signed()) };
    }

    /// A field of INFO, from its section. `None` if the server does not have it. Read without the
    /// command INFO, which may have been renamed.
    pub fn server_info(&self, section: &CStr, field: &CStr) -> Option<Vec<u8>> {
        self.with_server_info(section, |info| Some(info.field(field)?.to_vec()))?
    }

    /// Records a sample for the server's latency monitor, in milliseconds.
    pub fn add_latency_sample(&self, event: &CStr, ms: u64) {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        // SAFETY: the server copies the event's name.
        unsafe { api!(RedisModule_LatencyAddSample)(event.as_ptr(), ms) };
    }

    /// Invalidates this name for the clients that track it. No key needs to have that name.
    pub fn signal_modified_key(&self, name: &[u8]) {
        let name = OwnString::new(name);
        // SAFETY: the context and the string are valid; the server copies what it keeps of it.
        unsafe { api!(RedisModule_SignalModifiedKey)(self.raw(), name.as_ptr()) };
    }

    /// Writes a line of level `debug` to the server's log.
    pub fn log_debug(&self, text: &str) {
        self.log(c"debug", text);
    }

    /// Writes a line of level `warning` to the server's log.
    pub fn log_warning(&self, text: &str) {
        self.log(c"warning", text);
    }

    /// Writes a line of level `notice` to the server's log.
    pub fn log_notice(&self, text: &str) {
        self.log(c"notice", text);
    }

    fn log(&self, level: &CStr, text: &str) {
        let text = to_c(text.as_bytes());
        // SAFETY: the context is valid. The level ends in a null byte, and `%s` takes a string that
        // does.
        unsafe { api!(RedisModule_Log)(self.raw(), level.as_ptr(), c"%s".as_ptr(), text.as_ptr()) };
    }

    /// Replies with an error, its code first.
    pub fn reply_error(&self, text: &CStr) {
        // SAFETY: the context is valid; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithError)(self.raw(), text.as_ptr()) };
    }

    /// As [`reply_error`](Self::reply_error), for a text that was composed.
    pub fn reply_error_text(&self, text: &str) {
        self.reply_error_bytes(text.as_bytes());
    }

    /// As [`reply_error`](Self::reply_error), for a text that repeats bytes of the user.
    pub fn reply_error_bytes(&self, text: &[u8]) {
        self.reply_error(&to_c(text));
    }

    /// Replies that the number of arguments is wrong, in the server's own words. Only inside a
    /// command.
    pub fn reply_wrong_arity(&self) {
        // SAFETY: the context is that of a running command.
        unsafe { api!(RedisModule_WrongArity)(self.raw()) };
    }

    /// Replies with an integer.
    pub fn reply_integer(&self, value: i64) {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithLongLong)(self.raw(), value) };
    }

    /// Begins an array of `len` elements, which have to follow.
    pub fn reply_array(&self, len: usize) {
        let len = c_long::try_from(len).unwrap_or(0);
        // SAFETY: the context is valid. A wrong number of elements would break the protocol, not
        // the memory.
        unsafe { api!(RedisModule_ReplyWithArray)(self.raw(), len) };
    }

    /// Begins a map of `len` pairs, which have to follow. RESP2 writes it as a flat array.
    pub fn reply_map(&self, len: usize) {
        let len = c_long::try_from(len).unwrap_or(0);
        // SAFETY: as for an array.
        unsafe { api!(RedisModule_ReplyWithMap)(self.raw(), len) };
    }

    /// Replies with a simple string.
    pub fn reply_simple(&self, text: &CStr) {
        // SAFETY: the context is valid; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithSimpleString)(self.raw(), text.as_ptr()) };
    }

    /// Replies with a bulk string.
    pub fn reply_bytes(&self, bytes: &[u8]) {
        // SAFETY: the context is valid; the server copies the bytes.
        unsafe {
            api!(RedisModule_ReplyWithStringBuffer)(
                self.raw(),
                bytes.as_ptr().cast::<c_char>(),
                bytes.len(),
            );
        }
    }

    /// Replies with null.
    pub fn reply_null(&self) {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithNull)(self.raw()) };
    }
}

/// The text without null bytes, which end a text for the server.
fn to_c(text: &[u8]) -> CString {
    let bytes: Vec<u8> = text.iter().copied().filter(|&byte| byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
