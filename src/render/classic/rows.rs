//! The normal layout: rows of the terminal's width, filled by runs of bytes where each takes a column.

use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::render::Escape;

use super::lit;

/// Append `bytes` as rows of `width` characters behind two blanks, the last one padded. Matches are coloured.
pub(super) fn rows(
    bytes: &[u8],
    width: usize,
    escape: Escape,
    matches: &[Range<usize>],
    text: &mut Vec<u8>,
) {
    let mut rows = Rows {
        width,
        columns: 0,
        open: false,
        text,
    };
    let (mut at, mut marks, mut matches, mut odd) = (0, 0, matches, Vec::new());
    while at < bytes.len() {
        while let [found, rest @ ..] = matches
            && found.end <= at
        {
            matches = rest;
        }
        let (on, end) = match matches {
            [found, ..] if found.start <= at => (true, found.end),
            [found, ..] => (false, found.start),
            [] => (false, bytes.len()),
        };
        let narrow = escape.narrow(&bytes[at..end]);
        if narrow > 0 {
            marks = 0;
            rows.narrow(&bytes[at..at + narrow], on, escape);
            at += narrow;
            continue;
        }
        // A match may begin or end within a character, which has the colour of its first byte.
        let len = match matches {
            [] => beyond(&bytes[at..]),
            _ if escape.utf8 => character(&bytes[at..]),
            _ => 1,
        };
        odd.clear();
        escape.write_on(&bytes[at..at + len], &mut marks, &mut odd);
        for chunk in odd.utf8_chunks() {
            chunk.valid().chars().for_each(|c| rows.put(c, on));
        }
        at += len;
    }
    rows.close();
}

/// Rows that are being filled.
struct Rows<'a> {
    width: usize,
    /// Columns that are taken in the row.
    columns: usize,
    /// The row has begun.
    open: bool,
    text: &'a mut Vec<u8>,
}

impl Rows<'_> {
    /// Append bytes that are [narrow](Escape::narrow).
    fn narrow(&mut self, bytes: &[u8], on: bool, escape: Escape) {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.begin();
            let room = self.width - self.columns;
            let (row, behind) = rest.split_at(rest.len().min(room));
            match on {
                // ngrep colours each character by itself.
                true => row.iter().for_each(|byte| {
                    lit(self.text, |text| escape.write_narrow(&[*byte], text));
                }),
                false => escape.write_narrow(row, self.text),
            }
            self.take(row.len());
            rest = behind;
        }
    }

    /// Append a character that passed the escape.
    fn put(&mut self, c: char, on: bool) {
        // Most are dots.
        let wide = if c.is_ascii() {
            1
        } else {
            c.width().unwrap_or(1)
        };
        if self.columns > 0 && self.columns + wide > self.width {
            self.close();
        }
        self.begin();
        let (mut bytes, text) = ([0; 4], &mut *self.text);
        let cell = c.encode_utf8(&mut bytes).as_bytes();
        match on {
            true => lit(text, |text| text.extend_from_slice(cell)),
            false => text.extend_from_slice(cell),
        }
        self.take(wide);
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.open, true) {
            self.text.extend_from_slice(b"  ");
        }
    }

    /// So many more columns are taken. A row that is full is closed, so there is always room for one.
    fn take(&mut self, columns: usize) {
        self.columns += columns;
        if self.columns >= self.width {
            self.close();
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            let left = self.width.saturating_sub(std::mem::take(&mut self.columns));
            self.text.resize(self.text.len() + left, b' ');
            self.text.push(b'\n');
        }
    }
}

/// Bytes up to the next of ASCII; 1 where that is the first.
fn beyond(bytes: &[u8]) -> usize {
    let len = bytes.iter().position(u8::is_ascii);
    len.unwrap_or(bytes.len()).max(1)
}

/// Bytes of the character at the start of `bytes`; 1 where there is none.
fn character(bytes: &[u8]) -> usize {
    // Four bytes hold any character. More would be read through to their end, for each one of them.
    let first = bytes[..bytes.len().min(4)]
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    first.map_or(1, char::len_utf8)
}
