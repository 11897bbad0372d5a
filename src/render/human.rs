//! Formats sizes and durations for people. Results have at most three significant digits.

/// Formats a size: `55 B`, `18 KiB`, `1.2 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{} {}", trimmed(value, digits), UNITS[unit])
}

/// Formats a duration in nanoseconds: `0.04 ms`, `1.3 ms`, `152 ms`, `2 s`, `90 s`.
#[must_use]
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let millis = nanos.unsigned_abs() as f64 / 1e6;
    if millis < 999.5 {
        let digits = if millis < 9.995 {
            2
        } else {
            usize::from(millis < 99.95)
        };
        format!("{sign}{} ms", trimmed(millis, digits))
    } else {
        let seconds = millis / 1e3;
        let digits = if seconds < 9.995 {
            2
        } else {
            usize::from(seconds < 99.95)
        };
        format!("{sign}{} s", trimmed(seconds, digits))
    }
}

/// Formats with at most `digits` decimals and without trailing zeros.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_short() {
        for (bytes, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1300, "1.3 KiB"),
            (146_432, "143 KiB"),
            (1_258_291, "1.2 MiB"),
            (5 << 30, "5 GiB"),
        ] {
            assert_eq!(size(bytes), want);
        }
        for (nanos, want) in [
            (0, "0 ms"),
            (40_000, "0.04 ms"),
            (1_300_000, "1.3 ms"),
            (152_400_000, "152 ms"),
            (999_400_000, "999 ms"),
            (2_000_754_000, "2 s"),
            (2_510_000_000, "2.51 s"),
            (90_000_000_000, "90 s"),
            (-1_300_000, "-1.3 ms"),
        ] {
            assert_eq!(duration(nanos), want);
        }
    }
}
