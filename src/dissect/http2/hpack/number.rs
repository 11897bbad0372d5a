//! *Integers* (RFC 7541 section 5.1). Pure functions of bytes.

/// The largest integer that is believed: no length or index is as large as that.
const LARGEST: u32 = 1 << 28;

/// Reads an integer whose first `prefix` bits are the lowest of the first byte; what it is, and how
/// many bytes it has. `None` when it is cut, or too large.
pub(super) fn read(bytes: &[u8], prefix: u32) -> Option<(u32, usize)> {
    let (first, rest) = bytes.split_first()?;
    let full = 0xff_u32 >> 8_u32.saturating_sub(prefix);
    let mut number = u32::from(*first) & full;
    if number < full {
        return Some((number, 1));
    }
    // More bytes than these say no more than zeros.
    for (at, byte) in rest.iter().enumerate().take(5) {
        let shift = u32::try_from(at).ok()?.checked_mul(7)?;
        let part = u32::from(*byte & 0x7f);
        let added = part.checked_mul(1_u32.checked_shl(shift)?)?;
        number = number.checked_add(added)?;
        if byte & 0x80 == 0 {
            return (number <= LARGEST).then_some((number, at.saturating_add(2)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_with_any_prefix() {
        let table: &[(&[u8], u32, Option<(u32, usize)>)] = &[
            // RFC 7541 appendix C.1.
            (&[0b0000_1010], 5, Some((10, 1))),
            (&[0b1110_1010], 5, Some((10, 1))),
            (&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5, Some((1337, 3))),
            (&[42], 8, Some((42, 1))),
            (&[0x7f, 0], 7, Some((127, 2))),
            (&[0x7f, 0x80, 0], 7, Some((127, 3))),
            (
                &[0xff, 0xff, 0xff, 0xff, 0x7f],
                8,
                Some(((1 << 28) + 254, 5)),
            ),
            (&[0xff, 0x80, 0x80, 0x80, 0x80, 0x01], 8, None),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 8, None),
            (&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 8, None),
            (&[0x1f], 5, None),
            (&[0x1f, 0x80], 5, None),
            (&[], 5, None),
        ];
        for (bytes, prefix, number) in table {
            let number = number.filter(|(number, _)| *number <= LARGEST);
            assert_eq!(read(bytes, *prefix), number, "{bytes:x?}");
        }
    }
}
