//! Registering a command with all that the server can know of it: flags, arity, key positions, ACL
//! categories, and the arguments that clients show as hints.

use std::ffi::{c_char, c_int, CStr, CString};
use std::ptr;

use durable_core::key_specs::{self, Begin, Find};
use redis_module::raw;

use super::Ctx;

/// A command handler.
pub type Handler = unsafe extern "C" fn(
    *mut raw::RedisModuleCtx,
    *mut *mut raw::RedisModuleString,
    c_int,
) -> c_int;

/// Everything about a command but its handler.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The name, as clients write it.
    pub name: CString,
    /// The names of flags that the server takes.
    pub flags: CString,
    /// The first key, the last, and the step between, for servers and clients of the old kind.
    pub legacy_keys: (c_int, c_int, c_int),
    /// The number of words, its name included; negative for at least so many.
    pub arity: c_int,
    /// Where the keys are, and what is done to them.
    pub keys: Vec<KeySpec>,
    /// The names of ACL categories, without the `@`.
    pub categories: Vec<String>,
    /// One line.
    pub summary: CString,
    /// What it costs.
    pub complexity: CString,
    /// The arguments, for hints.
    pub args: Vec<Arg>,
}

/// Where some of a command's keys are, and what is done to them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What is done: the API's `REDISMODULE_CMD_KEY_*`.
    pub flags: u64,
    /// The index of the first key; none where that has to be asked of `COMMAND GETKEYS`.
    pub first: Option<c_int>,
    /// The last key: counted from the first, or from the end where negative.
    pub last: c_int,
    /// From one key to the next.
    pub step: c_int,
    /// As the API's `limit`.
    pub limit: c_int,
}

impl KeySpec {
    /// Keys whose places are not told, and neither what is done to them.
    pub const SOMEWHERE: Self = Self {
        flags: raw::REDISMODULE_CMD_KEY_RW as u64,
        first: None,
        last: 0,
        step: 1,
        limit: 0,
    };

    /// Keys that begin at an index and are a range; none for others.
    ///
    /// Where what is done to them depends on the arguments, the server lets the command's own code find the keys; a
    /// module's command with that flag and without such code has no keys at all, and ACL key patterns do not bind it.
    /// So the flag is dropped, and the least that such a command of the family does is declared: the call of the
    /// inner command checks the rest.
    pub fn of(spec: &key_specs::KeySpec) -> Option<Self> {
        let (Begin::At(first), Find::Range { last, step, limit }) = (&spec.begin, &spec.find)
        else {
            return None;
        };
        let int = |number: &i64| c_int::try_from(*number).ok();
        let flags = spec.flags.cast_unsigned();
        let flags = if flags & raw::REDISMODULE_CMD_KEY_VARIABLE_FLAGS != 0 {
            raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE
        } else {
            flags
        };
        Some(Self {
            flags: u64::from(flags),
            first: Some(int(first)?),
            last: int(last)?,
            step: int(step)?,
            limit: int(limit)?,
        })
    }

    /// Keys at two words and those between. As what is done to them is not told, access control asks for no more here
    /// than any permission for them.
    pub const fn places(first: c_int, last: c_int) -> Self {
        Self {
            first: Some(first),
            last: last.saturating_sub(first),
            ..Self::SOMEWHERE
        }
    }
}

/// One argument, as `COMMAND DOCS` shows it.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its name.
    pub name: CString,
    /// What it is: the API's `REDISMODULE_ARG_TYPE_*`.
    pub kind: raw::RedisModuleCommandArgType,
    /// Which key it is; -1 for no key.
    pub key_spec: c_int,
    /// The word before it.
    pub token: Option<CString>,
    /// The API's `REDISMODULE_CMD_ARG_*`.
    pub flags: c_int,
    /// What it consists of.
    pub parts: Vec<Arg>,
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

impl Ctx {
    /// Registers a command. Only while the module is loaded.
    pub fn create_command(&self, spec: &Spec, handler: Handler) -> Result<(), String> {
        self.create(spec, Some(handler)).map(|_| ())
    }

