//! Where the kept text of a message lies in the message: what is the head, the start of the body,
//! an excerpt, a gap.
//!
//! Places in the body count its decoded bytes as far as they were captured: bytes that are missing
//! have a place, and no length, since nobody knows what they would have become.
//!
//! ```text
//! text.bytes   head ┊ body, its start ┊ around a match ┊ ...
//! the message  head ┊ body, its start ┊ ...skipped... ┊ around a match ┊ ...
//! ```

use std::ops::Range;

use crate::hit::{Hit, Piece};
use crate::stream::GapReason;

/// The kept text of a message, by its parts.
pub(super) struct Layout<'a> {
    /// What is kept of the head.
    pub(super) head: &'a [u8],
    /// What is kept of the body from its start; of a portion, what goes on there.
    pub(super) body: &'a [u8],
    /// What is kept of it further on, in order.
    pub(super) excerpts: Vec<Excerpt<'a>>,
    /// Bytes that were not captured, in order.
    pub(super) gaps: Vec<Gap>,
    /// Kept pieces, and what was carried: their range of `text.bytes`, and their place in the head
    /// or the body.
    spans: Vec<(Range<usize>, u64)>,
}

/// A piece of a body.
pub(super) struct Excerpt<'a> {
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
}

/// Bytes that were not captured.
pub(super) struct Gap {
    /// They belong to the head.
    pub(super) in_head: bool,
    /// They belong in front of this byte.
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) reason: GapReason,
}

/// Where a match is.
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
        // How far the text and the body are gone through, and whether all of the body up to here is
        // kept.
        let carried = hit.carried;
        let told = carried.len.min(text.len());
        let (mut done, mut at, mut whole) = (told, hit.start, !carried.skipped);
        let mut body = head.max(told)..head.max(told);
        if told > 0 {
            let split = carried.head.min(told);
            let behind = hit.start.saturating_sub((told - split) as u64);
            spans.push((0..split, carried.at));
            spans.push((split..told, behind));
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
                    // Behind a head that has no end it hides that.
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
        // What was cut by its bytes ends with a whole character. (Behind a portion it goes on.)
        let told = hit.start.saturating_add(body.len() as u64);
        let cut = match hit.is_end() {
            true => told < hit.body_size,
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

    /// The end of the head is not there: it was not captured, or not kept.
    pub(super) fn head_is_cut(&self) -> bool {
        is_cut(self.head)
    }

    /// Where the matches of a hit are; one that begins in the head and ends in the body has its
    /// place in the head.
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

/// The range of `bytes`, cut out of a text by their count, that is without the parts of a character
/// at its end, and with `both` at its start. All of them when they are no text all the same.
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
        // The end is there, but for a character that is not.
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
