//! Compares bodies: JSON by key path, other text by line, anything else by size and first different
//! byte. The number and length of the rows is bounded.

use crate::render::human;

use super::exchange::Message;
use super::lines::{self, Hunk};
use super::row::DiffRow;
use super::secrets;
use super::tree::{self, Tree};

/// Maximum number of differences shown of a body.
const MAX_HUNKS: usize = 20;
/// Maximum number of lines shown of one side of a hunk.
const MAX_LINES: usize = 10;
/// Maximum bytes shown of a line, and how many of them precede the first difference.
const MAX_LINE: usize = 240;
const CONTEXT: usize = 40;

/// Compares two bodies. Also returns whether there may be differences in parts that were not kept.
pub(super) fn rows(a: &Message, b: &Message, redact: bool) -> (Vec<DiffRow>, bool) {
    if a.body_size == 0 && b.body_size == 0 {
        return (Vec::new(), false);
    }
    let whole = a.whole && b.whole;
    let mut rows = Vec::new();
    if a.body_size == 0 || b.body_size == 0 {
        rows.push(DiffRow::differs(
            b"body",
            summary(a, redact),
            summary(b, redact),
        ));
        return (rows, false);
    }
    if a.body() == b.body() && a.body_size == b.body_size {
        let kept = human::size(a.body().len() as u64);
        rows.push(match whole {
            true => DiffRow::same(format!("(body: {kept}, the same)").into_bytes()),
            false => DiffRow::note(format!(
                "(body: the same as far as it was kept, {kept} of {}; --max-body)",
                human::size(a.body_size)
            )),
        });
        return (rows, !whole);
    }
    match (is_text(a) && is_text(b), whole) {
        (false, _) => binary(a, b, &mut rows),
        (true, false) => text(a, b, redact, &mut rows),
        (true, true) => match (Tree::of(a.body()), Tree::of(b.body())) {
            (Some(one), Some(other)) => json(&one, &other, redact, &mut rows),
            _ => text(a, b, redact, &mut rows),
        },
    }
    if !whole {
        rows.push(DiffRow::note(
            "(the bodies were compared as far as they were kept; --max-body)".into(),
        ));
    }
    (rows, false)
}

/// Returns whether a body can be compared by line.
fn is_text(message: &Message) -> bool {
    let body = message.body();
    // A truncated body may end inside a character.
    let is_utf8 = std::str::from_utf8(body).map_or_else(
        |error| !message.whole && error.error_len().is_none(),
        |_| true,
    );
    message.opaque.is_none() && is_utf8 && !body.contains(&0)
}

/// A body on one line; empty if there is no body.
fn summary(message: &Message, redact: bool) -> Vec<Vec<u8>> {
    if message.body_size == 0 {
        return Vec::new();
    }
    let lines = lines::of(message.body());
    vec![match lines.as_slice() {
        [line] if message.whole && is_text(message) && line.len() <= MAX_LINE => {
            secrets::display(redact, b"", line).into_owned()
        }
        _ => describe(message).into_bytes(),
    }]
}

/// Describes a body, for example `image/png, 18 KiB`.
fn describe(message: &Message) -> String {
    let media = message.opaque.as_deref().or(message.media.as_deref());
    let size = human::size(message.body_size);
    media.map_or(size.clone(), |media| format!("{media}, {size}"))
}

fn binary(a: &Message, b: &Message, rows: &mut Vec<DiffRow>) {
    let side = |message| vec![describe(message).into_bytes()];
    rows.push(DiffRow::differs(b"body", side(a), side(b)));
    let (one, other) = (a.body(), b.body());
    let same = first_difference(one, other);
    rows.push(DiffRow::note(if same == one.len().min(other.len()) {
        format!("(the first {} are the same)", human::size(same as u64))
    } else {
        format!("(first different byte: at {same}, counted from 0)")
    }));
}

/// Offset of the first difference; the shorter length if one is a prefix of the other.
fn first_difference(a: &[u8], b: &[u8]) -> usize {
    a.iter()
        .zip(b)
        .take_while(|(one, other)| one == other)
        .count()
}

