//! The family: each of its commands runs one command of the server durably, as DURABLE.GET runs
//! GET. All of them come from one table.
//!
//! **To add a command**, add a row: its name and where it takes options. Its keys must be in fixed
//! places, the first at word 1 (the name is word 0). ARCHITECTURE.md lists the other files.
//!
//! The module reads arity, flags, key positions, ACL categories and arguments of the inner command
//! from the running server at load. If the server lacks the inner command, its durable command is
//! not registered.

use std::ffi::{c_int, CStr, CString};
use std::sync::atomic::{AtomicI32, Ordering};

use durable_core::key_specs::KeySpecs;
use durable_core::options::{self, StrayOption};
use durable_core::requirement::Options;

use super::admission::{admit, Refusal};
use super::run::{self, InnerCommand};
use super::{redirect, set};
use crate::docs;
use crate::ffi::spec::{DeclaredKeys, Spec};
use crate::ffi::{Args, Command, Ctx, Handler, Memory};
use crate::server_command::{ServerCommand, ServerDocs};

/// Where a command takes the requirement options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OptionsPlace {
    /// After the inner command, which has a fixed number of words.
    AfterFixedArity,
    /// Nowhere: a key, a member or an option of the inner command may look like a requirement
    /// option. A command is refused if its last two words are a valid requirement option and enough
    /// words are left for its arity (`core/src/options/stray.rs`). Example:
    /// `DURABLE.DEL k REPLICAS 2` is refused, `DURABLE.DEL REPLICAS 2` deletes two keys.
    Nowhere,
    /// After SET's own options: see `set.rs`.
    AfterSet,
}

impl OptionsPlace {
    /// A later server may add options to a command of fixed arity. The command is then variadic and
    /// takes no requirement options.
    fn on_this_server(self, arity: c_int) -> Self {
        match self {
            Self::AfterFixedArity if arity <= 0 => Self::Nowhere,
            place => place,
        }
    }
}

/// One command of the table.
struct FamilyRow {
    /// `DURABLE.GET`, in capitals.
    name: &'static str,
    inner: &'static str,
    options: OptionsPlace,
    handler: Handler,
    arity: &'static AtomicI32,
}

/// A command of the table as a type, so that each has a handler of its own. A shared handler would
/// have to compare names on each call: users spell the first word in upper or lower case.
trait FamilyCommand {
    const NAME: &'static str;
    const INNER: &'static str;
    const INNER_C: &'static CStr;
    const OPTIONS: OptionsPlace;
    /// The number of words of the inner command on this server. Negative for a minimum.
    fn arity() -> &'static AtomicI32;
}

macro_rules! family {
    ($($name:ident $options:ident,)*) => {
        $(
            #[allow(clippy::upper_case_acronyms)]
            struct $name;
            impl FamilyCommand for $name {
                const NAME: &'static str = concat!("DURABLE.", stringify!($name));
                const INNER: &'static str = stringify!($name);
                const INNER_C: &'static CStr = c_str(concat!(stringify!($name), "\0"));
                const OPTIONS: OptionsPlace = OptionsPlace::$options;
                fn arity() -> &'static AtomicI32 {
                    static ARITY: AtomicI32 = AtomicI32::new(0);
                    &ARITY
                }
            }
        )*
        fn table() -> Vec<FamilyRow> {
            vec![$(FamilyRow {
                name: $name::NAME,
                inner: $name::INNER,
                options: $name::OPTIONS,
                handler: Handler::of::<$name>(),
                arity: $name::arity(),
            }),*]
        }
    };
}

const fn c_str(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("the table's macro appends the null byte"),
    }
}

family! {
    SET AfterSet,
    GET AfterFixedArity,
    GETDEL AfterFixedArity,
    MSET Nowhere,
    APPEND AfterFixedArity,
    INCR AfterFixedArity,
    DECR AfterFixedArity,
    INCRBY AfterFixedArity,
    DECRBY AfterFixedArity,
    INCRBYFLOAT AfterFixedArity,
    DEL Nowhere,
    UNLINK Nowhere,
    EXPIRE Nowhere,
    PEXPIRE Nowhere,
    PERSIST AfterFixedArity,
    RENAME AfterFixedArity,
    HSET Nowhere,
    HSETNX AfterFixedArity,
    HDEL Nowhere,
    HINCRBY AfterFixedArity,
    LPUSH Nowhere,
    RPUSH Nowhere,
    LPOP Nowhere,
    RPOP Nowhere,
    LMOVE AfterFixedArity,
    SADD Nowhere,
    SREM Nowhere,
    ZADD Nowhere,
    ZREM Nowhere,
    ZINCRBY AfterFixedArity,
    XADD Nowhere,
    XDEL Nowhere,
    XACK Nowhere,
}

