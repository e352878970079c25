//! Fuzzes whole argument vectors of DURABLE.SET, DURABLE.CALL and DURABLE.WAIT.
//!
//! Words become a requirement in numbers, under any configuration. Keys are moved to the front and
//! back.
#![no_main]

use durable_core::key_places::KeyPlaces;
use durable_core::options::{leading, only, trailing_start_in_set};
use durable_core::requirement::{
    Defaults, Options, ReplicaCount, RequirementError, MAX_REPLICAS, MAX_TIMEOUT_MS,
};
use libfuzzer_sys::fuzz_target;

/// Each byte of the data selects one of these words. Random bytes would seldom spell them.
const WORDS: [&[u8]; 24] = [
    b"TIMEOUT",
    b"replicas",
    b"Fsync",
    b"MAJORITY",
    b"all",
    b"0",
    b"1",
    b"2",
    b"3",
    b"1000",
    b"1001",
    b"-1",
    b"86400000",
    b"86400001",
    b"18446744073709551616",
    b"",
    b"\0\xff",
    b"k",
    b"GET",
    b"NX",
    b"IFEQ",
    b"ifdne",
    b"EX",
    b"00",
];

fuzz_target!(|data: &[u8]| {
    let Some((head, rest)) = data.split_first_chunk::<6>() else {
        return;
    };
    let defaults = Defaults {
        replicas: match head[0] % 3 {
            0 => ReplicaCount::Majority,
            1 => ReplicaCount::All,
            _ => ReplicaCount::Count(u32::from(head[1]) * 4 % (MAX_REPLICAS + 1)),
        },
        expected: u32::from(head[2]) * 4 % (MAX_REPLICAS + 1),
        fsync: u32::from(head[3] % 8),
        timeout_ms: u64::from(head[4]) * 1000,
        fsyncs_are_known: head[5] % 2 == 0,
    };
    let words: Vec<&[u8]> = rest
        .iter()
        .map(|&byte| WORDS[usize::from(byte) % WORDS.len()])
        .collect();
    let read = || words.iter().copied();

    if let Ok(options) = only(read()) {
        check(options, &defaults);
    }
    if let Ok((options, taken)) = leading(read()) {
        assert!(taken <= words.len());
        check(options, &defaults);
    }
    moved_and_back(&words, data);
    let start = trailing_start_in_set(read());
    if let Ok(options) = only(read().skip(start)) {
        check(options, &defaults);
    }
});

/// Each odd byte of `data` marks the word at its position as a key.
fn moved_and_back(words: &[&[u8]], data: &[u8]) {
    let flags = data.iter().map(|byte| byte % 2 == 1);
    let keys = words.iter().copied().enumerate().zip(flags);
    let keys = keys.filter_map(|(word, is_key)| is_key.then_some(word));
    if let Some(places) = KeyPlaces::choose(keys) {
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        for (index, &word) in words.iter().enumerate().skip(1) {
            let is_moved = places.iter().any(|place| place == index);
            if is_moved { &mut keys } else { &mut rest }.push(word);
        }
        let marked = places.prefix(words[0]);
        let (read, first) = KeyPlaces::parse(&marked).expect("the places");
        assert_eq!(read, places);
        assert_eq!(read.restore(&keys, first, &rest).expect("the words"), words);
    }
    // Arbitrary bytes are refused or read. What is read restores at most the words that it is
    // given: the first one, up to two keys, and the rest.
    if let Some((places, first)) = KeyPlaces::parse(data) {
        let restored = places.restore(&words[..words.len().min(2)], first, words);
        assert!(restored.is_none_or(|restored| restored.len() <= words.len() + 3));
    }
}

fn check(options: Options, defaults: &Defaults) {
    let wanted = options.replicas.unwrap_or(defaults.replicas);
    match options.resolve(defaults) {
        Ok(requirement) => {
            let need = requirement.need;
            assert!(need.replicas <= MAX_REPLICAS && need.fsync <= need.replicas);
            assert!(requirement.timeout_ms != Some(0));
            assert!(requirement.timeout_ms.unwrap_or(0) <= MAX_TIMEOUT_MS);
            assert!(need.fsync == 0 || defaults.fsyncs_are_known);
            match wanted {
                ReplicaCount::Count(n) => assert_eq!(need.replicas, n),
                ReplicaCount::All => assert_eq!(need.replicas, defaults.expected),
                // The replicas and the primary are more than half of the group. One fewer would not
                // be.
                ReplicaCount::Majority => {
                    let group = defaults.expected + 1;
                    assert!((need.replicas + 1) * 2 > group && need.replicas * 2 <= group);
                }
            }
            if wanted == ReplicaCount::Count(0) && options.fsync.is_none() {
                assert!(need.is_nothing());
            }
        }
        Err(RequirementError::NothingExpected(word)) => {
            assert!(defaults.expected == 0 && !matches!(word, ReplicaCount::Count(_)));
        }
        Err(RequirementError::FsyncUnknown) => assert!(!defaults.fsyncs_are_known),
        Err(RequirementError::FsyncAboveReplicas {
            fsync,
            replicas,
            configured,
        }) => {
            assert!(fsync > replicas && defaults.fsyncs_are_known);
            assert_eq!(configured, options.fsync.is_none());
        }
    }
}
