//! A section of the server's INFO, read field by field and without the command INFO; which server
//! runs; and its settings.

use std::ffi::CStr;
use std::ptr::NonNull;

use durable_core::servers::{Server, Version};
use redis_module::raw;

use super::Ctx;

/// A section of INFO as it was at one moment.
pub struct ServerInfo(NonNull<raw::RedisModuleServerInfoData>);

impl Ctx {
    /// Reads a section of INFO. `None` if the server returns none.
    pub fn with_server_info<R>(
        &self,
        section: &CStr,
        read: impl FnOnce(&ServerInfo) -> R,
    ) -> Option<R> {
        // SAFETY: the context is valid, and the name ends in a null byte. The server makes a record
        // of the section, which is freed below.
        let info = unsafe { api!(RedisModule_GetServerInfo)(self.raw(), section.as_ptr()) };
        let info = ServerInfo(NonNull::new(info)?);
        let result = read(&info);
        // SAFETY: made above, and nothing refers to it any more.
        unsafe { api!(RedisModule_FreeServerInfo)(self.raw(), info.0.as_ptr()) };
        Some(result)
    }

    /// One of the server's own settings, as CONFIG GET shows it. `None` if there is no such
    /// setting, or if CONFIG was renamed.
    pub fn setting(&self, name: &CStr) -> Option<Vec<u8>> {
        let reply = self.ask(c"CONFIG", &[c"GET", name])?;
        let value = reply.root().get(1)?.bytes()?.to_vec();
        Some(value)
    }

    /// True if the server uses more memory than `maxmemory` allows.
    pub fn is_beyond_maxmemory(&self) -> bool {
        // SAFETY: takes nothing. The ratio is 0 without a limit.
        let ratio = unsafe { api!(RedisModule_GetUsedMemoryRatio)() };
        ratio > 1.0
    }

    /// The running server. Only Valkey has the field `valkey_version` in INFO.
    pub fn server(&self) -> Server {
        let valkey = self.server_info(c"server", c"valkey_version");
        if let Some(version) = valkey.and_then(|text| Version::parse(&text)) {
            return Server::Valkey(version);
        }
        // SAFETY: takes nothing and returns a number.
        let number = unsafe { api!(RedisModule_GetServerVersion)() };
        Server::Redis(Version::from_number(number.cast_unsigned()))
    }
}

impl ServerInfo {
    /// The text of a field. `None` if the section has no such field.
    pub fn field(&self, name: &CStr) -> Option<&[u8]> {
        // SAFETY: the record is alive, and the name ends in a null byte.
        let value =
            unsafe { api!(RedisModule_ServerInfoGetFieldC)(self.0.as_ptr(), name.as_ptr()) };
        // SAFETY: the text ends in a null byte, and lives as long as the record.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes())
    }

    /// The number in a field. `None` if the section has no such field, or it is no number.
    pub fn number(&self, name: &CStr) -> Option<u64> {
        std::str::from_utf8(self.field(name)?).ok()?.parse().ok()
    }
}
