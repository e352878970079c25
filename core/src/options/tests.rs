//! Options by example, and arbitrary words.

use proptest::prelude::*;

use super::*;

fn words(line: &str) -> Vec<&[u8]> {
    line.split_whitespace().map(str::as_bytes).collect()
}

#[test]
fn options_come_in_any_order_and_case() {
    let expected = Options {
        replicas: Some(ReplicaCount::Majority),
        fsync: Some(1),
        timeout_ms: Some(20),
    };
    for line in [
        "REPLICAS majority FSYNC 1 TIMEOUT 20",
        "timeout 20 replicas MAJORITY fsync 1",
    ] {
        assert_eq!(only(words(line)), Ok(expected));
        assert_eq!(leading(words(line)), Ok((expected, 6)));
    }
    assert_eq!(only(words("")), Ok(Options::default()));
}

#[test]
fn each_error_names_its_option() {
    let error = |line| only(words(line)).unwrap_err().to_string();
    assert!(error("REPLICAS").starts_with("REPLICAS needs a value: 0 to 1000, MAJORITY or ALL"));
    assert!(error("TIMEOUT x").starts_with("TIMEOUT does not take 'x', but 0 to 86400000"));
    assert!(error("FSYNC -1").starts_with("FSYNC does not take '-1'"));
    assert!(error("FSYNC 1 FSYNC 1").starts_with("FSYNC is given twice"));
    assert!(error("TIMEOUT 1 NX").starts_with("'NX' is not a requirement option"));
    assert!(error("NX").ends_with("; nothing was executed"));
}

#[test]
fn leading_options_end_at_the_first_other_word() {
    let (options, taken) = leading(words("REPLICAS 2 GET TIMEOUT")).unwrap();
    assert_eq!(options.replicas, Some(ReplicaCount::Count(2)));
    assert_eq!(taken, 2);
    assert_eq!(leading(words("GET k")).unwrap().1, 0);
}

#[test]
fn trailing_options_of_set_begin_after_the_values_that_set_compares_with() {
    for (line, start) in [
        ("", 0),
        ("NX GET", 2),
        ("TIMEOUT 5", 0),
        ("EX 5 TIMEOUT 5", 2),
        ("IFEQ TIMEOUT GET", 3),
        ("ifdne replicas replicas 1", 2),
        ("IFEQ", 1),
    ] {
        assert_eq!(trailing_start_in_set(words(line)), start, "{line}");
    }
}

#[test]
fn a_word_in_an_error_is_short_and_printable() {
    let long = vec![0u8; 100_000];
    assert_eq!(Word::new(&long).to_string().len(), Word::MAX * 4 + 3);
    assert_eq!(Word::new(b"a\r\n\xff").to_string(), "a\\r\\n\\xff");
}

proptest! {
    #[test]
    fn any_words_are_read_or_refused_in_ascii(words in prop::collection::vec(
        prop_oneof![
            Just(b"REPLICAS".to_vec()), Just(b"fsync".to_vec()), Just(b"Timeout".to_vec()),
            Just(b"1".to_vec()), Just(b"ALL".to_vec()), prop::collection::vec(any::<u8>(), 0..9),
        ], 0..9))
    {
        let slices = || words.iter().map(Vec::as_slice);
        let start = trailing_start_in_set(slices());
        prop_assert!(start <= words.len());
        if let Ok((options, taken)) = leading(slices()) {
            prop_assert!(taken <= words.len());
            prop_assert_eq!(only(slices().take(taken)), Ok(options));
        }
        if let Err(error) = only(slices()) {
            prop_assert!(error.to_string().is_ascii());
        }
    }
}

#[test]
fn replicas_is_known_by_every_byte() {
    for at in 0..8 {
        for byte in 0..=u8::MAX {
            for base in [*b"REPLICAS", *b"replicas", *b"RePlIcAs"] {
                let mut word = base;
                word[at] = byte;
                assert_eq!(is_replicas(word), word.eq_ignore_ascii_case(b"REPLICAS"));
            }
        }
    }
}