fn json(a: &Tree<'_>, b: &Tree<'_>, redact: bool, rows: &mut Vec<DiffRow>) {
    let (changes, count) = tree::changes(a, b, MAX_HUNKS);
    if count == 0 {
        rows.push(DiffRow::same(
            b"(body: the same JSON, written differently)".to_vec(),
        ));
    }
    for change in &changes {
        let shown = |value: &Option<Vec<u8>>| {
            value
                .as_ref()
                .map(|value| secrets::display(redact, &change.name, value).into_owned())
        };
        let (one, other) = (shown(&change.a), shown(&change.b));
        let from = window_start(one.as_deref(), other.as_deref());
        let side = |value: &Option<Vec<u8>>| value.iter().map(|value| cut(value, from)).collect();
        let name = [b"body ", &change.path[..]].concat();
        rows.push(DiffRow::differs(&name, side(&one), side(&other)));
    }
    more(count, rows);
}

fn text(a: &Message, b: &Message, redact: bool, rows: &mut Vec<DiffRow>) {
    let (in_a, in_b) = (lines::of(a.body()), lines::of(b.body()));
    let hunks = lines::hunks(&in_a, &in_b);
    if hunks.is_empty() {
        rows.push(DiffRow::differs(
            b"body",
            vec![describe(a).into_bytes()],
            vec![describe(b).into_bytes()],
        ));
        rows.push(DiffRow::note("(only the ends of lines differ)".into()));
    }
    let one_line = in_a.len() <= 1 && in_b.len() <= 1;
    for hunk in hunks.iter().take(MAX_HUNKS) {
        rows.push(by_line(&in_a, &in_b, hunk, one_line, redact));
    }
    more(hunks.len(), rows);
}

fn more(count: usize, rows: &mut Vec<DiffRow>) {
    if count > MAX_HUNKS {
        rows.push(DiffRow::note(format!(
            "... {} more differences in the body",
            count - MAX_HUNKS
        )));
    }
}

/// The row of a hunk.
fn by_line(a: &[&[u8]], b: &[&[u8]], (in_a, in_b): &Hunk, one_line: bool, redact: bool) -> DiffRow {
    let of_a = a.get(in_a.clone()).unwrap_or_default();
    let of_b = b.get(in_b.clone()).unwrap_or_default();
    let from = match (of_a, of_b) {
        ([one], [other]) => window_start(Some(one), Some(other)),
        _ => 0,
    };
    let side = |lines: &[&[u8]]| {
        let shown = |line: &&[u8]| cut(&secrets::display(redact, b"", line), from);
        let mut side: Vec<Vec<u8>> = lines.iter().take(MAX_LINES).map(shown).collect();
        if lines.len() > MAX_LINES {
            side.push(format!("... {} more lines", lines.len() - MAX_LINES).into_bytes());
        }
        side
    };
    let name = match one_line {
        true => "body".to_owned(),
        false => format!("body line {}", in_a.start + 1),
    };
    DiffRow::differs(name.as_bytes(), side(of_a), side(of_b))
}

/// Offset from which to show two long lines, so that their first difference is visible.
fn window_start(a: Option<&[u8]>, b: Option<&[u8]>) -> usize {
    match (a, b) {
        (Some(a), Some(b)) if a.len().max(b.len()) > MAX_LINE => {
            first_difference(a, b).saturating_sub(CONTEXT)
        }
        _ => 0,
    }
}

