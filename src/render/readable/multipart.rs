//! A body of several parts: the fields of each, then its text, or in a line what it is.

use std::ops::Range;

use memchr::memmem::Finder;

use super::Layout;
use crate::render::human;

/// The longest boundary (RFC 2046, 5.1.1).
const BOUNDARY: usize = 70;

/// Lay out a body. False: the boundary is nowhere in it.
pub(super) fn lay_out(layout: &mut Layout<'_>, body: Range<usize>, boundary: &str) -> bool {
    if boundary.len() > BOUNDARY {
        return false;
    }
    let source = layout.source.get(body.clone()).unwrap_or_default();
    let delimiter = format!("--{boundary}");
    let finder = Finder::new(delimiter.as_bytes());
    // Delimiters stand at the beginning of lines.
    let begins = |at: &usize| *at == 0 || source.get(at - 1) == Some(&b'\n');
    let places = finder.find_iter(source).filter(begins);
    // What is in front of the first one is no part.
    let mut at = 0;
    let mut is_part = false;
    for place in places {
        part(layout, body.start + at..body.start + place, is_part);
        let rest = source.get(place..).unwrap_or_default();
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        layout.copy(body.start + place..body.start + place + line);
        is_part = !rest
            .get(delimiter.len()..)
            .unwrap_or_default()
            .starts_with(b"--");
        at = place + line;
        if !is_part {
            break;
        }
    }
    let found = at > 0;
    part(layout, body.start + at..body.end, is_part);
    found
}

/// A part, or what is around the parts.
fn part(layout: &mut Layout<'_>, range: Range<usize>, is_part: bool) {
    let source = layout.source.get(range.clone()).unwrap_or_default();
    let (head, content) = match is_part {
        true => halves(source),
        false => (0, source),
    };
    // The line end in front of the delimiter is the delimiter's.
    let end = [&b"\r\n"[..], b"\n"]
        .into_iter()
        .find(|end| content.ends_with(end))
        .map_or(0, <[u8]>::len);
    let start = range.start + head;
    let content = start..range.end - end;
    layout.copy(range.start..start);
    let bytes = layout.source.get(content.clone()).unwrap_or_default();
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    if is_text || layout.touched(&content).is_some() {
        return layout.copy(start..range.end);
    }
    let size = human::size(bytes.len() as u64);
    let media = media_type(source.get(..head).unwrap_or_default());
    layout.insert(b"[");
    layout.insert(media.unwrap_or(b"binary"));
    layout.insert(format!(", {size}]\n").as_bytes());
}

/// How long the fields of a part are, with the empty line behind them; and what follows.
fn halves(part: &[u8]) -> (usize, &[u8]) {
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

/// The media type that the fields tell, without parameters.
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
