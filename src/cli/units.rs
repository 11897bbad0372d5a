//! Parses numbers as users type them: `4k`, `1M`, `500ms`, `5xx,404`.
//!
//! Rejects values out of range instead of clamping them.

use std::ops::RangeInclusive;

use crate::capture::writer::Full;
use crate::frame::Timestamp;

use super::args::Statuses;

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

/// Parses a time: RFC 3339 with its zone, the same without a zone in local time (a date alone is
/// its midnight), or seconds since 1970 with at most nine decimal places.
///
/// # Errors
/// Not a time of this form; as a text for the user.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "\"{text}\" is no time; write 2026-11-24T11:40:00Z, 2026-11-24 11:40 or 1795520400.5"
        )
    };
    if let Some(nanos) = epoch(text) {
        return Ok(Timestamp::from_nanos(nanos));
    }
    let time = if let Ok(time) = text.parse::<jiff::Timestamp>() {
        time
    } else {
        let local: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
        let zoned = local.to_zoned_datetime(jiff::tz::TimeZone::system());
        zoned.map_err(|_| wrong())?.timestamp()
    };
    let nanos = i64::try_from(time.as_nanosecond()).map_err(|_| wrong())?;
    Ok(Timestamp::from_nanos(nanos))
}

/// Parses seconds since 1970 into nanoseconds.
fn epoch(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // A year alone is no time.
    if whole.len() < 5 || !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i64 = format!("{part:0<9}").parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Parses when a file is full: a duration, whose unit is in lower case (`10m`), or else a size.
///
/// # Errors
/// Neither, or nothing at all; as a text for the user.
pub fn full(text: &str) -> Result<Full, String> {
    let full = match (nanos(text), bytes(text)) {
        (Ok(span), _) if span > 0 => Full::Nanos(span),
        (Err(_), Ok(size)) if size > 0 => Full::Bytes(size as u64),
        _ => {
            return Err(format!(
                "\"{text}\" is neither a size (100M) nor a duration (30s, 10m)"
            ));
        }
    };
    Ok(full)
}

/// Parses the number of files of a ring, 2 to 1000: all are open at once.
///
/// # Errors
/// Another number, or none; as a text for the user.
pub fn files(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (2..=1000).contains(number));
    number.ok_or_else(|| format!("\"{text}\" is no number of files from 2 to 1000"))
}

/// Parses a list of HTTP statuses: `404`, `5xx`, `500-503`, separated by commas.
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
    let all: Option<Vec<_>> = text.split(',').map(|item| one(item.trim())).collect();
    all.map(Statuses).ok_or_else(|| {
        format!("\"{text}\" is no list of statuses; write 404, 5xx, 500-503 or 4xx,500")
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
    fn a_moment_is_a_date_with_or_without_a_zone_or_seconds() {
        let nanos = |text: &str| moment(text).ok().map(Timestamp::nanos);
        let local = |text: &str| {
            let local: jiff::civil::DateTime = text.parse().unwrap();
            let zoned = local
                .to_zoned_datetime(jiff::tz::TimeZone::system())
                .unwrap();
            i64::try_from(zoned.timestamp().as_nanosecond()).ok()
        };
        let at = 1_795_520_400_000_000_000;
        for (text, want) in [
            ("2026-11-24T11:40:00Z", Some(at)),
            ("2026-11-24T12:40:00.000000001+01:00", Some(at + 1)),
            ("2026-11-24 11:40", local("2026-11-24T11:40:00")),
            ("2026-11-24", local("2026-11-24T00:00:00")),
            ("1795520400", Some(at)),
            ("1795520400.25", Some(at + 250_000_000)),
            ("1795520400.1234567891", None),
            ("2026", None),
            ("11:40", None),
            ("yesterday", None),
            ("9999999999999", None),
            ("", None),
        ] {
            assert_eq!(nanos(text), want, "{text}");
        }
    }

    #[test]
    fn statuses_are_numbers_classes_and_ranges() {
        let list = |text: &str| statuses(text).ok().map(|list| list.0);
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
    fn a_file_is_full_by_size_or_by_time() {
        for (text, want) in [
            ("100M", Some(Full::Bytes(100 << 20))),
            ("4k", Some(Full::Bytes(4096))),
            ("1000", Some(Full::Bytes(1000))),
            ("10m", Some(Full::Nanos(600_000_000_000))),
            ("30s", Some(Full::Nanos(30_000_000_000))),
            ("0", None),
            ("0s", None),
            ("soon", None),
        ] {
            assert_eq!(full(text).ok(), want, "{text}");
        }
        assert_eq!(files("10"), Ok(10));
        assert!(files("1").is_err() && files("1001").is_err() && files("x").is_err());
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
