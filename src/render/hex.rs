//! Rows of sixteen bytes, in hexadecimal and as text, as ngrep prints them.

use super::Escape;

/// Append `bytes` as rows. `around` puts what it likes around each byte's characters: it is told the byte's place, and
/// whether these are digits; it must write what it is given.
pub(super) fn rows(
    bytes: &[u8],
    escape: &Escape,
    out: &mut Vec<u8>,
    around: &mut dyn FnMut(usize, &[u8], &mut Vec<u8>),
) {
    for (row, chunk) in bytes.chunks(16).enumerate() {
        out.extend_from_slice(b"  ");
        for column in 0..16 {
            // A gap behind the eighth byte and behind the last.
            let gap: &[u8] = if column % 8 == 7 { b"   " } else { b"" };
            if let Some(byte) = chunk.get(column) {
                let digits = format!("{byte:02x} ");
                let cell = [digits.as_bytes(), if column == 7 { gap } else { b"" }].concat();
                around(row * 16 + column, &cell, out);
                if column == 15 {
                    out.extend_from_slice(gap);
                }
            } else {
                out.extend_from_slice(b"   ");
                out.extend_from_slice(gap);
            }
        }
        for column in 0..16 {
            match chunk.get(column) {
                Some(byte) => {
                    let mut cell = Vec::new();
                    escape.write(&[*byte], &mut cell);
                    around(row * 16 + column, &cell, out);
                }
                None => out.push(b' '),
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ngreps() {
        let escape = Escape {
            utf8: false,
            tab: false,
            dot: '.',
        };
        let mut out = Vec::new();
        let bytes = b"\x00\x01\x02binary\xff\xfe\x7f\x1b[31mred";
        rows(bytes, &escape, &mut out, &mut |_, cell, out| {
            out.extend_from_slice(cell);
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  00 01 02 62 69 6e 61 72    79 ff fe 7f 1b 5b 33 31    ...binary....[31\n  \
             6d 72 65 64                                           mred            \n"
        );
    }
}
