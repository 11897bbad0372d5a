//! Lays out a multipart body: the header fields of each part, then its text or a one-line
//! description. Binary parts with a match are copied in full.

use std::ops::Range;

use memchr::memmem::Finder;

use super::Layout;
use crate::render::human;

/// Maximum length of a boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Lays out a body. Returns false if it does not contain the boundary.
pub(super) fn lay_out(layout: &mut Layout<'_>, body: Range<usize>, boundary: &str) -> bool {
    if boundary.len() > MAX_BOUNDARY {
        return false;
    }
    let source = layout.source.get(body.clone()).unwrap_or_default();
    let delimiter = format!("--{boundary}");
    let finder = Finder::new(delimiter.as_bytes());
    // Delimiters start a line.
    let begins = |at: &usize| *at == 0 || source.get(at - 1) == Some(&b'\n');
    let delimiters = finder.find_iter(source).filter(begins);
    // Bytes before the first delimiter are not a part.
    let mut at = 0;
    let mut is_part = false;
    for delimiter_at in delimiters {
        part(layout, body.start + at..body.start + delimiter_at, is_part);
        let rest = source.get(delimiter_at..).unwrap_or_default();
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        layout.copy(body.start + delimiter_at..body.start + delimiter_at + line);
        is_part = !rest
            .get(delimiter.len()..)
            .unwrap_or_default()
            .starts_with(b"--");
        at = delimiter_at + line;
        if !is_part {
            break;
        }
    }
    let found = at > 0;
    part(layout, body.start + at..body.end, is_part);
    found
}

/// Appends a part, or the text around the parts.
fn part(layout: &mut Layout<'_>, range: Range<usize>, is_part: bool) {
    let source = layout.source.get(range.clone()).unwrap_or_default();
    let (head, content) = match is_part {
        true => split_head(source),
        false => (0, source),
    };
    // The line end before a delimiter belongs to the delimiter.
    let end = [&b"\r\n"[..], b"\n"]
        .into_iter()
        .find(|end| content.ends_with(end))
        .map_or(0, <[u8]>::len);
    let start = range.start + head;
    let content = start..range.end - end;
    layout.copy(range.start..start);
    let bytes = layout.source.get(content.clone()).unwrap_or_default();
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    if is_text || layout.overlapping(&content).is_some() {
        return layout.copy(start..range.end);
    }
    let size = human::size(bytes.len() as u64);
    let media = media_type(source.get(..head).unwrap_or_default());
    layout.insert(b"[");
    layout.insert(media.unwrap_or(b"binary"));
    layout.insert(format!(", {size}]\n").as_bytes());
}

/// Returns the length of a part's header fields including the empty line, and the rest of the part.
fn split_head(part: &[u8]) -> (usize, &[u8]) {
    let mut at = 0;
    while let Some(rest) = part.get(at..).filter(|rest| !rest.is_empty()) {
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        at += line;
        if matches!(rest.get(..line), Some(b"\r\n" | b"\n")) {
            break;
        }
    }
    (at, part.get(at..).unwrap_or_default())
}

/// Media type in a part's header fields, without parameters.
fn media_type(head: &[u8]) -> Option<&[u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.get(1..)?.split(|byte| *byte == b';').next()?;
        name.eq_ignore_ascii_case(b"content-type")
            .then(|| value.trim_ascii())
            .filter(|value| !value.is_empty())
    })
}
