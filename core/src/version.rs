//! A version as one number, as MODULE LIST shows it: two digits for each part. Version 1.2.3 is
//! 10203, and 0.10.0 is 1000.

/// The number of the version `major.minor.patch`. What follows these, such as `-rc.1`, does not
/// count. `None` if a part is missing, is no number, or has more
/// than two digits.
#[must_use]
pub const fn number(text: &str) -> Option<i32> {
    let mut rest = text.as_bytes();
    let mut parts = [0_i32; 3];
    let mut filled = 0;
    let mut digits = 0;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match *byte {
            b'0'..=b'9' if filled < 3 && digits < 2 => {
                parts[filled] = parts[filled] * 10 + (*byte - b'0') as i32;
                digits += 1;
            }
            b'.' if filled < 2 && digits > 0 => {
                filled += 1;
                digits = 0;
            }
            b'-' | b'+' if filled == 2 && digits > 0 => break,
            _ => return None,
        }
    }
    let [major, minor, patch] = parts;
    if filled == 2 && digits > 0 {
        Some(major * 10_000 + minor * 100 + patch)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn each_part_has_two_digits() {
        assert_eq!(number("0.1.0"), Some(100));
        assert_eq!(number("1.2.3"), Some(10_203));
        assert_eq!(number("0.10.11"), Some(1_011));
        assert_eq!(number("99.99.99"), Some(999_999));
    }

    #[test]
    fn a_later_version_has_a_greater_number() {
        let versions = ["0.1.0", "0.1.9", "0.1.10", "0.2.0", "0.10.0", "1.0.0"];
        let numbers = versions.map(number);
        let all_greater = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(all_greater, "{numbers:?}");
    }

    #[test]
    fn a_suffix_does_not_count() {
        assert_eq!(number("1.2.3-rc.1"), Some(10_203));
        assert_eq!(number("1.2.3+deb12"), Some(10_203));
    }

    #[test]
    fn what_is_no_version_has_no_number() {
        let texts = [
            "", "1", "1.2", "1.2.", "1..3", "1.2.100", "1.2.3.4", "1.2.x", "-1.2.3", "1.2.-3",
        ];
        for text in texts {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
