//! The normal layout: rows of the terminal's width. Runs of bytes that take one column each are
//! copied at once, all others character by character.

use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::render::Escape;

use super::in_ngrep_color;

/// Appends `bytes` as rows of `width` columns after two blanks, padding the last one. Matches are
/// coloured.
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
        let (highlighted, end) = match matches {
            [found, ..] if found.start <= at => (true, found.end),
            [found, ..] => (false, found.start),
            [] => (false, bytes.len()),
        };
        let narrow = escape.narrow(&bytes[at..end]);
        if narrow > 0 {
            marks = 0;
            rows.narrow(&bytes[at..at + narrow], highlighted, escape);
            at += narrow;
            continue;
        }
        // A match may start or end inside a character, which takes the colour of its first byte.
        let len = match matches {
            [] => non_ascii_run(&bytes[at..]),
            _ if escape.utf8 => character(&bytes[at..]),
            _ => 1,
        };
        odd.clear();
        escape.write_on(&bytes[at..at + len], &mut marks, &mut odd);
        for chunk in odd.utf8_chunks() {
            chunk.valid().chars().for_each(|c| rows.put(c, highlighted));
        }
        at += len;
    }
    rows.close();
}

/// Rows being filled.
struct Rows<'a> {
    width: usize,
    /// Columns used in the current row.
    columns: usize,
    /// The current row has been started.
    open: bool,
    text: &'a mut Vec<u8>,
}

impl Rows<'_> {
    /// Appends bytes that are [narrow](Escape::narrow).
    fn narrow(&mut self, bytes: &[u8], highlighted: bool, escape: Escape) {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.begin();
            let free = self.width - self.columns;
            let (row, after) = rest.split_at(rest.len().min(free));
            match highlighted {
                // ngrep colours each character separately.
                true => row.iter().for_each(|byte| {
                    in_ngrep_color(self.text, |text| escape.write_narrow(&[*byte], text));
                }),
                false => escape.write_narrow(row, self.text),
            }
            self.take(row.len());
            rest = after;
        }
    }

    /// Appends an escaped character.
    fn put(&mut self, c: char, highlighted: bool) {
        // Most are dots, so avoid the table of widths.
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
        match highlighted {
            true => in_ngrep_color(text, |text| text.extend_from_slice(cell)),
            false => text.extend_from_slice(cell),
        }
        self.take(wide);
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.open, true) {
            self.text.extend_from_slice(b"  ");
        }
    }

    /// Counts used columns. Closes a full row, so that at least one column is always free.
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

/// Number of bytes before the next ASCII byte; 1 if the first is ASCII.
fn non_ascii_run(bytes: &[u8]) -> usize {
    let len = bytes.iter().position(u8::is_ascii);
    len.unwrap_or(bytes.len()).max(1)
}

/// Length of the character at the start of `bytes`; 1 if there is none.
fn character(bytes: &[u8]) -> usize {
    // Four bytes hold any character; a longer slice would be validated to its end for each
    // character.
    let first = bytes[..bytes.len().min(4)]
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    first.map_or(1, char::len_utf8)
}