/// Registers the whole family. `category` is the module's own ACL category, if there is one.
///
/// # Errors
/// Which command the server does not accept.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    for row in table() {
        match ServerCommand::of(ctx, row.inner) {
            Some(inner) => ctx.create_command(&spec(ctx, &row, inner, category), row.handler)?,
            None => ctx.log_notice(&format!(
                "no {}: this server has no {}",
                row.name, row.inner
            )),
        }
    }
    Ok(())
}

/// The description of a command for the server. Also stores the arity of the inner command, which
/// [`execute`] reads.
fn spec(ctx: &Ctx, row: &FamilyRow, inner: ServerCommand, category: Option<&str>) -> Spec {
    let inner_docs = ServerDocs::of(ctx, row.inner);
    let mut args = inner_docs.args;
    let takes_options = row.options.on_this_server(inner.arity) != OptionsPlace::Nowhere;
    if takes_options {
        args.extend(docs::requirement_options());
    }
    row.arity.store(inner.arity, Ordering::Relaxed);
    let flags = inner.api_flags().join(" ");
    let mut categories = inner.categories;
    categories.extend(category.map(str::to_owned));
    Spec {
        name: CString::new(row.name.to_ascii_lowercase()).unwrap_or_default(),
        flags: CString::new(flags).unwrap_or_default(),
        legacy_keys: inner.legacy_keys,
        arity: if takes_options {
            inner.arity.saturating_abs().saturating_neg()
        } else {
            inner.arity
        },
        keys: inner.keys.map(declared_keys).unwrap_or_default(),
        categories,
        summary: docs::durable_summary(&inner_docs.summary),
        complexity: inner_docs.complexity,
        args,
    }
}

/// All keys of the family are in fixed places, so each key specification can be declared.
fn declared_keys(keys: KeySpecs) -> Vec<DeclaredKeys> {
    keys.specs.iter().filter_map(DeclaredKeys::of).collect()
}

impl<T: FamilyCommand> Command for T {
    fn run(ctx: &Ctx, args: Args<'_>) {
        execute::<T>(ctx, args);
    }
}

fn execute<T: FamilyCommand>(ctx: &Ctx, args: Args<'_>) {
    let arity = T::arity().load(Ordering::Relaxed);
    let inner_len = match T::OPTIONS.on_this_server(arity) {
        OptionsPlace::AfterSet => set::inner_len(args),
        OptionsPlace::AfterFixedArity => usize::try_from(arity).unwrap_or(args.len()),
        OptionsPlace::Nowhere => {
            if let Some(stray) = stray_option(arity, args) {
                let text = stray.error(T::NAME, T::INNER);
                return ctx.reply_error_text(&format!("ERR {text}"));
            }
            args.len()
        }
    };
    // The server has checked that there are enough words. If SET's own options are wrong, SET
    // replies with the error.
    let requirement = options(args.skip(inner_len)).and_then(|options| admit(ctx, options));
    match requirement {
        Ok(requirement) => {
            let inner = InnerCommand {
                name: T::INNER_C,
                args: args.take(inner_len).skip(1),
                key_first: true,
                // The durable command has the flag `deny-oom` if the inner one has it.
                memory: Memory::CheckedByServer,
            };
            run::run(ctx, inner, requirement);
        }
        // The first key of each command of the family is the word after the name.
        Err(Refusal::Replica) => redirect::reply(ctx, T::NAME, args.get(1).unwrap_or_default()),
        Err(refusal) => ctx.reply_error_text(&refusal.text(T::NAME)),
    }
}

/// The option at the end of a command that takes no options, if there is one.
fn stray_option(arity: c_int, args: Args<'_>) -> Option<StrayOption> {
    let words = args.len();
    let (name, value) = (words.checked_sub(2)?, words.checked_sub(1)?);
    StrayOption::at_end(arity, words, args.get(name)?, args.get(value)?)
}

fn options(args: Args<'_>) -> Result<Options, Refusal> {
    options::only(args.iter()).map_err(Refusal::from)
}
