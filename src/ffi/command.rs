//! Commands of the module: the function that the server calls for them, and their registration.

use std::ffi::{c_int, CStr, CString};
use std::ptr::NonNull;

use redis_module::raw;

use super::spec::{self, Spec};
use super::{guard, Args, Ctx};

/// A command.
pub trait Command {
    /// Runs the command and replies. The first of `args` is the command's name, as the client spelt
    /// it.
    fn run(ctx: &Ctx, args: Args<'_>);
}

/// The function that the server calls for a command.
#[derive(Clone, Copy)]
pub struct Handler(
    unsafe extern "C" fn(
        *mut raw::RedisModuleCtx,
        *mut *mut raw::RedisModuleString,
        c_int,
    ) -> c_int,
);

impl Handler {
    /// The one that runs `C`.
    pub const fn of<C: Command>() -> Self {
        Self(on_command::<C>)
    }
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_command<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the arguments are those that the server gave to this handler.
    unsafe { guard::command(ctx, argv, argc, C::run) }
}

/// A command that this module has just created. The server keeps it while the module is loaded.
#[derive(Clone, Copy)]
struct Created(NonNull<raw::RedisModuleCommand>);

const OK: c_int = raw::REDISMODULE_OK as c_int;

impl Ctx {
    /// Registers a command. Possible only while the module is being loaded.
    ///
    /// # Errors
    /// What the server does not accept.
    pub fn create_command(&self, spec: &Spec, handler: Handler) -> Result<(), String> {
        self.create(spec, Some(handler)).map(|_| ())
    }

    /// Registers a command that does nothing without a subcommand. The names of the subcommands do
    /// not repeat its name. Possible only while the module is being loaded.
    ///
    /// # Errors
    /// What the server does not accept.
    pub fn create_container(
        &self,
        spec: &Spec,
        subcommands: &[(Spec, Handler)],
    ) -> Result<(), String> {
        let parent = self.create(spec, None)?;
        for (subcommand, handler) in subcommands {
            let (first, last, step) = subcommand.legacy_keys;
            let name = [spec.name.to_bytes(), b"|", subcommand.name.to_bytes()].concat();
            let name = CString::new(name).unwrap_or_default();
            // SAFETY: the parent was just created, without a handler. The server copies the texts.
            let status = unsafe {
                api!(RedisModule_CreateSubcommand)(
                    parent.0.as_ptr(),
                    subcommand.name.as_ptr(),
                    Some(handler.0),
                    subcommand.flags.as_ptr(),
                    first,
                    last,
                    step,
                )
            };
            self.describe(status, &name, subcommand)?;
        }
        Ok(())
    }

    fn create(&self, spec: &Spec, handler: Option<Handler>) -> Result<Created, String> {
        let (first, last, step) = spec.legacy_keys;
        // SAFETY: the context is valid. The server copies the texts, and refuses when the module is
        // not being loaded.
        let status = unsafe {
            api!(RedisModule_CreateCommand)(
                self.raw(),
                spec.name.as_ptr(),
                handler.map(|handler| handler.0),
                spec.flags.as_ptr(),
                first,
                last,
                step,
            )
        };
        self.describe(status, &spec.name, spec)
    }

    /// Describes a command to the server. `created` is the status of its creation.
    fn describe(&self, created: c_int, name: &CStr, spec: &Spec) -> Result<Created, String> {
        let refused = |what: &str| format!("{what} of {} not accepted", name.to_string_lossy());
        if created != OK {
            return Err(refused("the name or the flags"));
        }
        // SAFETY: the context is valid, and the name ends in a null byte. The server finds only
        // commands of this module.
        let command = unsafe { api!(RedisModule_GetCommand)(self.raw(), name.as_ptr()) };
        let Some(command) = NonNull::new(command).map(Created) else {
            return Err(refused("the name"));
        };
        if !set_info(command, spec) {
            return Err(refused("the description"));
        }
        if !set_categories(command, &spec.categories) {
            return Err(refused("the ACL categories"));
        }
        Ok(command)
    }

    /// Adds an ACL category. Redis has the call from 7.4 on, Valkey from 8.0 on. False if the
    /// server lacks it or refuses. After a reload the category is there already, which is fine.
    pub fn add_acl_category(&self, name: &CStr) -> bool {
        // SAFETY: as in `api!`; this call is optional.
        let Some(add) = (unsafe { raw::RedisModule_AddACLCategory }) else {
            return false;
        };
        // SAFETY: the context is valid; the server copies the name.
        let status = unsafe { add(self.raw(), name.as_ptr()) };
        let exists = std::io::Error::last_os_error().raw_os_error() == Some(libc::EBUSY);
        status == OK || exists
    }
}

fn set_categories(command: Created, names: &[String]) -> bool {
    // SAFETY: as in `api!`; this call is optional. Redis 7.0 gives module commands no categories.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else {
        return true;
    };
    let names = CString::new(names.join(" ")).unwrap_or_default();
    // SAFETY: the command was just created. The server reads the names before it returns.
    names.is_empty() || unsafe { set(command.0.as_ptr(), names.as_ptr()) } == OK
}

fn set_info(command: Created, spec: &Spec) -> bool {
    spec::with_info(spec, |info| {
        // SAFETY: the command was just created. All that `info` points to is valid until this
        // returns, every list ends in zeroes, and the server copies what it keeps.
        let status = unsafe { api!(RedisModule_SetCommandInfo)(command.0.as_ptr(), info) };
        status == OK
    })
}
