//! Numbers with a unit, as people type them: `4k`, `1M`.

/// Parse a size in bytes: a number with an optional `k`, `M` or `G` (powers of 1024, either case, an optional `B` behind).
///
/// # Errors
/// In the user's words, when it is no such number or too large.
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

#[cfg(test)]
mod tests {
    use super::bytes;

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
