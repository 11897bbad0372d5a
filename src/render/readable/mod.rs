//! Lays out bodies for reading: JSON indented, form fields and multipart parts by line. Time is
//! linear in the kept body, and the result is a small multiple of it.
//!
//! Only blanks between tokens and the binary parts of a multipart body are left out; matches stay
//! marked. Media types are those of RFC 2046, read from the header field `Content-Type`.

mod form;
mod json;
mod multipart;
pub(super) mod tokens;

use std::ops::Range;

use crate::hit::{Hit, Piece, Portion};
use crate::message::Decoding;

/// A message laid out: text with an unchanged head, and the ranges of the matches in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Readable {
    pub(super) text: Vec<u8>,
    pub(super) matches: Vec<Range<usize>>,
}

/// Lays out a message, if all of it was kept and its media type is supported.
pub(super) fn of(hit: &Hit<'_>) -> Option<Readable> {
    let kept = |piece: &Piece| matches!(piece, Piece::Kept(_));
    let is_readable = matches!(hit.body.state, Decoding::AsSent | Decoding::Decoded);
    if hit.portion != Portion::Whole || hit.opaque.is_some() || !is_readable {
        return None;
    }
    if hit.body_size == 0 || !hit.text.pieces.iter().all(kept) {
        return None;
    }
    let media = media_type(hit)?;
    let mut layout = Layout {
        source: hit.text.bytes,
        matches: hit.matches,
        next: 0,
        laid_out: Readable {
            text: Vec::with_capacity(2 * hit.text.bytes.len()),
            matches: Vec::new(),
        },
    };
    let body = hit.head..hit.text.bytes.len();
    layout.copy(0..hit.head);
    let bare = media.split(';').next().unwrap_or_default();
    let bare = bare.trim().to_ascii_lowercase();
    let done = match bare.as_str() {
        "application/x-www-form-urlencoded" => form::lay_out(&mut layout, body),
        "application/json" | "text/json" => json::lay_out(&mut layout, body),
        _ if bare.ends_with("+json") => json::lay_out(&mut layout, body),
        _ if bare.starts_with("multipart/") => {
            let boundary = parameter(&media, "boundary")?;
            multipart::lay_out(&mut layout, body, &boundary)
        }
        _ => false,
    };
    done.then_some(layout.laid_out)
}

/// Value of `Content-Type`.
fn media_type(hit: &Hit<'_>) -> Option<String> {
    let text = |range: &Range<usize>| hit.text.bytes.get(range.clone()).unwrap_or_default();
    let is_type = |name: &[u8]| name.eq_ignore_ascii_case(b"content-type");
    let found = hit.fields.iter().find(|(name, _)| is_type(text(name)));
    found.map(|(_, value)| String::from_utf8_lossy(text(value)).into_owned())
}

/// A parameter of a media type, without quotes.
fn parameter(media: &str, name: &str) -> Option<String> {
    let mut parts = media.split(';').skip(1);
    parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

/// A text being built from pieces of the source, in order, and inserted text.
struct Layout<'a> {
    source: &'a [u8],
    /// Ranges of matches in the source, sorted.
    matches: &'a [Range<usize>],
    /// Index of the first match that does not end before the current piece.
    next: usize,
    laid_out: Readable,
}

impl Layout<'_> {
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.source.get(range).unwrap_or_default()
    }

    /// Appends inserted text.
    fn insert(&mut self, text: &[u8]) {
        self.laid_out.text.extend_from_slice(text);
    }

    /// Appends a piece of the source. Pieces must come in order.
    fn copy(&mut self, range: Range<usize>) {
        let start = self.laid_out.text.len();
        let source = self.source;
        self.insert(source.get(range.clone()).unwrap_or_default());
        while let Some(found) = self.overlapping(&range) {
            let from = start + (found.start.max(range.start) - range.start);
            let to = start + (found.end.min(range.end) - range.start);
            self.mark(from..to);
            if found.end > range.end {
                return;
            }
            self.next += 1;
        }
    }

    /// Appends `text` instead of a piece of the source. It is marked if any of the piece matched.
    fn copy_as(&mut self, range: Range<usize>, text: &[u8]) {
        let start = self.laid_out.text.len();
        self.insert(text);
        if self.overlapping(&range).is_some() {
            self.mark(start..start + text.len());
        }
    }

    /// Returns the next match, if it overlaps the piece.
    fn overlapping(&mut self, range: &Range<usize>) -> Option<Range<usize>> {
        while let Some(found) = self.matches.get(self.next) {
            if found.end > range.start {
                return (found.start < range.end).then(|| found.clone());
            }
            self.next += 1;
        }
        None
    }

    fn mark(&mut self, range: Range<usize>) {
        match self.laid_out.matches.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end >= range.start => last.end = range.end.max(last.end),
            _ => self.laid_out.matches.push(range),
        }
    }
}

#[cfg(test)]
mod tests;
