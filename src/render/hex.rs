//! Hex dump: rows of sixteen bytes, in hexadecimal and as text. Byte for byte the format of ngrep.

use std::ops::Range;

use super::Escape;

/// Bytes in a row.
const ROW: usize = 16;
/// Column where the text starts: after two blanks, the digits, and a gap after each half of them.
const TEXT: usize = 2 + 3 * ROW + 2 * GAP.len();
/// Gap after the eighth byte and after the last.
const GAP: &[u8] = b"   ";

/// Two digits and a blank for each byte.
const DIGITS: [[u8; 3]; 256] = {
    let digit = b"0123456789abcdef";
    let mut all = [[b' '; 3]; 256];
    let mut byte = 0;
    while byte < all.len() {
        all[byte] = [digit[byte >> 4], digit[byte & 15], b' '];
        byte += 1;
    }
    all
};

/// Appends `bytes` as rows. `marked` must write the digits, and the character, of each byte inside
/// `matches` (sorted, not overlapping), with any escape sequences around them.
pub(super) fn rows(
    bytes: &[u8],
    matches: &[Range<usize>],
    escape: &Escape,
    out: &mut Vec<u8>,
    marked: &mut dyn FnMut(&[u8], &mut Vec<u8>),
) {
    for (start, row) in (0..).step_by(ROW).zip(bytes.chunks(ROW)) {
        let first = matches.partition_point(|found| found.end <= start);
        let inside = matches[first..].partition_point(|found| found.start < start + row.len());
        match &matches[first..first + inside] {
            [] => plain(row, escape, out),
            inside => {
                let is_in = |column| {
                    let mut inside = inside.iter();
                    inside.any(|found| found.contains(&(start + column)))
                };
                with_marks(row, &is_in, escape, out, marked);
            }
        }
        out.resize(out.len() + ROW - row.len(), b' ');
        out.push(b'\n');
    }
}

/// A row without a match, up to where its text ends.
fn plain(row: &[u8], escape: &Escape, out: &mut Vec<u8>) {
    let mut text = [b' '; TEXT];
    for (column, byte) in row.iter().enumerate() {
        let at = 2 + 3 * column + if column < ROW / 2 { 0 } else { GAP.len() };
        text[at..at + 3].copy_from_slice(&DIGITS[usize::from(*byte)]);
    }
    out.extend_from_slice(&text);
    escape.write_apart(row, out);
}

/// A row with matches.
fn with_marks(
    row: &[u8],
    is_in: &dyn Fn(usize) -> bool,
    escape: &Escape,
    out: &mut Vec<u8>,
    marked: &mut dyn FnMut(&[u8], &mut Vec<u8>),
) {
    let mut put = |column: usize, cell: &[u8], out: &mut Vec<u8>| match is_in(column) {
        true => marked(cell, out),
        false => out.extend_from_slice(cell),
    };
    out.extend_from_slice(b"  ");
    for column in 0..ROW {
        // ngrep includes the gap in the colour of the byte before it.
        let gap = if column == ROW / 2 - 1 { GAP } else { b"" };
        match row.get(column) {
            Some(byte) => put(column, &[&DIGITS[usize::from(*byte)], gap].concat(), out),
            None => out.extend_from_slice(&[b"   ", gap].concat()),
        }
    }
    out.extend_from_slice(GAP);
    for (column, byte) in row.iter().enumerate() {
        let mut cell = Vec::new();
        escape.write_apart(&[*byte], &mut cell);
        put(column, &cell, out);
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
        rows(bytes, &[], &escape, &mut out, &mut |_, _| {});
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  00 01 02 62 69 6e 61 72    79 ff fe 7f 1b 5b 33 31    ...binary....[31\n  \
             6d 72 65 64                                           mred            \n"
        );
    }
}
