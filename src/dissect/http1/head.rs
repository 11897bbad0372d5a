//! The *head*: where it ends, and what its fields say. Pure functions of bytes.
//!
//! It is read strictly first (`httparse`), and leniently when that fails: real servers and real attackers send heads that
//! break the rules, and they are what the user wants to see. Such a head is *odd*.

use std::ops::Range;

use httparse::EMPTY_HEADER;
use memchr::{memchr, memchr_iter};

use super::body::{Coding, Length};
use super::decoded::{Codings, Plan, charset_of};

/// A search for a head's end that goes on where it stopped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct EndSearch {
    /// The line ends before this are known not to be the end.
    looked: usize,
    /// A line ended without CR.
    pub(super) bare: bool,
}

impl EndSearch {
    /// How many bytes the head in front of `bytes` has, with its empty line; `None` if the end is not there yet.
    /// Takes time for the bytes that are new since the last call.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let from = self.looked;
        for offset in memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
            let at = from.saturating_add(offset);
            self.looked = at;
            self.bare |= !bytes
                .get(..at)
                .is_some_and(|before| before.ends_with(b"\r"));
            match bytes.get(at.saturating_add(1)..).unwrap_or_default() {
                [] | [b'\r'] => return None,
                [b'\r', b'\n', ..] => return Some(at.saturating_add(3)),
                [b'\n', ..] => {
                    self.bare = true;
                    return Some(at.saturating_add(2));
                }
                _ => {}
            }
        }
        self.looked = bytes.len();
        None
    }
}

/// What the fields of a head say about the message's framing, its body and its title.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Fields<'h> {
    /// Of `Host`.
    pub(super) host: Option<&'h [u8]>,
    /// Of all `Content-Length`.
    pub(super) length: Length,
    /// Of all `Transfer-Encoding`.
    pub(super) coding: Coding,
    /// Of all `Content-Encoding`.
    pub(super) content: Codings,
    /// Of all `Transfer-Encoding`, without `chunked`.
    pub(super) transfer: Codings,
    /// Of the first `Content-Type`.
    pub(super) media: Option<&'h [u8]>,
    /// Something in them breaks a rule.
    pub(super) odd: bool,
}

impl<'h> Fields<'h> {
    /// Reads the fields of a whole head. `answer`: it is an answer's.
    pub(super) fn of(head: &'h [u8], answer: bool) -> Self {
        strict::<64>(head, answer)
            .or_else(|| strict::<256>(head, answer))
            .unwrap_or_else(|| Self::lenient(head))
    }

    /// Whether they break a rule, in a message of `HTTP/1.minor`.
    pub(super) fn is_odd(&self, minor: u8) -> bool {
        let coded = self.coding != Coding::None;
        self.odd || minor > 1 || (coded && (minor == 0 || self.length != Length::None))
    }

    /// What is to be undone to the body.
    pub(super) fn plan(&self) -> Plan {
        Plan {
            codings: self.content.then(self.transfer),
            charset: self.media.and_then(charset_of),
        }
    }

    fn lenient(head: &'h [u8]) -> Self {
        let mut fields = Self {
            odd: true,
            ..Self::default()
        };
        for line in FieldLines::of(head) {
            let text = |range: Range<usize>| head.get(range).unwrap_or_default();
            fields.note(text(line.name), text(line.value));
        }
        fields
    }

    fn note(&mut self, name: &[u8], value: &'h [u8]) {
        if name.eq_ignore_ascii_case(b"content-length") {
            self.odd |= self.length != Length::None;
            self.length = self.length.and(value);
            self.odd |= self.length == Length::Unclear;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.odd |= self.coding != Coding::None;
            self.coding = self.coding.and(value);
            self.transfer = self.transfer.and(value);
        } else if name.eq_ignore_ascii_case(b"content-encoding") {
            self.content = self.content.and(value);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.media = self.media.or(Some(value));
        } else if name.eq_ignore_ascii_case(b"host") {
            self.host = self.host.or(Some(value));
        }
    }
}

/// Reads a head by the rules, with room for `N` fields; `None` when it breaks them or has more.
fn strict<const N: usize>(head: &[u8], answer: bool) -> Option<Fields<'_>> {
    let mut room = [EMPTY_HEADER; N];
    let (result, found) = if answer {
        let mut response = httparse::Response::new(&mut room);
        (response.parse(head), &*response.headers)
    } else {
        let mut request = httparse::Request::new(&mut room);
        (request.parse(head), &*request.headers)
    };
    match result {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) | Err(_) => return None,
    }
    let mut fields = Fields::default();
    for header in found {
        fields.note(header.name.as_bytes(), header.value);
    }
    Some(fields)
}

/// A header field: where its name and its value are in the head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FieldLine {
    /// The name, without the colon and without space around it.
    pub(super) name: Range<usize>,
    /// The value, without space around it; continued lines (`obs-fold`) are in it.
    pub(super) value: Range<usize>,
}

/// The header fields of a head, read leniently; lines without a colon are passed over.
#[derive(Clone, Debug)]
pub(super) struct FieldLines<'h> {
    head: &'h [u8],
    at: usize,
}

impl<'h> FieldLines<'h> {
    /// Of a whole head, behind its start line.
    pub(super) fn of(head: &'h [u8]) -> Self {
        Self {
            head,
            at: line_end(head, 0),
        }
    }
}

impl Iterator for FieldLines<'_> {
    type Item = FieldLine;

    fn next(&mut self) -> Option<FieldLine> {
        loop {
            let start = self.at;
            let mut end = line_end(self.head, start);
            while matches!(self.head.get(end), Some(b' ' | b'\t')) {
                end = line_end(self.head, end);
            }
            self.at = end;
            let line = self.head.get(start..end).filter(|line| !line.is_empty())?;
            if let Some(colon) = memchr(b':', line) {
                let colon = start.saturating_add(colon);
                let name = trimmed(self.head, start..colon);
                let value = trimmed(self.head, colon.saturating_add(1)..end);
                return Some(FieldLine { name, value });
            }
        }
    }
}

/// Where the line that begins at `from` ends, behind its line feed.
pub(super) fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |at| from.saturating_add(at).saturating_add(1))
}

/// `range` without the white space at its ends.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let start = range
        .start
        .saturating_add(text.len().saturating_sub(text.trim_ascii_start().len()));
    start..start.saturating_add(text.trim_ascii().len())
}
