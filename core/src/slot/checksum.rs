//! CRC16 (XMODEM), eight bytes at a time.
//!
//! The crate `crc16` reads one byte at a time, and each byte waits for the one before: 100
//! instructions for 16 bytes. A checksum is linear, so that of eight bytes is the XOR of one table
//! entry for each of them ("slicing by 8"): 50 instructions. The tables are made by the crate.

use std::sync::LazyLock;

use crc16::{State, XMODEM};

/// So many bytes are read at a time.
const WIDTH: usize = 8;

type Table = [u16; 256];

/// Table `n` has the checksum of each byte with `n` null bytes after it.
static TABLES: LazyLock<[Table; WIDTH]> = LazyLock::new(|| {
    std::array::from_fn(|after| {
        let mut bytes = [0; WIDTH];
        let message = bytes.get_mut(..=after).unwrap_or_default();
        (0..=u8::MAX)
            .map(|byte| {
                if let Some(first) = message.first_mut() {
                    *first = byte;
                }
                State::<XMODEM>::calculate(message)
            })
            .zip(0_usize..)
            .fold([0; 256], |mut table, (checksum, at)| {
                if let Some(entry) = table.get_mut(at) {
                    *entry = checksum;
                }
                table
            })
    })
});

/// The checksum of these bytes.
pub fn of(bytes: &[u8]) -> u16 {
    let tables = &*TABLES;
    // Null bytes in front do not change the checksum. So the first bytes, up to seven, count as
    // eight with null bytes before them.
    let (first, eights) = bytes.as_rchunks::<WIDTH>();
    let begun = first
        .iter()
        .rev()
        .zip(tables)
        .fold(0, |sum, (&byte, table)| sum ^ entry(table, byte));
    eights.iter().fold(begun, |before, eight| {
        let [high, low] = before.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = *eight;
        let mixed = [a ^ high, b ^ low, c, d, e, f, g, h];
        mixed
            .iter()
            .rev()
            .zip(tables)
            .fold(0, |sum, (&byte, table)| sum ^ entry(table, byte))
    })
}

/// A table has an entry for each byte.
#[inline]
fn entry(table: &Table, byte: u8) -> u16 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_bytes_at_a_time_give_the_same_checksum(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(of(&bytes), State::<XMODEM>::calculate(&bytes));
        }
    }
}
