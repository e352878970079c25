//! The description of a command for its registration: flags, arity, key positions, ACL categories,
//! and the arguments that clients show as hints.

use std::ffi::{c_char, c_int, CStr, CString};
use std::ptr;

use durable_core::key_specs::{self, Begin, Find};
use redis_module::raw;

/// The description of a command.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The name, as clients write it.
    pub name: CString,
    /// The flags, as the API spells them.
    pub flags: CString,
    /// The first key, the last, and the step between, for clients that do not know key
    /// specifications.
    pub legacy_keys: (c_int, c_int, c_int),
    /// The number of words, the name included. Negative for a minimum: -2 is at least 2.
    pub arity: c_int,
    /// Where the keys are, and what is done to them.
    pub keys: Vec<DeclaredKeys>,
    /// The ACL categories, without the `@`.
    pub categories: Vec<String>,
    /// What it does, in one line.
    pub summary: CString,
    /// What it costs.
    pub complexity: CString,
    /// The arguments, for hints.
    pub args: Vec<Arg>,
}

/// Where some of a command's keys are, and what is done to them, as a module can declare it.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredKeys {
    /// What is done: the API's `REDISMODULE_CMD_KEY_*`.
    pub flags: u64,
    /// The index of the first key. `None` if only `COMMAND GETKEYS` can tell.
    pub first: Option<c_int>,
    /// The index of the last key, counted from the first. Negative counts from the end.
    pub last: c_int,
    /// The distance from one key to the next.
    pub step: c_int,
    /// The API's `limit`.
    pub limit: c_int,
}

impl DeclaredKeys {
    /// Keys anywhere, to which anything may be done.
    pub const SOMEWHERE: Self = Self {
        flags: raw::REDISMODULE_CMD_KEY_RW as u64,
        first: None,
        last: 0,
        step: 1,
        limit: 0,
    };

    /// Keys that begin at an index and are a range. `None` for others.
    ///
    /// If a module's command declares variable flags but has no key function, the server finds no
    /// keys for it, and ACL key patterns do not apply. So that flag is dropped. In the family this
    /// concerns SET, which is declared to overwrite its key. For `SET … GET` the inner call checks
    /// the permission to read.
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

    /// Keys at every index from `first` to `last`. What is done to them is not declared, so access
    /// control requires only some permission for them here.
    pub const fn places(first: c_int, last: c_int) -> Self {
        Self {
            first: Some(first),
            last: last.saturating_sub(first),
            ..Self::SOMEWHERE
        }
    }
}

/// The flags of a key as the API takes them, from the names that `COMMAND INFO` gives them. For
/// `variable_flags` (SET reads its key only with GET) it returns VARIABLE_FLAGS alone.
pub fn key_flags(names: &[String]) -> i32 {
    const NAMES: [(&str, u32); 8] = [
        ("RO", raw::REDISMODULE_CMD_KEY_RO),
        ("RW", raw::REDISMODULE_CMD_KEY_RW),
        ("OW", raw::REDISMODULE_CMD_KEY_OW),
        ("RM", raw::REDISMODULE_CMD_KEY_RM),
        ("access", raw::REDISMODULE_CMD_KEY_ACCESS),
        ("update", raw::REDISMODULE_CMD_KEY_UPDATE),
        ("insert", raw::REDISMODULE_CMD_KEY_INSERT),
        ("delete", raw::REDISMODULE_CMD_KEY_DELETE),
    ];
    let has = |name: &str| names.iter().any(|found| found == name);
    if has("variable_flags") {
        return raw::REDISMODULE_CMD_KEY_VARIABLE_FLAGS.cast_signed();
    }
    let flags = NAMES.iter().filter(|(name, _)| has(name));
    flags.fold(0, |flags, &(_, flag)| flags | flag.cast_signed())
}

/// One argument, as `COMMAND DOCS` shows it.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its name.
    pub name: CString,
    /// Its type.
    pub kind: ArgType,
    /// The index of its key specification. -1 if it is no key.
    pub key_spec: c_int,
    /// The word that precedes it.
    pub token: Option<CString>,
    /// It may be left out.
    pub is_optional: bool,
    /// It may be repeated.
    pub is_multiple: bool,
    /// Its token is repeated with it.
    pub is_token_multiple: bool,
    /// Its parts.
    pub parts: Vec<Arg>,
}

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ArgType {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgType {
    /// The type that `COMMAND DOCS` gives this name. A string for a name that is not known here.
    pub fn named(name: &[u8]) -> Self {
        match name {
            b"integer" => Self::Integer,
            b"double" => Self::Double,
            b"key" => Self::Key,
            b"pattern" => Self::Pattern,
            b"unix-time" => Self::UnixTime,
            b"pure-token" => Self::PureToken,
            b"oneof" => Self::OneOf,
            b"block" => Self::Block,
            _ => Self::String,
        }
    }

    fn raw(self) -> raw::RedisModuleCommandArgType {
        match self {
            Self::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            Self::Integer => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
            Self::Double => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE,
            Self::Key => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
            Self::Pattern => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PATTERN,
            Self::UnixTime => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME,
            Self::PureToken => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
            Self::OneOf => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
            Self::Block => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        }
    }
}

impl Arg {
    fn raw_flags(&self) -> c_int {
        let flags = [
            (self.is_optional, raw::REDISMODULE_CMD_ARG_OPTIONAL),
            (self.is_multiple, raw::REDISMODULE_CMD_ARG_MULTIPLE),
            (
                self.is_token_multiple,
                raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN,
            ),
        ];
        let set = flags.into_iter().filter(|&(is_set, _)| is_set);
        set.fold(0, |flags, (_, flag)| flags | flag.cast_signed())
    }
}

/// Lays the description out as the server reads it, except for flags and ACL categories. It is
/// valid while `work` runs.
pub(super) fn with_info<R>(spec: &Spec, work: impl FnOnce(&raw::RedisModuleCommandInfo) -> R) -> R {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1,
        sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut keys: Vec<_> = spec.keys.iter().map(key_spec).collect();
    // SAFETY: plain data, of which all zeroes is a valid value. It marks the end of the list.
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
    work(&info)
}

fn key_spec(spec: &DeclaredKeys) -> raw::RedisModuleCommandKeySpec {
    // SAFETY: plain data, of which all zeroes is a valid value.
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

/// Lays out a list of arguments as the server reads it. `lists` keeps this list and the lists of
/// its parts. Their buffers do not move when `lists` grows.
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
            type_: arg.kind.raw(),
            key_spec_index: arg.key_spec,
            token: arg
                .token
                .as_ref()
                .map_or(ptr::null(), |token| token.as_ptr()),
            summary: ptr::null(),
            since: ptr::null(),
            flags: arg.raw_flags(),
            deprecated_since: ptr::null(),
            subargs: parts,
            display_text: ptr::null(),
        });
    }
    // SAFETY: plain data, of which all zeroes is a valid value. It marks the end of the list.
    list.push(unsafe { std::mem::zeroed() });
    let start = list.as_mut_ptr();
    lists.push(list);
    start
}

/// Null for an empty text.
fn text(text: &CStr) -> *const c_char {
    if text.is_empty() {
        ptr::null()
    } else {
        text.as_ptr()
    }
}
