//! Numbers as people read them: `1.5 MB`, `2.3 s`, `1 client`.

/// Nothing is known.
pub const UNKNOWN: &str = "-";

pub fn bytes(count: i64) -> String {
    scaled(count as f64, 1000.0, &["B", "kB", "MB", "GB", "TB"])
}

pub fn millis(count: i64) -> String {
    match count {
        i64::MIN..=9_999 => format!("{count} ms"),
        10_000..=599_999 => format!("{} s", count / 1000),
        _ => format!("{} min", count / 60_000),
    }
}

pub fn micros(count: i64) -> String {
    scaled(count as f64, 1000.0, &["µs", "ms", "s"])
}

pub fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

/// `1 client`, `2 clients`.
pub fn counted(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// One digit after the point below 10 of a larger unit, none above: `1.5 MB`, `15 MB`.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter().peekable();
    let mut large = false;
    while let Some(unit) = units.next() {
        // Not `< step`: 999.6 kB would be shown as 1000 kB.
        if value < step - 0.5 || units.peek().is_none() {
            let digits = usize::from(large && value < 9.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= step;
        large = true;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_a_unit() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(999_700), "1.0 MB");
        assert_eq!(bytes(15_000_000), "15 MB");
        assert_eq!(bytes(3_200_000_000_000_000), "3200 TB");
        assert_eq!(micros(850), "850 µs");
        assert_eq!(micros(1_234_000), "1.2 s");
        assert_eq!(millis(9_999), "9999 ms");
        assert_eq!(millis(61_000), "61 s");
        assert_eq!(millis(600_000), "10 min");
        assert_eq!(counted(1, "client"), "1 client");
        assert_eq!(counted(0, "client"), "0 clients");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(120.4), "120");
    }
}
