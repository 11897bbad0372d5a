//! A counter of the events in an event stream (`text/event-stream`, WHATWG HTML section 9.2). It
//! works byte by byte, so that the count does not depend on how the stream is cut.

/// Counts events: each ends with an empty line and has a `data` field. A comment, which servers
/// send to keep a connection alive, is not an event.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Events {
    count: u64,
    /// Number of bytes of the current line, at most one more than the length of [`NAME`].
    column: usize,
    /// Whether all of these bytes match the field name.
    named: bool,
    /// Whether the current event has a `data` field.
    data: bool,
    /// Whether the last byte was a CR: an LF after it ends no other line.
    cr: bool,
}

/// The field that every counted event has.
const NAME: &[u8] = b"data";

impl Events {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => self.end_line(),
                _ => self.go_on(*byte),
            }
        }
    }

    /// Number of complete events.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    fn go_on(&mut self, byte: u8) {
        self.named = match NAME.get(self.column) {
            Some(expected) => (self.named || self.column == 0) && byte == *expected,
            None if self.column == NAME.len() => self.named && byte == b':',
            None => self.named,
        };
        self.column = self
            .column
            .saturating_add(1)
            .min(NAME.len().saturating_add(1));
    }

    fn end_line(&mut self) {
        if self.column == 0 {
            self.count = self
                .count
                .saturating_add(u64::from(std::mem::take(&mut self.data)));
        }
        // A line may be only the name.
        self.data |= self.named && self.column >= NAME.len();
        (self.column, self.named) = (0, false);
    }
}

/// Whether a `Content-Type` is that of an event stream. Called for every message.
#[inline]
pub(in crate::dissect) fn is_event_stream(content_type: &[u8]) -> bool {
    const MEDIA: &[u8] = b"text/event-stream";
    let media = content_type.get(..MEDIA.len());
    media.is_some_and(|media| media.eq_ignore_ascii_case(MEDIA))
        && matches!(
            content_type.get(MEDIA.len()),
            None | Some(b';' | b' ' | b'\t')
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_events_is_one_by_its_type() {
        for (value, is) in [
            (&b"text/event-stream"[..], true),
            (b"Text/Event-Stream; charset=utf-8", true),
            (b"text/event-stream ;x", true),
            (b"text/event-streams", false),
            (b"text/event-strea", false),
            (b"text/html; charset=utf-8", false),
            (b"", false),
        ] {
            assert_eq!(is_event_stream(value), is, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn events_are_counted_however_they_are_cut() {
        let table: [(&[u8], u64); 12] = [
            (b"data: a\n\ndata: b\n\n", 2),
            (b"data: a\r\n\r\ndata: b\r\n\r\n", 2),
            (b"data: a\r\rdata: b\r\r", 2),
            (b"id: 1\nevent: x\ndata: a\ndata: b\n\n", 1),
            (b": keep alive\n\n", 0),
            (b"event: x\nid: 2\n\n", 0),
            (b"data\n\n", 1),
            (b"data:\n\n", 1),
            (b"dat: a\n\n", 0),
            (b"database: a\n\n", 0),
            (b"data: a\n\n\n\n\ndata: b\n", 1),
            (b"", 0),
        ];
        for (text, count) in table {
            for size in [1, 2, 3, 7, 100] {
                let mut events = Events::default();
                for piece in text.chunks(size) {
                    events.push(piece);
                }
                assert_eq!(events.count(), count, "{}", text.escape_ascii());
            }
        }
    }
}
