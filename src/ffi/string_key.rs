//! Plain string keys, read and written by the key API. The server checks neither access control nor
//! `maxmemory` nor the slots of a cluster for it.

use std::ffi::c_int;
use std::slice;

use redis_module::raw;

use super::call::Calling;
use super::{Ctx, OwnString};

/// What a key holds.
pub enum StringValue<'a> {
    /// Nothing: there is no such key.
    Absent,
    /// A string.
    Value(&'a [u8]),
    /// Something that is no string.
    OtherType,
}

/// Reading a key neither counts as use by a client nor notifies anybody. Servers ignore the flags
/// that they do not know.
const READ: u32 = raw::REDISMODULE_READ
    | raw::REDISMODULE_OPEN_KEY_NOTOUCH
    | raw::REDISMODULE_OPEN_KEY_NONOTIFY
    | raw::REDISMODULE_OPEN_KEY_NOSTATS;

impl Ctx {
    /// Works with the value of a key in the selected database.
    pub fn with_string_key<R>(
        &self,
        name: &OwnString,
        work: impl FnOnce(StringValue<'_>) -> R,
    ) -> R {
        // SAFETY: context and name are valid. The server keeps a reference to the name.
        let key =
            unsafe { api!(RedisModule_OpenKey)(self.raw(), name.as_ptr(), READ.cast_signed()) };
        if key.is_null() {
            return work(StringValue::Absent);
        }
        let mut len = 0;
        // SAFETY: the key is open. Null means that it is no string; otherwise the server stores the
        // length. The bytes stay valid until the key is closed, and cannot leave `work`.
        let result = unsafe {
            let data =
                api!(RedisModule_StringDMA)(key, &mut len, raw::REDISMODULE_READ.cast_signed());
            work(if data.is_null() {
                StringValue::OtherType
            } else {
                StringValue::Value(slice::from_raw_parts(data.cast::<u8>(), len))
            })
        };
        // SAFETY: opened above, closed once, and nothing refers to it any more.
        unsafe { api!(RedisModule_CloseKey)(key) };
        result
    }

    /// Sets a string key in the selected database, whatever it held, with the Unix time in
    /// milliseconds at which it expires. Replicas and the append-only file get it as `SET … PXAT`,
    /// in one transaction with everything else that the running command has executed. `pxat` is
    /// that word, as a string of the server. False if the key was not set.
    pub fn set_string_key(
        &self,
        name: &OwnString,
        value: &[u8],
        pxat: &OwnString,
        expires_ms: u64,
    ) -> bool {
        const OK: c_int = raw::REDISMODULE_OK as c_int;
        let value = OwnString::new(value);
        let at = i64::try_from(expires_ms).unwrap_or(i64::MAX);
        // SAFETY: context and strings are valid, and the server keeps references to the strings. A
        // key that is opened for writing is not null. It is closed once.
        let set = unsafe {
            let write = raw::REDISMODULE_WRITE.cast_signed();
            let key = api!(RedisModule_OpenKey)(self.raw(), name.as_ptr(), write);
            if key.is_null() {
                return false;
            }
            let set = api!(RedisModule_StringSet)(key, value.as_ptr()) == OK
                && api!(RedisModule_SetAbsExpire)(key, at) == OK;
            api!(RedisModule_CloseKey)(key);
            set
        };
        // SAFETY: each `s` takes a string of the server, and `l` a 64-bit integer.
        set && unsafe {
            api!(RedisModule_Replicate)(
                self.raw(),
                c"SET".as_ptr(),
                c"sssl".as_ptr(),
                name.as_ptr(),
                value.as_ptr(),
                pxat.as_ptr(),
                at,
            )
        } == OK
    }

    /// Whether this node of a cluster has all keys of the slot of these two names, neither of which
    /// it has. False while the slot is migrating or importing: the server then refuses a call with
    /// keys that it does not have.
    pub fn has_whole_slot(&self, one: &OwnString, other: &OwnString) -> bool {
        let _calling = Calling::begin();
        // SAFETY: context and strings are valid. The reply belongs to the context of this call.
        let reply = unsafe {
            self.owned(api!(RedisModule_Call)(
                self.raw(),
                c"EXISTS".as_ptr(),
                c"ss".as_ptr(),
                one.as_ptr(),
                other.as_ptr(),
            ))
        };
        reply.is_some()
    }

    /// The Unix time in milliseconds.
    pub fn unix_time_ms(&self) -> u64 {
        // SAFETY: takes nothing.
        u64::try_from(unsafe { api!(RedisModule_Milliseconds)() }).unwrap_or(0)
    }
}
