//! Asks access control about a command that is not executed.

use std::io;

use redis_module::raw;

use super::call::Calling;
use super::{Args, Ctx};

impl Ctx {
    /// Whether the user of this context's client may run this command with these keys and channels.
    /// False for a caller without a user: another module that calls for nobody.
    pub fn may_run(&self, words: Args<'_>) -> bool {
        if !self.has_user() {
            return false;
        }
        let argc = i32::try_from(words.len()).unwrap_or(i32::MAX);
        let argv = words.as_raw().as_ptr().cast_mut();
        // SAFETY: the context is valid, and has a user: it was asked above. The name and the user
        // are ours until they are freed here. The server reads the words and keeps none.
        unsafe {
            let name = api!(RedisModule_GetCurrentUserName)(self.raw());
            let user = api!(RedisModule_GetModuleUserFromUserName)(name);
            api!(RedisModule_FreeString)(self.raw(), name);
            if user.is_null() {
                return false;
            }
            let status = api!(RedisModule_ACLCheckCommandPermissions)(user, argv, argc);
            api!(RedisModule_FreeModuleUser)(user);
            isize::try_from(status) == Ok(raw::REDISMODULE_OK)
        }
    }

    /// Whether this context's client has a user. A call by another module may have none, and
    /// `RM_GetCurrentUserName` follows a null pointer then. A call with the flag `C` fails with
    /// ENOTSUP instead.
    fn has_user(&self) -> bool {
        let _calling = Calling::begin();
        // SAFETY: the context is valid, and the format takes no argument. The reply belongs to the
        // context of this call.
        let reply = unsafe {
            self.owned(api!(RedisModule_Call)(
                self.raw(),
                c"PING".as_ptr(),
                c"C".as_ptr(),
            ))
        };
        reply.is_some() || io::Error::last_os_error().raw_os_error() != Some(libc::ENOTSUP)
    }
}
