//! Numbers with a unit: times, stream offsets and client ids cannot be mistaken for each other.
//!
//! All are unsigned 64-bit integers. Arithmetic saturates at 0 and at `u64::MAX`, since these
//! numbers come from clients, replicas and clocks. A time is a duration or a point in time: a point
//! in time is the duration since a fixed moment, which the caller's clock defines.
//!
//! ```
//! use durable_core::units::{Micros, Millis};
//!
//! let accepted = Micros::new(1_000_000);
//! let deadline = accepted.saturating_add(Millis::new(500).to_micros());
//! assert_eq!(deadline, Micros::new(1_500_000));
//! assert_eq!(deadline.since(accepted).to_millis(), Millis::new(500));
//! assert_eq!(accepted.since(deadline), Micros::ZERO);
//! ```

use std::fmt;

/// Defines one unit: a number, its constructor, and how it is printed.
macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The smallest value.
            pub const ZERO: Self = Self(0);
            /// The greatest value.
            pub const MAX: Self = Self(u64::MAX);

            /// Gives a bare number its unit.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{}", $suffix), self.0)
            }
        }
    };
}

unit!(
    /// Microseconds. Printed as `1500 us`.
    Micros,
    " us"
);
unit!(
    /// Milliseconds. Printed as `500 ms`.
    Millis,
    " ms"
);
unit!(
    /// A place in the replication stream, in bytes since the stream began. A replica that has
    /// acknowledged 120 holds the first 120 bytes. Printed as a number.
    Offset,
    ""
);
unit!(
    /// The id of a client connection, as `CLIENT ID` returns it. The server never gives an id
    /// twice. Printed as a number.
    ClientId,
    ""
);

impl Micros {
    /// Seconds as microseconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// This time and `duration` later.
    pub const fn saturating_add(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// How long after `earlier` this time is; 0 if it is before.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds, rounded down: 1999 us are 1 ms.
    pub const fn to_millis(self) -> Millis {
        Millis(self.0 / 1000)
    }

    /// Whole milliseconds, rounded up: 1001 us are 2 ms. A timer of that length never fires early.
    pub const fn to_millis_rounded_up(self) -> Millis {
        Millis(self.0.div_ceil(1000))
    }
}

impl Millis {
    /// Seconds as milliseconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// This time and `duration` later.
    pub const fn saturating_add(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// How long after `earlier` this time is; 0 if it is before.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The same in microseconds.
    pub const fn to_micros(self) -> Micros {
        Micros(self.0.saturating_mul(1000))
    }
}

impl Offset {
    /// The place `bytes` further on in the stream.
    pub const fn saturating_add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// The number of bytes from `earlier` to this place; 0 if this place is before it.
    pub const fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl ClientId {
    /// Stands for any client. Before Redis 7.2 there is no `RM_CommandFilterGetClientId`, and a
    /// command filter does not know which client sent a command.
    pub const UNKNOWN: Self = Self(0);

    /// False for [`ClientId::UNKNOWN`].
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_convert_by_thousands_and_round_as_their_name_says() {
        assert_eq!(Micros::new(1999).to_millis(), Millis::new(1));
        assert_eq!(Micros::new(999).to_millis(), Millis::ZERO);
        assert_eq!(Micros::new(1001).to_millis_rounded_up(), Millis::new(2));
        assert_eq!(Micros::new(2000).to_millis_rounded_up(), Millis::new(2));
        assert_eq!(Millis::new(2).to_micros(), Micros::new(2000));
        assert_eq!(Micros::from_secs(2), Micros::new(2_000_000));
        assert_eq!(Millis::from_secs(2), Millis::new(2000));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Micros::MAX.saturating_add(Micros::new(1)), Micros::MAX);
        assert_eq!(Millis::MAX.saturating_add(Millis::new(1)), Millis::MAX);
        assert_eq!(Offset::MAX.saturating_add(1), Offset::MAX);
        assert_eq!(Micros::new(1).since(Micros::new(2)), Micros::ZERO);
        assert_eq!(Millis::new(1).since(Millis::new(2)), Millis::ZERO);
        assert_eq!(Offset::new(1).bytes_since(Offset::new(2)), 0);
        assert_eq!(Millis::MAX.to_micros(), Micros::MAX);
        assert_eq!(Micros::from_secs(u64::MAX), Micros::MAX);
        assert_eq!(Millis::from_secs(u64::MAX), Millis::MAX);
    }

    #[test]
    fn values_are_ordered_by_number() {
        assert!(Offset::new(9) < Offset::new(10));
        assert_eq!(Offset::new(157).bytes_since(Offset::new(120)), 37);
        assert!(Micros::ZERO < Micros::new(1) && Micros::new(1) < Micros::MAX);
    }

    #[test]
    fn values_print_with_their_unit() {
        let printed = [
            Micros::new(7).to_string(),
            Millis::new(7).to_string(),
            Offset::new(7).to_string(),
            ClientId::new(7).to_string(),
        ];
        assert_eq!(printed, ["7 us", "7 ms", "7", "7"]);
    }

    #[test]
    fn the_client_id_0_is_unknown() {
        assert!(!ClientId::UNKNOWN.is_known() && ClientId::new(7).is_known());
        assert_eq!(ClientId::default(), ClientId::UNKNOWN);
    }
}
