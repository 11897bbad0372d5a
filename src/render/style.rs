//! Colours: the sixteen of every terminal, no backgrounds, never blue. Colour only repeats what the
//! text already shows.

use std::io::Write as _;
use std::ops::Range;

use anstyle::{AnsiColor, Style};

use crate::message::HeadStyle;

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    /// A match of the pattern.
    Match,
    /// A part of a message's head.
    Part(HeadStyle),
    /// Heading of a message from client to server.
    ToServer,
    /// Heading of a message from server to client.
    ToClient,
    /// Marks and remarks.
    Dim,
    /// In a comparison: only the first has it.
    OnlyA,
    /// In a comparison: only the second has it.
    OnlyB,
    /// In a comparison: both have it, and it differs.
    Differs,
    /// A long time.
    Slow,
    /// What failed.
    Failed,
}

impl Paint {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        match self {
            Self::Match => color(AnsiColor::Red).bold(),
            Self::Part(HeadStyle::Method) => Style::new().bold(),
            Self::Part(HeadStyle::Success) => color(AnsiColor::Green).bold(),
            Self::Part(HeadStyle::Redirect) => color(AnsiColor::Cyan).bold(),
            Self::Part(HeadStyle::ClientError | HeadStyle::KeyName | HeadStyle::KeyValue)
            | Self::Slow => color(AnsiColor::Yellow).bold(),
            Self::Part(HeadStyle::ServerError) | Self::Failed => color(AnsiColor::Red).bold(),
            Self::Part(HeadStyle::Name) | Self::ToServer => color(AnsiColor::Cyan),
            Self::ToClient => color(AnsiColor::Green),
            Self::OnlyA => color(AnsiColor::Red),
            Self::OnlyB => color(AnsiColor::Green),
            Self::Differs => color(AnsiColor::Yellow),
            Self::Dim => Style::new().dimmed(),
        }
    }
}

/// Appends what `put` appends, in colour if `color` is set and there is a `paint`.
pub(super) fn painted(
    color: bool,
    paint: Option<Paint>,
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>),
) {
    match paint.filter(|_| color) {
        Some(paint) => {
            let style = paint.style();
            // Writing to a vector cannot fail.
            let _ = write!(out, "{}", style.render());
            put(out);
            let _ = write!(out, "{}", style.render_reset());
        }
        None => put(out),
    }
}

/// Splits `range` where its colour changes. A match takes precedence over a part, which continues
/// after it.
pub(super) fn segments(
    range: Range<usize>,
    matches: &[Range<usize>],
    parts: &[(Range<usize>, HeadStyle)],
    mut each: impl FnMut(Range<usize>, Option<Paint>),
) {
    let mut at = range.start;
    while at < range.end {
        let found = matches.partition_point(|found| found.end <= at);
        let part = parts.partition_point(|(part, _)| part.end <= at);
        let mut end = range.end;
        let mut paint = None;
        if let Some((part, role)) = parts.get(part) {
            if part.start <= at {
                paint = Some(Paint::Part(*role));
                end = end.min(part.end);
            } else {
                end = end.min(part.start);
            }
        }
        if let Some(found) = matches.get(found) {
            if found.start <= at {
                paint = Some(Paint::Match);
                end = range.end.min(found.end);
            } else {
                end = end.min(found.start);
            }
        }
        each(at..end, paint);
        at = end;
    }
}

/// Clips `matches` to `range`, relative to its start.
pub(super) fn within(matches: &[Range<usize>], range: &Range<usize>) -> Vec<Range<usize>> {
    let first = matches.partition_point(|found| found.end <= range.start);
    matches[first..]
        .iter()
        .take_while(|found| found.start < range.end)
        .map(|found| {
            found.start.max(range.start) - range.start..found.end.min(range.end) - range.start
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_takes_precedence_and_the_part_continues_after_it() {
        let mut got = Vec::new();
        segments(
            2..20,
            &[0..3, 6..8, 30..31],
            &[(4..12, HeadStyle::KeyValue)],
            |range, paint| got.push((range, paint)),
        );
        let value = Some(Paint::Part(HeadStyle::KeyValue));
        let found = Some(Paint::Match);
        assert_eq!(
            got,
            [
                (2..3, found),
                (3..4, None),
                (4..6, value),
                (6..8, found),
                (8..12, value),
                (12..20, None)
            ]
        );
    }
}
