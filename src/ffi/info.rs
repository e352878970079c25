//! The module's own section of INFO.

use std::ffi::{c_int, CStr, CString};

use redis_module::raw;

use super::{guard, Ctx};

/// What the section shows.
pub trait Info {
    /// Every field, in the order in which it is shown. The server puts the module's name and `_`
    /// before each name.
    fn fields() -> Vec<(&'static CStr, Value)>;
}

/// The value of a field.
pub enum Value {
    /// A number.
    Number(u64),
    /// A text.
    Text(&'static CStr),
    /// A text that was composed.
    Composed(CString),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Ctx {
    /// Registers the section. False if the server does not accept it.
    pub fn register_info<I: Info>(&self) -> bool {
        // SAFETY: the context is valid, and the function is of the server's kind.
        let status = unsafe { api!(RedisModule_RegisterInfoFunc)(self.raw(), Some(on_info::<I>)) };
        isize::try_from(status) == Ok(raw::REDISMODULE_OK)
    }
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_info<I: Info>(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    guard::plain((), || {
        // A crash can come in the middle of anything, so its report does not touch the state.
        if for_crash_report != 0 || info.is_null() {
            return;
        }
        // SAFETY: the server's own context. An empty name is the section of the module itself.
        let wanted = unsafe { api!(RedisModule_InfoAddSection)(info, c"".as_ptr()) };
        if isize::try_from(wanted) != Ok(raw::REDISMODULE_OK) {
            return;
        }
        for (name, value) in I::fields() {
            // SAFETY: the server's own context. Names and texts end in a null byte, and the server
            // copies them.
            unsafe {
                match value {
                    Value::Number(number) => {
                        api!(RedisModule_InfoAddFieldULongLong)(info, name.as_ptr(), number)
                    }
                    Value::Composed(text) => {
                        api!(RedisModule_InfoAddFieldCString)(info, name.as_ptr(), text.as_ptr())
                    }
                    Value::Text(text) => {
                        api!(RedisModule_InfoAddFieldCString)(info, name.as_ptr(), text.as_ptr())
                    }
                }
            };
        }
    });
}
