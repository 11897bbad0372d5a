//! Parses numbers as users type them: `4k`, `1M`, `500ms`, `5xx,404`.
//!
//! Rejects values out of range instead of clamping them.

use std::ops::RangeInclusive;

use super::args::Statuses;
use crate::dissect::CALL_STATUSES;

/// Parses a size in bytes: a number with an optional `k`, `M` or `G` (powers of 1024, either case),
/// optionally followed by `B`.
///
/// # Errors
/// Not a number of this form, or too large; as a text for the user.
pub fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("\"{text}\" is no size; write a number of bytes, or 4k, 16M, 1G");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| wrong())?;
    let unit = unit.to_ascii_lowercase();
    let shift = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Parses a duration into nanoseconds: a number, with an optional fraction, and `us`, `ms`, `s` or
/// `m`.
///
/// # Errors
/// Not a duration of this form; as a text for the user.
pub fn nanos(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is no duration; write 500ms, 2s or 1m");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        _ => return Err(wrong()),
    };
    let nanos = number * scale;
    // Over 2^53 (a hundred days) a float does not represent every nanosecond.
    if nanos.is_finite() && nanos < 9e15 {
        Ok(nanos as i64)
    } else {
        Err(wrong())
    }
}

/// Parses a list of statuses, separated by commas: `404`, `5xx`, `500-503` of HTTP, or `grpc:5`,
/// `grpc:NOT_FOUND` of calls.
///
/// # Errors
/// Not a list of this form; as a text for the user.
pub fn statuses(text: &str) -> Result<Statuses, String> {
    let one = |item: &str| -> Option<RangeInclusive<u64>> {
        let number = |text: &str| -> Option<u64> {
            text.parse()
                .ok()
                .filter(|number| (100..=999).contains(number))
        };
        match item.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (number(from.trim())?, number(to.trim())?);
                (from <= to).then_some(from..=to)
            }
            None if item.len() == 3 && item.to_ascii_lowercase().ends_with("xx") => {
                let class = u64::from(char::from(item.as_bytes()[0]).to_digit(10)?);
                (class > 0).then_some(class * 100..=class * 100 + 99)
            }
            None => number(item).map(|number| number..=number),
        }
    };
    let call = |item: &str| -> Option<RangeInclusive<u64>> {
        let number = |text: &str| -> Option<u64> {
            let is = |name: &&str| name.eq_ignore_ascii_case(text);
            let named = || CALL_STATUSES.iter().position(is).map(|at| at as u64);
            text.parse::<u16>().ok().map(u64::from).or_else(named)
        };
        let text = item.strip_prefix("grpc:")?;
        match text.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(from..=to)
            }
            None => number(text).map(|number| number..=number),
        }
    };
    let items = || text.split(',').map(str::trim);
    let calls = items().any(|item| item.starts_with("grpc:"));
    if calls && items().any(|item| !item.starts_with("grpc:")) {
        return Err(format!(
            "\"{text}\" has statuses of HTTP and of gRPC; --status takes those of one of them"
        ));
    }
    let all: Option<Vec<_>> = match calls {
        true => items().map(call).collect(),
        false => items().map(one).collect(),
    };
    let statuses = all.map(|ranges| Statuses { ranges, calls });
    statuses.ok_or_else(|| {
        format!("\"{text}\" is no list of statuses; write 404, 5xx, 500-503, 4xx,500 or grpc:5")
    })
}

/// Parses two numbers separated by a comma: `1,2`.
///
/// # Errors
/// Not two numbers of this form; as a text for the user.
pub fn pair(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("\"{text}\" is not two numbers of exchanges; write --diff 1,2");
    let (one, other) = text.split_once(',').ok_or_else(wrong)?;
    Ok((
        one.parse().map_err(|_| wrong())?,
        other.parse().map_err(|_| wrong())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let table = [
            ("500ms", Some(500_000_000)),
            ("2s", Some(2_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("2m", Some(120_000_000_000)),
            ("10us", Some(10_000)),
            ("0s", Some(0)),
            ("5", None),
            ("ms", None),
            ("-1s", None),
            ("1h", None),
            ("999999999999m", None),
        ];
        for (text, want) in table {
            assert_eq!(nanos(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn statuses_of_calls_have_numbers_and_names() {
        let list = |text: &str| statuses(text).ok().map(|list| (list.ranges, list.calls));
        assert_eq!(list("grpc:5"), Some((vec![5..=5], true)));
        assert_eq!(
            list("grpc:not_found, grpc:1-3"),
            Some((vec![5..=5, 1..=3], true))
        );
        assert_eq!(list("404"), Some((vec![404..=404], false)));
        for wrong in [
            "grpc:",
            "grpc:NONE",
            "grpc:3-1",
            "grpc:5,404",
            "404,grpc:5",
            "5",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn statuses_are_numbers_classes_and_ranges() {
        let list = |text: &str| statuses(text).ok().map(|list| list.ranges);
        assert_eq!(
            list("5xx,404, 500-503"),
            Some(vec![500..=599, 404..=404, 500..=503])
        );
        for wrong in [
            "", "5x", "99", "503-500", "0xx", "abc", "1000", "404,", "éxx",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_numbers_are_a_pair() {
        assert_eq!(pair("1,23"), Ok((1, 23)));
        assert!(pair("1").is_err() && pair("1,2,3").is_err() && pair("a,b").is_err());
    }

    #[test]
    fn sizes_are_read_as_people_type_them() {
        let table = [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("4k", Some(4096)),
            ("16M", Some(16 << 20)),
            ("1GiB", Some(1 << 30)),
            ("2kb", Some(2048)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1.5M", None),
            ("99999999999999999999", None),
            ("18446744073709551615G", None),
        ];
        for (text, want) in table {
            assert_eq!(bytes(text).ok(), want, "{text}");
        }
    }
}
