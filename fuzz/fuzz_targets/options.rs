//! Fuzzes the option parser: any bytes, split into words at line ends.
#![no_main]

use durable_core::options::{leading, only, trailing_start_in_set, OptionError, StrayOption};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let words: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let read = || words.iter().copied();

    let all = only(read());
    match leading(read()) {
        Ok((options, taken)) => {
            // The words taken are pairs and exist. Parsed alone they give the same options.
            assert!(taken % 2 == 0 && taken <= words.len());
            assert_eq!(only(read().take(taken)), Ok(options));
            assert_eq!(all.is_ok(), taken == words.len());
        }
        // An error at the front is also the error of the whole.
        Err(bad) => assert_eq!(all.clone().err(), Some(bad)),
    }
    if let Ok(options) = all {
        assert!(
            options.replicas.is_some()
                || options.fsync.is_some()
                || options.timeout_ms.is_some()
                || words.is_empty()
        );
    }
    if let Err(bad) = all {
        // An error reply: one short, printable line.
        let text = bad.to_string();
        assert!(text.len() < 600 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        assert!(text.ends_with("; nothing was executed"));
        if matches!(bad, OptionError::NoValue(_)) {
            assert!(words.len() % 2 == 1);
        }
    }

    let start = trailing_start_in_set(read());
    assert!(start <= words.len());
    // The trailing block begins with an option's name.
    if let Some(first) = words.get(start) {
        assert!(durable_core::options::Name::parse(first).is_some());
    }

    if let [.., name, value] = words[..] {
        // The last two words are a stray option if they parse as one and the command is complete
        // without them. Arity -1: at least one word; arity 3: exactly three.
        let is_option = only([name, value]).is_ok();
        for (arity, is_complete) in [(-1, words.len() >= 3), (3, words.len() == 5)] {
            let stray = StrayOption::at_end(arity, words.len(), name, value);
            assert_eq!(stray.is_some(), is_option && is_complete);
        }
    }
});
