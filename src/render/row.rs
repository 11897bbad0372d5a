//! A line of columns: cells padded to their column's width, two blanks between them. Lines never
//! end in blanks.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{Paint, painted};

/// Blanks between two columns.
pub(super) const GAP: usize = 2;

/// A line being built. A cell wider than its column shifts the rest of the line to the right.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    color: bool,
    /// Blanks to write before the next cell.
    pending_blanks: usize,
}

impl<'a> Row<'a> {
    /// Starts a line at the end of `out`.
    pub(super) fn new(out: &'a mut Vec<u8>, color: bool) -> Self {
        Self {
            out,
            color,
            pending_blanks: 0,
        }
    }

    /// Appends a left-aligned cell.
    pub(super) fn left(&mut self, text: &str, width: usize, paint: Option<Paint>) {
        self.cell(text, paint);
        self.pending_blanks += width.saturating_sub(text.width());
    }

    /// Appends a right-aligned cell.
    pub(super) fn right(&mut self, text: &str, width: usize, paint: Option<Paint>) {
        self.pending_blanks += width.saturating_sub(text.width());
        self.cell(text, paint);
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.out.push(b'\n');
    }

    /// Defers blanks at the end of a text until another cell follows.
    fn cell(&mut self, text: &str, paint: Option<Paint>) {
        let whole = text.len();
        let text = text.trim_end_matches(' ');
        if !text.is_empty() {
            self.out.resize(self.out.len() + self.pending_blanks, b' ');
            self.pending_blanks = 0;
        }
        self.pending_blanks += whole - text.len() + GAP;
        painted(
            self.color,
            paint.filter(|_| !text.is_empty()),
            self.out,
            |out| {
                out.extend_from_slice(text.as_bytes());
            },
        );
    }
}

/// Shortens `text` to `width` columns (at least three); `...` marks the cut.
pub(super) fn cut(text: &mut String, width: usize) {
    if text.width() <= width {
        return;
    }
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used + 3 > width {
            break;
        }
        end = at + c.len_utf8();
    }
    text.truncate(end);
    text.push_str("...");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_columns_and_wide_ones_push_their_line() {
        let line = |cells: [&str; 3]| {
            let mut out = Vec::new();
            let mut row = Row::new(&mut out, false);
            row.left(cells[0], 4, None);
            row.right(cells[1], 3, None);
            row.left(cells[2], 9, None);
            row.end();
            String::from_utf8(out).unwrap()
        };
        for (cells, want) in [
            (["ab", "1", "x"], "ab      1  x\n"),
            (["abcdef", "1", "x"], "abcdef    1  x\n"),
            (["ab", "12345", "x"], "ab    12345  x\n"),
            (["你好", "1", ""], "你好    1\n"),
            (["", "1  ", ""], "      1\n"),
            (["", "1  ", "x"], "      1    x\n"),
        ] {
            assert_eq!(line(cells), want);
        }
    }

    #[test]
    fn what_is_cut_is_marked_and_fits() {
        for (text, width, want) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc..."),
            ("你好你好", 7, "你好..."),
            ("你好你好", 8, "你好你好"),
            ("你好你好a", 8, "你好..."),
            ("abcd", 3, "..."),
        ] {
            let mut text = text.to_owned();
            cut(&mut text, width);
            assert_eq!(text, want);
        }
    }
}
