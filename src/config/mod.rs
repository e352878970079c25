//! The settings: `durable.*` in redis.conf, CONFIG GET, SET and REWRITE, and as arguments of
//! `loadmodule`. One [table] names them all.
//!
//! Arguments of `loadmodule` become the defaults. What redis.conf says comes on top, and CONFIG
//! REWRITE writes whatever differs from them, so that neither way loses what the other set.

mod table;

use std::ffi::{c_char, c_int, c_longlong, c_void, CStr, CString};

use durable_core::replicas::ReplicaAllow;
use durable_core::requirement::{parse_number, Replicas};
use durable_core::servers::{Fact, Facts};
use redis_module::raw;

use crate::ffi::{guard, Args, Ctx, OwnString};
use crate::state;
use table::{Number, FSYNC, NUMBERS, TEXTS};

/// The settings as they are at one moment.
#[derive(Clone, Debug)]
pub struct Config {
    /// `durable.replicas`
    pub replicas: Replicas,
    /// `durable.expected-replicas`; 0 is not set
    pub expected_replicas: u32,
    /// `durable.fsync`
    pub fsync: u32,
    /// `durable.timeout-ms`; 0 waits for ever
    pub timeout_ms: u64,
    /// `durable.max-waiters`
    pub max_waiters: usize,
    /// `durable.max-waiters-per-user`; 0 is no share
    pub max_waiters_per_user: usize,
    /// `durable.replica-allow`
    pub replica_allow: ReplicaAllow,
    /// `durable.call-allow`: names of commands, as they were written
    pub call_allow: Vec<u8>,
    /// `durable.slothint-max-age-ms`
    pub slothint_max_age_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            replicas: Replicas::Count(1),
            expected_replicas: 0,
            fsync: 0,
            timeout_ms: 1000,
            max_waiters: 10_000,
            max_waiters_per_user: 0,
            replica_allow: ReplicaAllow::default(),
            call_allow: Vec::new(),
            slothint_max_age_ms: 100,
        }
    }
}

/// Reads the arguments of `loadmodule`: names and values in turn.
pub fn from_arguments(args: Args<'_>, facts: Facts) -> Result<Config, String> {
    let mut config = Config::default();
    let mut words = args.iter();
    let mut given: Vec<Vec<u8>> = Vec::new();
    while let Some(name) = words.next() {
        let shown = String::from_utf8_lossy(name).into_owned();
        if given.contains(&name.to_ascii_lowercase()) {
            return Err(format!("the argument {shown} is given twice"));
        }
        given.push(name.to_ascii_lowercase());
        let Some(value) = words.next() else {
            return Err(format!("the argument {shown} has no value"));
        };
        set_argument(&mut config, facts, name, value).map_err(|accepted| {
            let value = String::from_utf8_lossy(value);
            format!("the argument {shown} {value} is not accepted: {accepted}")
        })?;
    }
    Ok(config)
}

fn set_argument(
    config: &mut Config,
    facts: Facts,
    name: &[u8],
    value: &[u8],
) -> Result<(), String> {
    let named = |known: &CStr| name.eq_ignore_ascii_case(known.to_bytes());
    if let Some(text) = TEXTS.iter().find(|text| named(text.name)) {
        if (text.set)(config, value) {
            return Ok(());
        }
        return Err(format!("it takes {}", text.accepted));
    }
    let Some(number) = NUMBERS.iter().find(|number| named(number.name)) else {
        let names = TEXTS.iter().map(|text| text.name);
        let names = names.chain(NUMBERS.iter().map(|number| number.name));
        let names: Vec<_> = names.map(CStr::to_string_lossy).collect();
        return Err(format!("the names are {}", names.join(", ")));
    };
    let parsed = parse_number(value).and_then(|value| i64::try_from(value).ok());
    match parsed {
        Some(parsed) if (number.min..=number.max).contains(&parsed) => {
            if let Some(refusal) = refusal(number, parsed, facts) {
                return Err(refusal.into());
            }
            (number.set)(config, parsed);
            Ok(())
        }
        _ => Err(format!("it takes {} to {}", number.min, number.max)),
    }
}

/// A replica of an older server does not tell what it has fsynced.
fn refusal(number: &Number, value: i64, facts: Facts) -> Option<&'static str> {
    let unknown = number.name == FSYNC && value > 0 && !facts.has(Fact::TellsFsyncs);
    unknown.then_some("FSYNC needs Redis 7.2 or later")
}

