//! The settings: `durable.*` in redis.conf and in CONFIG GET, SET and REWRITE, and as arguments of
//! `loadmodule`. The [table] has a row for each.
//!
//! Arguments of `loadmodule` become the defaults. redis.conf overrides them, and CONFIG REWRITE
//! writes what differs from them. So neither way loses what the other set.

mod table;

use std::ffi::CStr;

use durable_core::replicas::ReplicaAllow;
use durable_core::requirement::{parse_number, Replicas};
use durable_core::servers::{Fact, Facts};

use crate::ffi::settings::Settings;
use crate::ffi::{Args, Ctx};
use crate::state;
use table::{Number, Text, FSYNC, NUMBERS, TEXTS};

/// The value of every setting.
#[derive(Clone, Debug)]
pub struct Config {
    /// `durable.replicas`
    pub replicas: Replicas,
    /// `durable.expected-replicas`; 0 means not set
    pub expected_replicas: u32,
    /// `durable.fsync`
    pub fsync: u32,
    /// `durable.timeout-ms`; 0 waits forever
    pub timeout_ms: u64,
    /// `durable.max-waiters`
    pub max_waiters: usize,
    /// `durable.max-waiters-per-user`; 0 means no limit
    pub max_waiters_per_user: usize,
    /// `durable.replica-allow`
    pub replica_allow: ReplicaAllow,
    /// `durable.call-allow`: names of commands, as the operator wrote them
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
///
/// # Errors
/// Which argument is not accepted, and what is.
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
    if let Some(text) = text_named(name) {
        if (text.set)(config, value) {
            return Ok(());
        }
        return Err(format!("it takes {}", text.accepted));
    }
    let Some(number) = number_named(name) else {
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

/// A replica of an older server does not report what it has fsynced.
fn refusal(number: &Number, value: i64, facts: Facts) -> Option<&'static str> {
    let unknown = number.name == FSYNC && value > 0 && !facts.has(Fact::TellsFsyncs);
    unknown.then_some("FSYNC needs Redis 7.2 or later")
}

/// Registers every setting, with `defaults` as the defaults, and takes over what redis.conf says.
/// The state has to exist.
///
/// # Errors
/// What the server does not accept.
pub fn register(ctx: &Ctx, defaults: &Config) -> Result<(), &'static str> {
    for number in &NUMBERS {
        let default = (number.get)(defaults);
        if !ctx.register_number::<Current>(number.name, default, number.min, number.max) {
            return Err("a numeric setting was not accepted by the server");
        }
    }
    for text in &TEXTS {
        if !ctx.register_text::<Current>(text.name, (text.get)(defaults)) {
            return Err("a text setting was not accepted by the server");
        }
    }
    if !ctx.load_settings() {
        return Err("the configuration file has a bad value for a durable.* setting");
    }
    Ok(())
}

/// The settings of the state, as the server reads and sets them.
struct Current;

impl Settings for Current {
    fn number(name: &[u8]) -> Option<i64> {
        let number = number_named(name)?;
        state::with(|state| (number.get)(&state.config))
    }

    fn set_number(name: &[u8], value: i64) -> Result<(), String> {
        let number = number_named(name).ok_or(UNKNOWN)?;
        let refusal = state::with(|state| refusal(number, value, state.facts));
        if let Some(refusal) = refusal.flatten() {
            return Err(refusal.into());
        }
        state::with(|state| {
            (number.set)(&mut state.config, value);
            state.config_changed();
        });
        Ok(())
    }

    fn text(name: &[u8]) -> Option<Vec<u8>> {
        let text = text_named(name)?;
        state::with(|state| (text.get)(&state.config))
    }

    fn set_text(name: &[u8], value: &[u8]) -> Result<(), String> {
        let text = text_named(name).ok_or(UNKNOWN)?;
        let accepted = state::with(|state| {
            let accepted = (text.set)(&mut state.config, value);
            if accepted {
                state.config_changed();
            }
            accepted
        });
        match accepted {
            Some(true) => Ok(()),
            _ => Err(format!("it takes {}", text.accepted)),
        }
    }
}

const UNKNOWN: &str = "no such setting";

fn number_named(name: &[u8]) -> Option<&'static Number> {
    let is_named = |number: &&Number| name.eq_ignore_ascii_case(number.name.to_bytes());
    NUMBERS.iter().find(is_named)
}

fn text_named(name: &[u8]) -> Option<&'static Text> {
    let is_named = |text: &&Text| name.eq_ignore_ascii_case(text.name.to_bytes());
    TEXTS.iter().find(is_named)
}
