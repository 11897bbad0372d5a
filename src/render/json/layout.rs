//! Maps the kept text of a message to positions in the message: the head, the start of the body,
//! excerpts and gaps. Linear in the number of pieces.
//!
//! Positions in the body count its decoded bytes, as far as they were captured. A gap has a
//! position but no length, since its decoded size is unknown.
//!
//! ```text
//! text.bytes   head ┊ body, its start ┊ around a match ┊ ...
//! the message  head ┊ body, its start ┊ ...skipped... ┊ around a match ┊ ...
//! ```

use std::ops::Range;

use crate::hit::{Hit, Piece};
use crate::stream::GapReason;

/// The kept text of a message, split into its parts.
pub(super) struct Layout<'a> {
    /// The kept part of the head.
    pub(super) head: &'a [u8],
    /// The part of the body kept from its start; in a later portion, its continuation.
    pub(super) body: &'a [u8],
    /// The parts of the body kept after that, in order.
    pub(super) excerpts: Vec<Excerpt<'a>>,
    /// The gaps, in order.
    pub(super) gaps: Vec<Gap>,
    /// Kept pieces and carried context: their range in `text.bytes`, and their position in the head
    /// or the body.
    spans: Vec<(Range<usize>, u64)>,
}

/// A part of the body.
pub(super) struct Excerpt<'a> {
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
}

/// Bytes that were not captured.
pub(super) struct Gap {
    /// Whether the gap is in the head.
    pub(super) in_head: bool,
    /// Position of the byte after the gap.
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) reason: GapReason,
}

/// Position of a match.
pub(super) struct Place<'a> {
    pub(super) in_head: bool,
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Layout<'a> {
    pub(super) fn of(hit: &Hit<'a>) -> Self {
        let text = hit.text.bytes;
        let head = hit.head.min(text.len());
        let slice = |range: Range<usize>| text.get(range).unwrap_or_default();
        let cut = is_cut(slice(0..head));
        let (mut spans, mut excerpts, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
        // Position reached in the text and in the body, and whether the whole body up to it is
        // kept.
        let carried = hit.carried;
        let shown = carried.len.min(text.len());
        let (mut done, mut at, mut whole) = (shown, hit.start, !carried.skipped);
        let mut body = head.max(shown)..head.max(shown);
        if shown > 0 {
            let split = carried.head.min(shown);
            let body_at = hit.start.saturating_sub((shown - split) as u64);
            spans.push((0..split, carried.at));
            spans.push((split..shown, body_at));
        }
        for piece in hit.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    done = range.end;
                    if range.start < head {
                        spans.push((range.start..range.end.min(head), range.start as u64));
                    }
                    let part = range.start.max(head)..range.end;
                    if part.is_empty() {
                        continue;
                    }
                    spans.push((part.clone(), at));
                    if whole {
                        body.end = part.end;
                    } else {
                        let bytes = slice(part.clone());
                        let begun = whole_characters(bytes, true);
                        let bytes = bytes.get(begun.clone()).unwrap_or_default();
                        let at = at.saturating_add(begun.start as u64);
                        excerpts.push(Excerpt { at, bytes });
                    }
                    at = at.saturating_add(part.len() as u64);
                }
                Piece::Skipped(len) => {
                    at = at.saturating_add(*len);
                    whole = false;
                }
                Piece::Missing(len, reason) => {
                    // A gap after an incomplete head hides the end of the head.
                    let in_head = done < head || cut && at == 0;
                    gaps.push(Gap {
                        in_head,
                        at: if in_head { done as u64 } else { at },
                        len: *len,
                        reason: *reason,
                    });
                }
            }
        }
        let mut body = slice(body);
        // If the body was cut at a limit, drop an incomplete character at its end. (After a portion
        // it continues.)
        let kept_end = hit.start.saturating_add(body.len() as u64);
        let cut = match hit.is_end() {
            true => kept_end < hit.body_size,
            false => !whole && !carried.skipped,
        };
        if cut {
            body = body.get(whole_characters(body, false)).unwrap_or_default();
        }
        Self {
            head: slice(0..head),
            body,
            excerpts,
            gaps,
            spans,
        }
    }

    /// Whether the end of the head is missing: it was not captured, or not kept.
    pub(super) fn head_is_cut(&self) -> bool {
        is_cut(self.head)
    }

    /// The positions of the matches of a hit. A match that begins in the head and ends in the body
    /// has a position in the head.
    pub(super) fn places(&self, hit: &Hit<'a>) -> impl Iterator<Item = Place<'a>> {
        let mut spans = self.spans.iter().peekable();
        hit.settled().iter().filter_map(move |found| {
            while spans
                .next_if(|(range, _)| range.end <= found.start)
                .is_some()
            {}
            let (range, at) = spans.peek()?;
            let in_head = found.start < hit.head.max(hit.carried.head);
            let into = found.start.checked_sub(range.start)? as u64;
            Some(Place {
                in_head,
                at: at.saturating_add(into),
                bytes: hit.text.bytes.get(found.clone())?,
            })
        })
    }
}

/// Whether a head does not end with an empty line.
fn is_cut(head: &[u8]) -> bool {
    !head.is_empty() && !head.ends_with(b"\n\n") && !head.ends_with(b"\n\r\n")
}

/// The range of `bytes`, which were cut from a text by count, without an incomplete character at
/// the end and, if `both`, at the start. The whole range if the bytes are not text anyway.
fn whole_characters(bytes: &[u8], both: bool) -> Range<usize> {
    let all = 0..bytes.len();
    let inner = bytes.iter().take(3);
    let start = match both {
        true => inner.take_while(|byte| **byte & 0xc0 == 0x80).count(),
        false => 0,
    };
    let rest = bytes.get(start..).unwrap_or_default();
    match str::from_utf8(rest) {
        Ok(_) => start..all.end,
        // The text ends inside a character.
        Err(error) if error.error_len().is_none() => start..start + error.valid_up_to(),
        Err(_) => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_by_bytes_is_text_again() {
        for (bytes, both, want) in [
            (&b"abc"[..], true, 0..3),
            ("é".as_bytes(), true, 0..2),
            (b"\xa9b\xc3", true, 1..2),
            (b"\xa9b\xc3", false, 0..3),
            (b"b\xe2\x82", false, 0..1),
            (b"b\xffc", true, 0..3),
            (b"\x80\x80\x80\x80", true, 0..4),
            (b"", true, 0..0),
        ] {
            assert_eq!(whole_characters(bytes, both), want, "{bytes:?}");
        }
    }
}