/// Tells the server every setting, with what the arguments said as the defaults, and takes over what
/// redis.conf says. The state has to be there already.
pub fn register(ctx: &Ctx, defaults: &Config) -> Result<(), &'static str> {
    let ok = |status: c_int| isize::try_from(status) == Ok(raw::REDISMODULE_OK);
    for number in &NUMBERS {
        // SAFETY: the context is that of the load, the name is static and so is the table that the
        // callbacks find their setting in by its name.
        let status = unsafe {
            api!(RedisModule_RegisterNumericConfig)(
                ctx.raw(),
                number.name.as_ptr(),
                (number.get)(defaults),
                raw::REDISMODULE_CONFIG_DEFAULT,
                number.min,
                number.max,
                Some(get_number),
                Some(set_number),
                None,
                std::ptr::null_mut(),
            )
        };
        if !ok(status) {
            return Err("a numeric setting was not accepted by the server");
        }
    }
    for text in &TEXTS {
        let default = CString::new((text.get)(defaults)).unwrap_or_default();
        // SAFETY: as above; the server copies the default.
        let status = unsafe {
            api!(RedisModule_RegisterStringConfig)(
                ctx.raw(),
                text.name.as_ptr(),
                default.as_ptr(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                Some(get_text),
                Some(set_text),
                None,
                std::ptr::null_mut(),
            )
        };
        if !ok(status) {
            return Err("a text setting was not accepted by the server");
        }
    }
    // SAFETY: the context is that of the load.
    if !ok(unsafe { api!(RedisModule_LoadConfigs)(ctx.raw()) }) {
        return Err("the configuration file has a bad value for a durable.* setting");
    }
    Ok(())
}

unsafe extern "C" fn get_number(name: *const c_char, _data: *mut c_void) -> c_longlong {
    guard::plain(0, || {
        let number = named(&NUMBERS, name, |number| number.name);
        number
            .and_then(|number| state::with(|state| (number.get)(&state.config)))
            .unwrap_or(0)
    })
}

unsafe extern "C" fn set_number(
    name: *const c_char,
    value: c_longlong,
    _data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guard::plain(raw::REDISMODULE_ERR as c_int, || {
        let Some(number) = named(&NUMBERS, name, |number| number.name) else {
            return refuse(error, "no such setting");
        };
        let refusal = state::with(|state| refusal(number, value, state.facts));
        if let Some(refusal) = refusal.flatten() {
            return refuse(error, refusal);
        }
        state::with(|state| {
            (number.set)(&mut state.config, value);
            state.config_changed();
        });
        raw::REDISMODULE_OK as c_int
    })
}

unsafe extern "C" fn get_text(
    name: *const c_char,
    _data: *mut c_void,
) -> *mut raw::RedisModuleString {
    guard::plain(std::ptr::null_mut(), || {
        let text = named(&TEXTS, name, |text| text.name);
        let value = text.and_then(|text| state::with(|state| (text.get)(&state.config)));
        let lent = OwnString::new(&value.unwrap_or_default());
        let raw = lent.as_ptr();
        // The server only borrows it. The one lent before is dropped now: nobody looks at it any more.
        match state::with(|state| state.lent.replace(lent)) {
            Some(_) => raw,
            // Nobody keeps it, so it is gone.
            None => std::ptr::null_mut(),
        }
    })
}

unsafe extern "C" fn set_text(
    name: *const c_char,
    value: *mut raw::RedisModuleString,
    _data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guard::plain(raw::REDISMODULE_ERR as c_int, || {
        let Some(text) = named(&TEXTS, name, |text| text.name) else {
            return refuse(error, "no such setting");
        };
        let mut strings = [value];
        // SAFETY: one string of the server, valid while this callback runs.
        let value = unsafe { Args::new(strings.as_mut_ptr(), 1) };
        let value = value.get(0).unwrap_or_default();
        let accepted = state::with(|state| {
            let accepted = (text.set)(&mut state.config, value);
            if accepted {
                state.config_changed();
            }
            accepted
        });
        if accepted == Some(true) {
            raw::REDISMODULE_OK as c_int
        } else {
            refuse(error, &format!("it takes {}", text.accepted))
        }
    })
}

/// Finds a setting by the name that the server calls back with, which is the one it was registered
/// under.
fn named<T>(
    table: &'static [T],
    name: *const c_char,
    of: fn(&T) -> &'static CStr,
) -> Option<&'static T> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, and the server's names end in a null byte.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let own = name.strip_prefix(b"durable.").unwrap_or(name);
    table
        .iter()
        .find(|entry| own.eq_ignore_ascii_case(of(entry).to_bytes()))
}

/// Tells the server why a value is not accepted. It frees the text.
fn refuse(error: *mut *mut raw::RedisModuleString, text: &str) -> c_int {
    if !error.is_null() {
        // SAFETY: not null, so the server's place for the text.
        unsafe { *error = OwnString::new(text.as_bytes()).into_raw() };
    }
    raw::REDISMODULE_ERR as c_int
}
