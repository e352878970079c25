//! Random arguments for commands.

use crate::support::Chance;

/// Words with a meaning for some command, and some without.
const WORDS: &[&[u8]] = &[
    b"TIMEOUT",
    b"timeout",
    b"REPLICAS",
    b"Replicas",
    b"FSYNC",
    b"MAJORITY",
    b"all",
    b"0",
    b"1",
    b"2",
    b"1000",
    b"1001",
    b"-1",
    b"86400000",
    b"86400001",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1.5",
    b"nan",
    b"inf",
    b"",
    b"\0",
    b"\xff\xfe",
    b"\r\n",
    b"%s%n",
    b"*",
    b"$",
    b">",
    b"k",
    b"k2",
    b"list",
    b"hash",
    b"set",
    b"zset",
    b"stream",
    b"text",
    b"g",
    b"c",
    b"f",
    b"NX",
    b"XX",
    b"GET",
    b"EX",
    b"PX",
    b"KEEPTTL",
    b"GT",
    b"LT",
    b"CH",
    b"INCR",
    b"MAXLEN",
    b"MINID",
    b"~",
    b"LIMIT",
    b"NOMKSTREAM",
    b"LEFT",
    b"RIGHT",
    b"1-1",
    b"0-0",
    b"IFEQ",
    b"IFNE",
    b"IFDEQ",
    b"COUNT",
    b"STREAMS",
    b"BLOCK",
    b"BY",
    b"STORE",
    b"ASYNC",
    b"FIELDS",
    b"PERSIST",
];

/// One of the `heads`, then random words, often with valid options at the end.
pub fn random_command(chance: &mut Chance, heads: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    let mut words = heads[chance.below(heads.len())].clone();
    // Mostly as many words as commands take, sometimes far too many.
    let count = match chance.below(40) {
        0 => 300,
        _ => chance.below(9),
    };
    for _ in 0..count {
        words.push(WORDS[chance.below(WORDS.len())].to_vec());
    }
    // Often with valid options. Otherwise almost nothing would be executed.
    match chance.below(4) {
        0 => words.extend([b"TIMEOUT".to_vec(), b"0".to_vec()]),
        1 => words.extend([b"REPLICAS".to_vec(), b"1".to_vec()]),
        _ => (),
    }
    words
}
