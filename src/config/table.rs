//! The table of settings: the name of each, the accepted values, and the field of [`Config`].

use std::ffi::CStr;

use durable_core::replicas::ReplicaAllow;
use durable_core::requirement::{ReplicaCount, MAX_REPLICAS, MAX_TIMEOUT_MS};

use durable_failover::MAX_MEMBERS;

use super::Config;

/// A setting that is a number from `min` to `max`.
pub(super) struct NumberSetting {
    pub name: &'static CStr,
    pub min: i64,
    pub max: i64,
    pub get: fn(&Config) -> i64,
    pub set: fn(&mut Config, i64),
}

/// A setting that is a text. `accepted` completes an error: "it takes …". `set` returns false and
/// changes nothing if the text is not accepted.
pub(super) struct TextSetting {
    pub name: &'static CStr,
    pub accepted: &'static str,
    pub get: fn(&Config) -> Vec<u8>,
    pub set: fn(&mut Config, &[u8]) -> bool,
}

pub(super) const NUMBERS: [NumberSetting; 8] = [
    NumberSetting {
        name: EXPECTED_REPLICAS,
        min: 0,
        max: MAX_REPLICAS as i64,
        get: |config| config.expected_replicas.into(),
        set: |config, value| config.expected_replicas = u32::try_from(value).unwrap_or(0),
    },
    NumberSetting {
        name: FSYNC,
        min: 0,
        max: MAX_REPLICAS as i64,
        get: |config| config.fsync.into(),
        set: |config, value| config.fsync = u32::try_from(value).unwrap_or(0),
    },
    NumberSetting {
        name: c"timeout-ms",
        min: 0,
        max: MAX_TIMEOUT_MS as i64,
        get: |config| i64::try_from(config.timeout_ms).unwrap_or(i64::MAX),
        set: |config, value| config.timeout_ms = u64::try_from(value).unwrap_or(0),
    },
    NumberSetting {
        name: c"max-waiters",
        min: 1,
        max: 1_000_000,
        get: |config| i64::try_from(config.max_waiters).unwrap_or(i64::MAX),
        set: |config, value| config.max_waiters = usize::try_from(value).unwrap_or(1),
    },
    NumberSetting {
        name: c"max-waiters-per-user",
        min: 0,
        max: 1_000_000,
        get: |config| i64::try_from(config.max_waiters_per_user).unwrap_or(i64::MAX),
        set: |config, value| config.max_waiters_per_user = usize::try_from(value).unwrap_or(0),
    },
    NumberSetting {
        name: c"once-ttl-ms",
        min: 1000,
        max: 604_800_000,
        get: |config| i64::try_from(config.once_ttl_ms).unwrap_or(i64::MAX),
        set: |config, value| config.once_ttl_ms = u64::try_from(value).unwrap_or(1000),
    },
    NumberSetting {
        name: c"slothint-max-age-ms",
        min: 0,
        max: 60_000,
        get: |config| i64::try_from(config.slothint_max_age_ms).unwrap_or(i64::MAX),
        set: |config, value| config.slothint_max_age_ms = u64::try_from(value).unwrap_or(0),
    },
    NumberSetting {
        name: FAILOVER_REPLICAS,
        min: 1,
        max: MAX_MEMBERS as i64 - 1,
        get: |config| config.failover_replicas.into(),
        set: |config, value| config.failover_replicas = u8::try_from(value).unwrap_or(1),
    },
];

pub(super) const FSYNC: &CStr = c"fsync";

/// Settings that belong to the failover group once there is one.
pub const EXPECTED_REPLICAS: &CStr = c"expected-replicas";
pub const FAILOVER: &CStr = c"failover";
pub const FAILOVER_REPLICAS: &CStr = c"failover-replicas";

pub(super) const TEXTS: [TextSetting; 5] = [
    TextSetting {
        name: c"replicas",
        accepted: "0 to 1000, majority or all",
        get: |config| config.replicas.to_string().into_bytes(),
        set: |config, value| match ReplicaCount::parse(value) {
            Some(replicas) => {
                config.replicas = replicas;
                true
            }
            None => false,
        },
    },
    TextSetting {
        name: c"replica-allow",
        accepted: ReplicaAllow::ACCEPTED,
        get: |config| config.replica_allow.text().to_vec(),
        set: |config, value| match ReplicaAllow::parse(value) {
            Some(allow) => {
                config.replica_allow = allow;
                true
            }
            None => false,
        },
    },
    TextSetting {
        name: c"call-allow",
        accepted: "names of commands, separated by spaces, without quotes and backslashes",
        get: |config| config.call_allow.clone(),
        set: |config, value| {
            // CONFIG REWRITE of Valkey 8.1 writes the text into redis.conf without quoting it. With
            // a quote, a backslash or a line end in it, the server could not read the file again.
            let fits = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"'\\".contains(byte);
            let fits = value.iter().all(fits);
            if fits {
                config.call_allow = value.to_vec();
            }
            fits
        },
    },
    TextSetting {
        name: FAILOVER,
        accepted: YES_OR_NO,
        get: |config| yes_or_no(config.failover),
        set: |config, value| set_switch(&mut config.failover, value),
    },
    TextSetting {
        name: c"failover-strict",
        accepted: YES_OR_NO,
        get: |config| yes_or_no(config.failover_strict),
        set: |config, value| set_switch(&mut config.failover_strict, value),
    },
];

const YES_OR_NO: &str = "yes or no";

fn yes_or_no(on: bool) -> Vec<u8> {
    if on { b"yes" } else { b"no".as_slice() }.to_vec()
}

/// Whether a value of a switch means on. `None` for any other word.
pub fn switch(value: &[u8]) -> Option<bool> {
    if value.eq_ignore_ascii_case(b"yes") {
        Some(true)
    } else {
        value.eq_ignore_ascii_case(b"no").then_some(false)
    }
}

fn set_switch(switch_of: &mut bool, value: &[u8]) -> bool {
    match switch(value) {
        Some(on) => {
            *switch_of = on;
            true
        }
        None => false,
    }
}
