//! Asks access control about a command that is not executed, and finds users by name.

use std::io;
use std::ptr::NonNull;

use redis_module::raw;

use super::call::Calling;
use super::{Args, Ctx, OwnString};

/// An ACL user.
pub struct User(NonNull<raw::RedisModuleUser>);

impl User {
    /// `None` if the server has no user of that name.
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = OwnString::new(name);
        // SAFETY: the name is valid. The server makes a handle, which is freed when dropped.
        NonNull::new(unsafe { api!(RedisModule_GetModuleUserFromUserName)(name.as_ptr()) })
            .map(Self)
    }

    /// Whether the user may run this command with these keys and channels.
    pub fn may_run(&self, words: Args<'_>) -> bool {
        let argc = i32::try_from(words.len()).unwrap_or(i32::MAX);
        let argv = words.as_raw().as_ptr().cast_mut();
        // SAFETY: user and words are valid. The server reads the words and keeps none.
        let status =
            unsafe { api!(RedisModule_ACLCheckCommandPermissions)(self.as_ptr(), argv, argc) };
        isize::try_from(status) == Ok(raw::REDISMODULE_OK)
    }

    pub(super) fn as_ptr(&self) -> *mut raw::RedisModuleUser {
        self.0.as_ptr()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: made by `named`, freed once. The server keeps the user itself.
        unsafe { api!(RedisModule_FreeModuleUser)(self.as_ptr()) };
    }
}

impl Ctx {
    /// Whether the user of this context's client may run this command with these keys and channels.
    /// False for a caller without a user: another module that calls for nobody.
    pub fn may_run(&self, words: Args<'_>) -> bool {
        self.current_user_name()
            .and_then(|name| User::named(&name))
            .is_some_and(|user| user.may_run(words))
    }

    /// The name of the user of this context's client. `None` for a caller without a user.
    pub fn current_user_name(&self) -> Option<Vec<u8>> {
        if !self.has_user() {
            return None;
        }
        // SAFETY: the context is valid, and has a user: it was asked above.
        let name = unsafe { api!(RedisModule_GetCurrentUserName)(self.raw()) };
        if name.is_null() {
            return None;
        }
        // SAFETY: the string is ours until it is freed, and its bytes are copied.
        unsafe {
            let bytes = super::args::bytes(name).to_vec();
            api!(RedisModule_FreeString)(self.raw(), name);
            Some(bytes)
        }
    }

    /// Whether this context's client has a user. A call by another module may have none, and
    /// `RM_GetCurrentUserName` follows a null pointer then. A call with the flag `C` fails with
    /// ENOTSUP instead, before the server looks for the command. The command does not exist, so
    /// nothing is executed, and access control has nothing to log.
    fn has_user(&self) -> bool {
        let _calling = Calling::begin();
        // SAFETY: the context is valid, and the format takes no argument. The reply belongs to the
        // context of this call.
        let reply = unsafe {
            self.owned(api!(RedisModule_Call)(
                self.raw(),
                c"durable.no-such-command".as_ptr(),
                c"C".as_ptr(),
            ))
        };
        reply.is_some() || io::Error::last_os_error().raw_os_error() != Some(libc::ENOTSUP)
    }

    /// Writes an entry into the log of access control, as the server does when it denies a command.
    /// `object` is the name of the command, or the key. To be called in a command only: the entry
    /// describes this context's client.
    pub fn log_denial(&self, user: &User, denied: Denied, object: &[u8]) {
        let reason = match denied {
            Denied::Command => raw::RedisModuleACLLogEntryReason_REDISMODULE_ACL_LOG_CMD,
            Denied::Key => raw::RedisModuleACLLogEntryReason_REDISMODULE_ACL_LOG_KEY,
        };
        let object = OwnString::new(object);
        // SAFETY: context, user and string are valid; the server copies the string.
        unsafe {
            api!(RedisModule_ACLAddLogEntry)(self.raw(), user.as_ptr(), object.as_ptr(), reason);
        }
    }
}

/// What access control denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Command,
    Key,
}
