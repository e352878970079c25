//! The settings: `durable.*` in redis.conf and in CONFIG GET, SET and REWRITE, and without the
//! prefix as arguments of `loadmodule`. The [table] has a row for each.
//!
//! Arguments of `loadmodule` become the defaults. redis.conf overrides them, and CONFIG REWRITE
//! writes the settings that differ from the defaults. So a rewrite and a restart lose no setting.

mod table;

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_core::replicas::ReplicaAllow;
use durable_core::requirement::{parse_number, ReplicaCount};
use durable_core::servers::Fact;
use lazy_static::lazy_static;

use crate::facts;
use crate::failover;
use crate::ffi::main_thread::MainThread;
use crate::ffi::settings::Settings;
use crate::ffi::{Args, Ctx};
pub use table::{switch, EXPECTED_REPLICAS, FAILOVER, FAILOVER_REPLICAS};
use table::{NumberSetting, TextSetting, FSYNC, NUMBERS, TEXTS};

/// The value of every setting.
#[derive(Clone, Debug)]
pub struct Config {
    /// `durable.replicas`
    pub replicas: ReplicaCount,
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
    /// `durable.once-ttl-ms`
    pub once_ttl_ms: u64,
    /// `durable.slothint-max-age-ms`
    pub slothint_max_age_ms: u64,
    /// `durable.failover`
    pub failover: bool,
    /// `durable.failover-replicas`
    pub failover_replicas: u8,
    /// `durable.failover-strict`
    pub failover_strict: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            replicas: ReplicaCount::Count(1),
            expected_replicas: 0,
            fsync: 0,
            timeout_ms: 1000,
            max_waiters: 10_000,
            max_waiters_per_user: 0,
            replica_allow: ReplicaAllow::default(),
            call_allow: Vec::new(),
            once_ttl_ms: 600_000,
            slothint_max_age_ms: 100,
            failover: false,
            failover_replicas: 1,
            failover_strict: false,
        }
    }
}

lazy_static! {
    static ref CONFIG: MainThread<Config> = MainThread::new();
}

/// How often a setting was set. Only the main thread writes it.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Starts with these settings.
pub fn load(config: Config) {
    CONFIG.set(config);
}

/// Frees the memory.
pub fn unload() {
    CONFIG.clear();
}

/// Reads settings.
pub fn read<R>(work: impl FnOnce(&Config) -> R) -> R {
    CONFIG.with(|config| work(config))
}

/// How often a setting was set since the library was loaded. Code that keeps a copy of a setting
/// compares this with the count at which it copied: see `durable/state.rs`.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// Turns `durable.failover` on, for a server that is a member of a group already.
pub fn turn_failover_on() {
    change(|config| {
        config.failover = true;
        true
    });
}

/// Sets a setting. `set` returns false for a value that it does not accept.
fn change(set: impl FnOnce(&mut Config) -> bool) -> bool {
    let accepted = CONFIG.with(set);
    if accepted {
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }
    accepted
}

/// Reads the arguments of `loadmodule`: names and values in turn.
///
/// # Errors
/// Which argument is not accepted, and what is accepted instead.
pub fn from_arguments(args: Args<'_>) -> Result<Config, String> {
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
        set_argument(&mut config, name, value).map_err(|accepted| {
            let value = String::from_utf8_lossy(value);
            format!("the argument {shown} {value} is not accepted: {accepted}")
        })?;
    }
    Ok(config)
}

fn set_argument(config: &mut Config, name: &[u8], value: &[u8]) -> Result<(), String> {
    #[cfg(feature = "mistakes")]
    if name == b"mistake" {
        let mistake = durable_core::mistakes::Mistake::named(value);
        return mistake
            .map(|mistake| mistake.make())
            .ok_or_else(|| "there is no such mistake".into());
    }
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
            if let Some(refusal) = refusal(number, parsed) {
                return Err(refusal.into());
            }
            (number.set)(config, parsed);
            Ok(())
        }
        _ => Err(format!("it takes {} to {}", number.min, number.max)),
    }
}

/// The error for a value that this server cannot support. Replicas of older servers do not report
/// fsynced offsets.
fn refusal(number: &NumberSetting, value: i64) -> Option<&'static str> {
    let unknown = number.name == FSYNC && value > 0 && !facts::has(Fact::TellsFsyncs);
    unknown.then_some("FSYNC needs Redis 7.2 or later")
}

/// Registers every setting with its default, and applies the values in redis.conf. Call [`load`]
/// first.
///
/// # Errors
/// Why the server did not accept a setting.
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

/// Reads and sets the settings for the server.
struct Current;

impl Settings for Current {
    fn number(name: &[u8]) -> Option<i64> {
        let number = number_named(name)?;
        Some(read(number.get))
    }

    fn set_number(name: &[u8], value: i64) -> Result<(), String> {
        let number = number_named(name).ok_or(UNKNOWN)?;
        if let Some(refusal) = refusal(number, value) {
            return Err(refusal.into());
        }
        failover::may_set_number(name, value)?;
        change(|config| {
            (number.set)(config, value);
            true
        });
        Ok(())
    }

    fn text(name: &[u8]) -> Option<Vec<u8>> {
        let text = text_named(name)?;
        Some(read(text.get))
    }

    fn set_text(name: &[u8], value: &[u8]) -> Result<(), String> {
        let text = text_named(name).ok_or(UNKNOWN)?;
        failover::may_set_text(name, value)?;
        if change(|config| (text.set)(config, value)) {
            Ok(())
        } else {
            Err(format!("it takes {}", text.accepted))
        }
    }
}

const UNKNOWN: &str = "no such setting";

fn number_named(name: &[u8]) -> Option<&'static NumberSetting> {
    let is_named = |number: &&NumberSetting| name.eq_ignore_ascii_case(number.name.to_bytes());
    NUMBERS.iter().find(is_named)
}

fn text_named(name: &[u8]) -> Option<&'static TextSetting> {
    let is_named = |text: &&TextSetting| name.eq_ignore_ascii_case(text.name.to_bytes());
    TEXTS.iter().find(is_named)
}
