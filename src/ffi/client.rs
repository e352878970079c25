//! What the server tells of a client's connection.

use std::ffi::{c_void, CStr};

use redis_module::raw;

use super::{Args, Ctx};

/// The connection of one client.
pub struct ClientInfo(raw::RedisModuleClientInfo);

impl Ctx {
    /// Whether a client of that id is connected. The id of a script's or another module's caller is nobody's, but
    /// for one that was given that of a client which waited before.
    pub fn is_connected(&self, client: u64) -> bool {
        self.with_user_name(client, |_| ()).is_some()
    }

    /// The name of the ACL user that a connected client is; empty where there is none.
    pub fn user_name(&self, client: u64) -> Vec<u8> {
        let name = self.with_user_name(client, |name| name.get(0).map(<[u8]>::to_vec));
        name.flatten().unwrap_or_default()
    }

    fn with_user_name<R>(&self, client: u64, work: impl FnOnce(Args<'_>) -> R) -> Option<R> {
        // SAFETY: the context is valid; the server answers null for an id it does not know.
        let name = unsafe { api!(RedisModule_GetClientUserNameById)(self.raw(), client) };
        if name.is_null() {
            return None;
        }
        let mut strings = [name];
        // SAFETY: one string of the server, ours until it is freed below.
        let result = work(unsafe { Args::new(strings.as_mut_ptr(), 1) });
        // SAFETY: the string is ours to free, and nothing refers to it any more.
        unsafe { api!(RedisModule_FreeString)(self.raw(), name) };
        Some(result)
    }

    /// The connection of the client of this context; none for callers without one. Not to be asked
    /// within the call of a script or of another module: Valkey 9 looks at a connection that is not there.
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
        // SAFETY: the place is of the version that it names, and is only written during the call.
        let status = unsafe { api!(RedisModule_GetClientInfoById)(place, self.client_id()) };
        (isize::try_from(status) == Ok(raw::REDISMODULE_OK)).then_some(ClientInfo(info))
    }
}

impl ClientInfo {
    /// The client that an event is about; `None` where the server gave no record of it.
    ///
    /// # Safety
    /// `data` is what the server gave to a callback of the event of connections, subscribed for in its first version.
    pub unsafe fn of_event(data: *const c_void) -> Option<Self> {
        // SAFETY: promised by the caller.
        let info = unsafe { data.cast::<raw::RedisModuleClientInfo>().as_ref() };
        info.copied().map(Self)
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// It is encrypted.
    pub fn is_tls(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_SSL)
    }

    /// It is subscribed to channels or patterns.
    pub fn is_subscribed(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_PUBSUB)
    }

    /// It is local, by way of a file.
    pub fn is_unix_socket(&self) -> bool {
        self.has(raw::REDISMODULE_CLIENTINFO_FLAG_UNIXSOCKET)
    }

    /// The client's address, or the path of the Unix socket, cut off at 45 bytes.
    pub fn address(&self) -> &[u8] {
        // SAFETY: the characters are bytes of this struct and as many.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.0.addr.as_ptr().cast(), self.0.addr.len()) };
        CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes)
    }

    fn has(&self, flag: u32) -> bool {
        self.0.flags & u64::from(flag) != 0
    }
}
