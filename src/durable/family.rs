//! The family: every command that has a durable twin, from one table. **To add a command, add its
//! name to the table.**
//!
//! All else is taken from the running server when the module is loaded: arity, flags, key positions,
//! ACL categories and hints. A command that the server lacks gets no twin.

use std::ffi::{c_int, CStr, CString};
use std::sync::atomic::{AtomicI32, Ordering};

use durable_core::key_specs::KeySpecs;
use durable_core::options::{self, Stray};
use durable_core::requirement::Options;

use super::admission::{admit, Refusal};
use super::inner::{Docs, Inner};
use super::{docs, redirect, run, set};
use crate::ffi::spec::{KeySpec, Spec};
use crate::ffi::{Args, Command, Ctx, Handler, Memory};

/// What may follow the inner command's own arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// The requirement options: the inner grammar has a fixed number of arguments.
    Options,
    /// Nothing: a key or a member may be spelt `TIMEOUT`. What reads as an option there is refused.
    Nothing,
    /// Where the options begin is found out by a rule of SET's own.
    Set,
}

impl Tail {
    /// A later server may give a command of fixed arity options of its own: then it takes none of
    /// ours.
    fn on_this_server(self, arity: c_int) -> Self {
        match self {
            Self::Options if arity <= 0 => Self::Nothing,
            tail => tail,
        }
    }
}

/// One command.
struct Row {
    /// As errors name it.
    name: &'static str,
    inner: &'static str,
    tail: Tail,
    handler: Handler,
    arity: &'static AtomicI32,
}

/// A row as a type, so that each has a handler of its own: the name under which a command arrives is
/// the user's spelling, and nothing to go by.
trait Twin {
    const NAME: &'static str;
    const INNER: &'static str;
    const INNER_C: &'static CStr;
    const TAIL: Tail;
    /// How many words the inner command takes, as the running server tells it; negative for at
    /// least so many.
    fn arity() -> &'static AtomicI32;
}

macro_rules! family {
    ($($name:ident $tail:ident,)*) => {
        $(
            #[allow(clippy::upper_case_acronyms)]
            struct $name;
            impl Twin for $name {
                const NAME: &'static str = concat!("DURABLE.", stringify!($name));
                const INNER: &'static str = stringify!($name);
                const INNER_C: &'static CStr = c_str(concat!(stringify!($name), "\0"));
                const TAIL: Tail = Tail::$tail;
                fn arity() -> &'static AtomicI32 {
                    static ARITY: AtomicI32 = AtomicI32::new(0);
                    &ARITY
                }
            }
        )*
        fn table() -> Vec<Row> {
            vec![$(Row {
                name: $name::NAME,
                inner: $name::INNER,
                tail: $name::TAIL,
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
    SET Set,
    GET Options,
    GETDEL Options,
    MSET Nothing,
    APPEND Options,
    INCR Options,
    DECR Options,
    INCRBY Options,
    DECRBY Options,
    INCRBYFLOAT Options,
    DEL Nothing,
    UNLINK Nothing,
    EXPIRE Nothing,
    PEXPIRE Nothing,
    PERSIST Options,
    RENAME Options,
    HSET Nothing,
    HSETNX Options,
    HDEL Nothing,
    HINCRBY Options,
    LPUSH Nothing,
    RPUSH Nothing,
    LPOP Nothing,
    RPOP Nothing,
    LMOVE Options,
    SADD Nothing,
    SREM Nothing,
    ZADD Nothing,
    ZREM Nothing,
    ZINCRBY Options,
    XADD Nothing,
    XDEL Nothing,
    XACK Nothing,
}

/// Registers the whole family.
pub fn register(ctx: &Ctx, category: Option<&str>) -> Result<(), String> {
    for row in table() {
        match Inner::of(ctx, row.inner) {
            Some(inner) => ctx.create_command(&spec(ctx, &row, inner, category), row.handler)?,
            None => ctx.log_notice(&format!(
                "no {}: this server has no {}",
                row.name, row.inner
            )),
        }
    }
    Ok(())
}

/// What the server is told of a row.
fn spec(ctx: &Ctx, row: &Row, inner: Inner, category: Option<&str>) -> Spec {
    let docs = Docs::of(ctx, row.inner);
    let mut args = docs.args;
    let takes_options = row.tail.on_this_server(inner.arity) != Tail::Nothing;
    if takes_options {
        args.extend(docs::requirement());
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
        keys: inner.keys.map(registered).unwrap_or_default(),
        categories,
        summary: docs::durably(&docs.summary),
        complexity: docs.complexity,
        args,
    }
}

/// The keys of the family are all found by their places.
fn registered(keys: KeySpecs) -> Vec<KeySpec> {
    keys.specs.iter().filter_map(KeySpec::of).collect()
}

impl<T: Twin> Command for T {
    fn run(ctx: &Ctx, args: Args<'_>) {
        durably::<T>(ctx, args);
    }
}

fn durably<T: Twin>(ctx: &Ctx, args: Args<'_>) {
    let arity = T::arity().load(Ordering::Relaxed);
    let own = match T::TAIL.on_this_server(arity) {
        Tail::Set => set::own_words(args),
        Tail::Options => usize::try_from(arity).unwrap_or(args.len()),
        Tail::Nothing => {
            if let Some(stray) = stray(arity, args) {
                let text = stray.refused(T::NAME, T::INNER);
                return ctx.reply_error_text(&format!("ERR {text}"));
            }
            args.len()
        }
    };
    // The server has checked the arity; for SET, whose options are not its own, there is no harm in
    // letting SET itself complain.
    let requirement = options(args.skip(own)).and_then(|options| admit(ctx, options));
    match requirement {
        Ok(requirement) => {
            let inner = run::Inner {
                command: T::INNER_C,
                args: args.take(own).skip(1),
                // This command is flagged `deny-oom` where the inner one is.
                memory: Memory::Judged,
                may_be_split: false,
            };
            run::run(ctx, inner, requirement);
        }
        // All of the family have their first key behind their name.
        Err(Refusal::Replica) => redirect::reply(ctx, T::NAME, args.get(1).unwrap_or_default()),
        Err(refusal) => ctx.reply_error_text(&refusal.text(T::NAME)),
    }
}

/// The option that the command ends in, which takes none.
fn stray(arity: c_int, args: Args<'_>) -> Option<Stray> {
    let words = args.len();
    let (name, value) = (words.checked_sub(2)?, words.checked_sub(1)?);
    Stray::at_end(arity, words, args.get(name)?, args.get(value)?)
}

fn options(args: Args<'_>) -> Result<Options, Refusal> {
    options::only(args.iter()).map_err(Refusal::from)
}