    /// Registers a command that does nothing but through its subcommands, whose names are without its own.
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
            // SAFETY: the parent was just created, without a handler; the server copies the texts.
            let status = unsafe {
                api!(RedisModule_CreateSubcommand)(
                    parent,
                    subcommand.name.as_ptr(),
                    Some(*handler),
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

    fn create(
        &self,
        spec: &Spec,
        handler: Option<Handler>,
    ) -> Result<*mut raw::RedisModuleCommand, String> {
        let (first, last, step) = spec.legacy_keys;
        // SAFETY: the context is that of the load; the server copies the texts.
        let status = unsafe {
            api!(RedisModule_CreateCommand)(
                self.raw(),
                spec.name.as_ptr(),
                handler,
                spec.flags.as_ptr(),
                first,
                last,
                step,
            )
        };
        self.describe(status, &spec.name, spec)
    }

    /// Tells the server about a command whose creation has ended so.
    fn describe(
        &self,
        created: c_int,
        name: &CStr,
        spec: &Spec,
    ) -> Result<*mut raw::RedisModuleCommand, String> {
        let refused = |what: &str| format!("{what} of {} not accepted", name.to_string_lossy());
        if created != OK {
            return Err(refused("the name or the flags"));
        }
        // SAFETY: the context is that of the load.
        let command = unsafe { api!(RedisModule_GetCommand)(self.raw(), name.as_ptr()) };
        if command.is_null() {
            return Err(refused("the name"));
        }
        if !set_info(command, spec) {
            return Err(refused("the description"));
        }
        if !set_categories(command, &spec.categories) {
            return Err(refused("the ACL categories"));
        }
        Ok(command)
    }

    /// Adds an ACL category, where the server has that (7.4 and later, Valkey 8 and later); false
    /// where it has not. A reload finds the category there already, which is no failure.
    pub fn add_acl_category(&self, name: &CStr) -> bool {
        // SAFETY: as in `api!`; this one is optional.
        let Some(add) = (unsafe { raw::RedisModule_AddACLCategory }) else {
            return false;
        };
        // SAFETY: the context is that of the load; the server copies the name.
        let status = unsafe { add(self.raw(), name.as_ptr()) };
        let exists = std::io::Error::last_os_error().raw_os_error() == Some(libc::EBUSY);
        status == OK || exists
    }
}

fn set_categories(command: *mut raw::RedisModuleCommand, names: &[String]) -> bool {
    // SAFETY: as in `api!`; this one is optional: 7.0 gives module commands no categories.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else {
        return true;
    };
    let names = CString::new(names.join(" ")).unwrap_or_default();
    // SAFETY: the command was just created; the server reads the names before it returns.
    names.is_empty() || unsafe { set(command, names.as_ptr()) } == OK
}

fn set_info(command: *mut raw::RedisModuleCommand, spec: &Spec) -> bool {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1,
        sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut keys: Vec<_> = spec.keys.iter().map(key_spec).collect();
    // SAFETY: plain data for which all zeroes is valid: the end of the list.
    keys.push(unsafe { std::mem::zeroed() });
    let mut lists = Vec::new();
    let args = arg_list(&spec.args, &mut lists);
    let info = raw::RedisModuleCommandInfo {
        version: &raw const version,
        summary: text(&spec.summary),
        complexity: text(&spec.complexity),
        since: c"0.1.0".as_ptr(),
        history: ptr::null_mut(),
        tips: ptr::null(),
        arity: spec.arity,
        key_specs: if spec.keys.is_empty() {
            ptr::null_mut()
        } else {
            keys.as_mut_ptr()
        },
        args: if spec.args.is_empty() {
            ptr::null_mut()
        } else {
            args
        },
    };
    // SAFETY: the command was just created. All that `info` points to lives until the end of this
    // function, every list ends in zeroes, and the server copies what it keeps.
    unsafe { api!(RedisModule_SetCommandInfo)(command, &raw const info) == OK }
}

fn key_spec(spec: &KeySpec) -> raw::RedisModuleCommandKeySpec {
    // SAFETY: plain data for which all zeroes is valid.
    let mut out: raw::RedisModuleCommandKeySpec = unsafe { std::mem::zeroed() };
    out.flags = spec.flags;
    let Some(first) = spec.first else {
        out.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_UNKNOWN;
        out.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_UNKNOWN;
        return out;
    };
    out.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    out.bs.index.pos = first;
    out.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    out.fk.range.lastkey = spec.last;
    out.fk.range.keystep = spec.step;
    out.fk.range.limit = spec.limit;
    out
}

/// Lays out a list of arguments as the server reads it. The lists are kept in `lists`: their
/// buffers stay where they are when that grows.
fn arg_list(
    args: &[Arg],
    lists: &mut Vec<Vec<raw::RedisModuleCommandArg>>,
) -> *mut raw::RedisModuleCommandArg {
    let mut list = Vec::with_capacity(args.len().saturating_add(1));
    for arg in args {
        let parts = if arg.parts.is_empty() {
            ptr::null_mut()
        } else {
            arg_list(&arg.parts, lists)
        };
        list.push(raw::RedisModuleCommandArg {
            name: arg.name.as_ptr(),
            type_: arg.kind,
            key_spec_index: arg.key_spec,
            token: arg
                .token
                .as_ref()
                .map_or(ptr::null(), |token| token.as_ptr()),
            summary: ptr::null(),
            since: ptr::null(),
            flags: arg.flags,
            deprecated_since: ptr::null(),
            subargs: parts,
            display_text: ptr::null(),
        });
    }
    // SAFETY: plain data for which all zeroes is valid: the end of the list.
    list.push(unsafe { std::mem::zeroed() });
    let start = list.as_mut_ptr();
    lists.push(list);
    start
}

fn text(text: &CStr) -> *const c_char {
    if text.is_empty() {
        ptr::null()
    } else {
        text.as_ptr()
    }
}
