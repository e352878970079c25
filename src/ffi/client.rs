//! Reads what the server has stored about a client's connection.

use std::ffi::{c_void, CStr};

use redis_module::raw;

use super::{args, Ctx};

/// The connection of one client.
pub struct ClientInfo(raw::RedisModuleClientInfo);

impl Ctx {
    /// Whether a client with that id is connected. A call of a script or of another module has an
    /// id that no client has, with one exception: the server may give the call the id of a client
    /// that was blocked before.
    pub fn is_connected(&self, client: u64) -> bool {
        self.with_user_name(client, |_| ()).is_some()
    }

    /// The name of a connected client's ACL user. Empty if there is none.
    pub fn user_name(&self, client: u64) -> Vec<u8> {
        self.with_user_name(client, <[u8]>::to_vec)
            .unwrap_or_default()
    }

    fn with_user_name<R>(&self, client: u64, work: impl FnOnce(&[u8]) -> R) -> Option<R> {
        // SAFETY: the context is valid; the server returns null for an id that it does not know.
        let name = unsafe { api!(RedisModule_GetClientUserNameById)(self.raw(), client) };
        if name.is_null() {
            return None;
        }
        // SAFETY: the string is ours until it is freed below, and its bytes cannot leave `work`.
        let result = work(unsafe { args::bytes(name) });
        // SAFETY: the string is ours to free, and nothing refers to it any more.
        unsafe { api!(RedisModule_FreeString)(self.raw(), name) };
        Some(result)
    }

    /// The connection of this context's client. `None` for callers without one. Must not be called
    /// inside the call of a script or of another module: Valkey 9 would read a connection that does
    /// not exist.
    pub fn client_info(&self) -> Option<ClientInfo> {
        let mut info = raw::RedisModuleClientInfo {
            version: u64::from(raw::REDISMODULE_CLIENTINFO_VERSION),
            flags: 0,
            id: 0,
            addr: [0; 46],
            port: 0,
            db: 0,
        };
        let place = std::ptr::from_mut(&mut info).cast();
        // SAFETY: the record is of the version that it names, and is written during the call only.
        let status = unsafe { api!(RedisModule_GetClientInfoById)(place, self.client_id()) };
        (isize::try_from(status) == Ok(raw::REDISMODULE_OK)).then_some(ClientInfo(info))
    }
}

impl ClientInfo {
    /// The client that an event is about. `None` if the server gave no record of it.
    ///
    /// # Safety
    /// `data` is null or the record of a client event, in its first version.
    pub(super) unsafe fn of_event(data: *const c_void) -> Option<Self> {
        // SAFETY: promised by the caller.
        let info = unsafe { data.cast::<raw::RedisModuleClientInfo>().as_ref() };
        info.copied().map(Self)
    }

    /// The client's id.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_SSL)
    }

    /// The client is subscribed to channels or patterns.
    pub fn is_subscribed(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_PUBSUB)
    }

    /// The connection is a Unix socket.
    pub fn is_unix_socket(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_UNIXSOCKET)
    }

    /// The client's address, or the path of the Unix socket. Cut off at 45 bytes.
    pub fn address(&self) -> &[u8] {
        let addr = &self.0.addr;
        // SAFETY: an array of characters is as many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(addr.as_ptr().cast(), addr.len()) };
        CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes)
    }

    fn has(&self, flag: u32) -> bool {
        self.0.flags & u64::from(flag) != 0
    }
}
