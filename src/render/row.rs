//! A line in columns: cells of at least their column's width, two blanks between them.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{Paint, painted};

/// Blanks between two columns.
pub(super) const GAP: usize = 2;

/// A line in the making. A cell that is wider than its column pushes the rest of this line to the right.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    color: bool,
    /// Blanks that are due when another cell follows.
    due: usize,
}

impl<'a> Row<'a> {
    /// A line at the end of `out`.
    pub(super) fn new(out: &'a mut Vec<u8>, color: bool) -> Self {
        Self { out, color, due: 0 }
    }

    /// Text at the left of a column.
    pub(super) fn left(&mut self, text: &str, width: usize, paint: Option<Paint>) {
        self.cell(text, paint);
        self.due += width.saturating_sub(text.width());
    }

    /// A number at the right of a column.
    pub(super) fn right(&mut self, text: &str, width: usize, paint: Option<Paint>) {
        self.due += width.saturating_sub(text.width());
        self.cell(text, paint);
    }

    /// The line is complete; there are no blanks at its end.
    pub(super) fn end(self) {
        self.out.push(b'\n');
    }

    /// Blanks at the end of a text are only due.
    fn cell(&mut self, text: &str, paint: Option<Paint>) {
        let whole = text.len();
        let text = text.trim_end_matches(' ');
        if !text.is_empty() {
            self.out.resize(self.out.len() + self.due, b' ');
            self.due = 0;
        }
        self.due += whole - text.len() + GAP;
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

/// `text` in at most `width` columns (of three or more); what is cut is marked with `...`.
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
