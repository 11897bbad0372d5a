//! Lays out the fields of a form, one `name = value` on each line. Names and values are decoded if
//! the result is text.

use std::ops::Range;

use super::Layout;

/// Lays out a body. Always succeeds.
pub(super) fn lay_out(layout: &mut Layout<'_>, body: Range<usize>) -> bool {
    let source = layout.source.get(body.clone()).unwrap_or_default();
    let mut at = body.start;
    for field in source.split(|byte| *byte == b'&') {
        if at > body.start {
            layout.insert(b"\n");
        }
        let end = at + field.len();
        match field.iter().position(|byte| *byte == b'=') {
            Some(len) => {
                decoded(layout, at..at + len);
                layout.insert(b" = ");
                decoded(layout, at + len + 1..end);
            }
            None => decoded(layout, at..end),
        }
        at = end + 1;
    }
    true
}

/// Appends a name or a value, decoded if the result is text, otherwise as sent.
fn decoded(layout: &mut Layout<'_>, range: Range<usize>) {
    let mut units = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = layout.bytes(at..range.end);
        let unit = match rest.first() {
            Some(b'+') => (at..at + 1, Some(b" ".to_vec())),
            // Decode consecutive escapes together, because a character may need several.
            Some(b'%') => {
                let bytes: Vec<u8> = rest.chunks(3).map_while(escape).collect();
                match bytes.as_slice() {
                    [] => return layout.copy(range),
                    _ => (at..at + 3 * bytes.len(), Some(bytes)),
                }
            }
            _ => {
                let plain = |byte: &&u8| !matches!(byte, b'+' | b'%');
                (at..at + rest.iter().take_while(plain).count(), None)
            }
        };
        if !unit.1.as_deref().is_none_or(is_text) {
            return layout.copy(range);
        }
        at = unit.0.end;
        units.push(unit);
    }
    for (range, text) in units {
        match text {
            Some(text) => layout.copy_as(range, &text),
            None => layout.copy(range),
        }
    }
}

/// Returns whether decoded bytes can be shown on a line. Others, such as control characters, are
/// shown as sent.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// Decodes `%41`.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match text {
        [b'%', high, low] => u8::try_from(16 * digit(*high)? + digit(*low)?).ok(),
        _ => None,
    }
}
