//! Registers the module's settings, and decodes the server's calls that read and set them.

use std::ffi::{c_char, c_int, c_longlong, c_void, CStr, CString};
use std::ptr;

use lazy_static::lazy_static;
use redis_module::raw;

use super::main_thread::MainThread;
use super::{args, guard, Ctx, OwnString};

/// The values of the settings, by their names without the module's prefix.
pub trait Settings {
    /// The value of a numeric setting. `None` for an unknown name.
    fn number(name: &[u8]) -> Option<i64>;
    /// Sets a number, which is in the range that was registered.
    ///
    /// # Errors
    /// Why the value is not accepted.
    fn set_number(name: &[u8], value: i64) -> Result<(), String>;
    /// The value of a text setting. `None` for an unknown name.
    fn text(name: &[u8]) -> Option<Vec<u8>>;
    /// Sets a text.
    ///
    /// # Errors
    /// Why the value is not accepted.
    fn set_text(name: &[u8], value: &[u8]) -> Result<(), String>;
}

lazy_static! {
    /// The text that [`on_get_text`] returned last. The server borrows it and copies it at once.
    static ref LENT: MainThread<OwnString> = MainThread::new();
}

/// Frees the text that was returned last: the module is not loaded any more.
pub(super) fn forget() {
    LENT.clear();
}

impl Ctx {
    /// Registers a numeric setting. False if the server does not accept it. Possible only while the
    /// module is being loaded.
    pub fn register_number<S: Settings>(
        &self,
        name: &'static CStr,
        default: i64,
        min: i64,
        max: i64,
    ) -> bool {
        // SAFETY: the context is valid, the name is static, and the functions take no data.
        let status = unsafe {
            api!(RedisModule_RegisterNumericConfig)(
                self.raw(),
                name.as_ptr(),
                default,
                raw::REDISMODULE_CONFIG_DEFAULT,
                min,
                max,
                Some(on_get_number::<S>),
                Some(on_set_number::<S>),
                None,
                ptr::null_mut(),
            )
        };
        is_ok(status)
    }

    /// Registers a text setting. A default with a null byte in it becomes empty. False if the
    /// server does not accept it. Possible only while the module is being loaded.
    pub fn register_text<S: Settings>(&self, name: &'static CStr, default: Vec<u8>) -> bool {
        let default = CString::new(default).unwrap_or_default();
        // SAFETY: the context is valid, the name is static, the server copies the default, and the
        // functions take no data.
        let status = unsafe {
            api!(RedisModule_RegisterStringConfig)(
                self.raw(),
                name.as_ptr(),
                default.as_ptr(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                Some(on_get_text::<S>),
                Some(on_set_text::<S>),
                None,
                ptr::null_mut(),
            )
        };
        is_ok(status)
    }

    /// Sets every registered setting: to what redis.conf or MODULE LOADEX says, else to its
    /// default. False if there is a bad value. Possible only while the module is being loaded.
    pub fn load_settings(&self) -> bool {
        // SAFETY: the context is valid.
        is_ok(unsafe { api!(RedisModule_LoadConfigs)(self.raw()) })
    }
}

fn is_ok(status: c_int) -> bool {
    isize::try_from(status) == Ok(raw::REDISMODULE_OK)
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_get_number<S: Settings>(
    name: *const c_char,
    _data: *mut c_void,
) -> c_longlong {
    guard::plain(0, || {
        // SAFETY: the server's name of a setting, valid during this callback.
        S::number(unsafe { own_name(name) }).unwrap_or(0)
    })
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_set_number<S: Settings>(
    name: *const c_char,
    value: c_longlong,
    _data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guard::plain(raw::REDISMODULE_ERR as c_int, || {
        // SAFETY: the server's name of a setting, valid during this callback.
        let result = S::set_number(unsafe { own_name(name) }, value);
        // SAFETY: the server's place for an error text.
        unsafe { answer(result, error) }
    })
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_get_text<S: Settings>(
    name: *const c_char,
    _data: *mut c_void,
) -> *mut raw::RedisModuleString {
    guard::plain(ptr::null_mut(), || {
        // SAFETY: the server's name of a setting, valid during this callback.
        let Some(text) = S::text(unsafe { own_name(name) }) else {
            return ptr::null_mut();
        };
        // This drops the text that was returned before, which the server has copied long since.
        LENT.set(OwnString::new(&text));
        LENT.with(|lent| lent.as_ptr())
    })
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_set_text<S: Settings>(
    name: *const c_char,
    value: *mut raw::RedisModuleString,
    _data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guard::plain(raw::REDISMODULE_ERR as c_int, || {
        // SAFETY: the server's name of a setting and its new value, valid during this callback.
        let (name, value) = unsafe { (own_name(name), args::bytes(value)) };
        let result = S::set_text(name, value);
        // SAFETY: the server's place for an error text.
        unsafe { answer(result, error) }
    })
}

/// The name of a setting as it was registered: without the module's prefix, which is removed if the
/// server passes it. Empty for null.
///
/// # Safety
/// `name` is null, or ends in a null byte and is valid during `'a`.
unsafe fn own_name<'a>(name: *const c_char) -> &'a [u8] {
    if name.is_null() {
        return &[];
    }
    // SAFETY: not null; the rest is promised by the caller.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    name.strip_prefix(b"durable.").unwrap_or(name)
}

/// Returns the status of a setting that was set. Writes the text of an error to `error`; the server
/// frees it.
///
/// # Safety
/// `error` is null or a place for the text.
unsafe fn answer(result: Result<(), String>, error: *mut *mut raw::RedisModuleString) -> c_int {
    let Err(text) = result else {
        return raw::REDISMODULE_OK as c_int;
    };
    if !error.is_null() {
        // SAFETY: not null; the rest is promised by the caller.
        unsafe { *error = OwnString::new(text.as_bytes()).into_raw() };
    }
    raw::REDISMODULE_ERR as c_int
}