/// Returns up to [`MAX_LINE`] bytes of a line from an offset on, marking what is left out.
fn cut(line: &[u8], from: usize) -> Vec<u8> {
    // Do not split a UTF-8 character.
    let inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let edge = |at: usize| {
        (at..line.len())
            .find(|at| !inside(*at))
            .unwrap_or(line.len())
    };
    let (from, to) = (edge(from), edge(from.saturating_add(MAX_LINE)));
    let mut text = Vec::new();
    if from > 0 {
        text.extend_from_slice(b"...");
    }
    text.extend_from_slice(line.get(from..to).unwrap_or_default());
    if to < line.len() {
        text.extend_from_slice(b"...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::diff::row::RowKind;

    fn message(media: &str, body: &str) -> Message {
        Message::parsed(&format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{body}"
        ))
    }

    /// The rows of two bodies, on one line.
    fn compared(a: &Message, b: &Message) -> String {
        let side = |lines: &[Vec<u8>]| match lines {
            [] => "-".to_owned(),
            lines => String::from_utf8_lossy(&lines.join(&b"/"[..])).into_owned(),
        };
        let text = |row: &DiffRow| {
            let name = String::from_utf8_lossy(&row.name).into_owned();
            match row.kind {
                RowKind::Differs => format!("{name}: {} | {}", side(&row.a), side(&row.b)),
                _ => name,
            }
        };
        let (rows, _) = rows(a, b, false);
        rows.iter().map(text).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn bodies_are_compared_as_what_they_are() {
        let html = "text/html";
        let json = "application/json";
        let table = [
            (html, "", "", ""),
            (
                html,
                "<h1>Hello!</h1>\n",
                "<h1>Bonjour !</h1>\n",
                "body: <h1>Hello!</h1> | <h1>Bonjour !</h1>",
            ),
            (html, "a\nb\nc\n", "a\nx\nc\n", "body line 2: b | x"),
            (html, "a\nb\n", "a\nb\nc\nd\n", "body line 3: - | c/d"),
            (
                html,
                "a\r\n",
                "a\n",
                "body: text/html, 3 B | text/html, 2 B; (only the ends of lines differ)",
            ),
            (html, "a\n", "a\n", "(body: 2 B, the same)"),
            (html, "hello", "", "body: hello | -"),
            (
                json,
                r#"{"user":{"id":1}}"#,
                r#"{"user":{"id":2}}"#,
                "body .user.id: 1 | 2",
            ),
            (
                json,
                r#"{"a":1,"b":2}"#,
                r#"{"b":2,"a":1}"#,
                "(body: the same JSON, written differently)",
            ),
            (json, r#"{"a":1"#, r#"{"a":2"#, r#"body: {"a":1 | {"a":2"#),
            (
                html,
                "a\0b",
                "a\0c",
                "body: text/html, 3 B | text/html, 3 B; (first different byte: at 2, counted from 0)",
            ),
            (
                html,
                "a\0b",
                "a\0bc",
                "body: text/html, 3 B | text/html, 4 B; (the first 3 B are the same)",
            ),
        ];
        for (media, a, b, want) in table {
            assert_eq!(
                compared(&message(media, a), &message(media, b)),
                want,
                "{a:?} {b:?}"
            );
        }
    }

    #[test]
    fn what_was_not_kept_is_reported() {
        let mut cut = message("text/html", "a\nb\n");
        (cut.whole, cut.body_size) = (false, 5 << 20);
        let same = message("text/html", "a\nb\n");
        assert!(compared(&cut, &same).contains("as far as they were kept"));
        let mut other = message("text/html", "a\nb\n");
        (other.whole, other.body_size) = (false, 5 << 20);
        let (rows, unsure) = rows(&cut, &other, false);
        assert!(unsure);
        assert_eq!(rows[0].kind, RowKind::Note);
    }

    #[test]
    fn what_is_shown_of_a_body_is_bounded() {
        let numbers = |from: usize| -> String {
            (0..100)
                .map(|at| format!("{}\n= {at}\n", at + from))
                .collect()
        };
        let (rows, _) = rows(
            &message("text/plain", &numbers(0)),
            &message("text/plain", &numbers(1000)),
            false,
        );
        assert_eq!(rows.len(), MAX_HUNKS + 1);
        assert_eq!(rows[MAX_HUNKS].name, b"... 80 more differences in the body");

        let long = |end: &str| format!("{}é{end}", "x".repeat(5000));
        let text = compared(
            &message("text/plain", &long("A")),
            &message("text/plain", &long("B")),
        );
        assert!(
            text.len() < 2 * MAX_LINE && text.contains("éA | ..."),
            "{text}"
        );
        let many = "line\n".repeat(100);
        assert!(
            compared(&message("text/plain", "x\n"), &message("text/plain", &many))
                .ends_with("... 90 more lines")
        );
    }
}
