//! The clock: the server's monotonic one, which nobody can set.

use durable_core::units::Micros;

use crate::ffi;

/// The time since some moment in the past.
pub fn now() -> Micros {
    Micros::new(ffi::monotonic_micros())
}
