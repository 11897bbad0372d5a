//! The head of a message: where it ends, and what its fields declare. Pure functions of bytes; each
//! byte is searched once for the end, however the head is cut.
//!
//! A head is parsed strictly first (`httparse`), and leniently if that fails: real servers and real
//! attackers send heads that break the rules, and the user needs to see them. Such a head is
//! reported as *odd*.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{ParserConfig, Request, Response};
use memchr::{memchr, memchr_iter};

use super::super::grpc::Encoding;
use super::super::http::decoded::{Charset, Codings, Hints, Plan, charset_of, is_event_stream};
use super::body::{Coding, Length};
use super::start_line::{RequestLine, StartLine, StatusLine};

/// A resumable search for the end of a head.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct EndSearch {
    /// Line ends before this offset are known not to end the head.
    looked: usize,
    /// Whether a line ended without CR.
    pub(super) bare: bool,
}

impl EndSearch {
    /// Returns the length of the head at the start of `bytes`, with its empty line. `None` if its
    /// end is not there yet. The cost is linear in the bytes that are new since the last call.
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

/// The fields of a head that determine the message's framing, its body and its title.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Fields<'h> {
    /// Value of the first `Host`.
    pub(super) host: Option<&'h [u8]>,
    /// Value of all `Content-Length` fields.
    pub(super) length: Length,
    /// Value of all `Transfer-Encoding` fields.
    pub(super) coding: Coding,
    /// Codings in all `Content-Encoding` fields.
    pub(super) content: Codings,
    /// Codings in all `Transfer-Encoding` fields, without `chunked`.
    pub(super) transfer: Codings,
    /// Value of the first `Content-Type`.
    pub(super) media: Option<&'h [u8]>,
    /// Value of the last `Content-Type` that differs from the first.
    pub(super) other_media: Option<&'h [u8]>,
    /// Whether there is an `Expect` field: the body is only sent if the server accepts it.
    pub(super) expects: bool,
    /// A rule that the fields break.
    pub(super) odd: Option<&'static str>,
}

/// A complete head.
#[derive(Debug)]
pub(super) struct Head<'h> {
    /// Length in bytes, with the empty line.
    pub(super) len: usize,
    /// The start line; `None` if it cannot be parsed.
    pub(super) line: Option<StartLine<'h>>,
    /// The fields.
    pub(super) fields: Fields<'h>,
}

impl<'h> Head<'h> {
    /// Fast path: parses the head at the start of `bytes` if it is complete, valid and has at most
    /// 64 fields, as most are. `is_response` selects the grammar of responses.
    pub(super) fn at_once(bytes: &'h [u8], is_response: bool) -> Option<Self> {
        strict::<64>(bytes, is_response)
    }

    /// Parses a complete `head`. A separate function, so that other callers do not need the stack
    /// space for 256 fields.
    #[cold]
    #[inline(never)]
    pub(super) fn of(head: &'h [u8], is_response: bool) -> Self {
        strict::<256>(head, is_response)
            .filter(|read| read.len == head.len())
            .unwrap_or_else(|| Self {
                len: head.len(),
                line: StartLine::of(first_line(head), is_response),
                fields: Fields::lenient(head),
            })
    }

    /// Parses a head that is cut off. `None` if its start line is cut off as well.
    pub(super) fn of_part(head: &'h [u8], is_response: bool) -> Option<Self> {
        let Some(whole) = memchr::memrchr(b'\n', head).map(|at| at.saturating_add(1)) else {
            return Self::of_part_line(head, is_response);
        };
        let lines = head.get(..whole)?;
        Some(Self {
            len: head.len(),
            line: Some(StartLine::of(first_line(lines), is_response)?),
            fields: Fields {
                // A truncated head does not show which rules it breaks.
                odd: None,
                ..Fields::lenient(lines)
            },
        })
    }
}

impl<'h> Head<'h> {
    /// Parses a start line that is cut off. A status line needs a complete code; a request line
    /// needs the method and a part of the target.
    fn of_part_line(line: &'h [u8], is_response: bool) -> Option<Self> {
        let read = match is_response {
            true => {
                let read = StatusLine::of(line)?;
                let ended = read.words.len() > 3 || line.ends_with(b" ");
                let code = read.words.get(..3).filter(|_| ended);
                StartLine::Response(StatusLine {
                    words: code.filter(|_| read.status > 0)?,
                    ..read
                })
            }
            false => StartLine::Request(RequestLine::of_part(line)?),
        };
        Some(Self {
            len: line.len(),
            line: Some(read),
            fields: Fields::default(),
        })
    }
}

/// Whether a line of a head ends without CR.
pub(super) fn has_bare_line_end(head: &[u8]) -> bool {
    let is_bare = |(before, byte): (&u8, &u8)| *byte == b'\n' && *before != b'\r';
    // Tests all bytes, which is faster than an early exit.
    let pairs = head.iter().zip(head.get(1..).unwrap_or_default());
    pairs.fold(false, |any, pair| any | is_bare(pair))
}

/// The start line of a head, with its line end.
pub(super) fn first_line(head: &[u8]) -> &[u8] {
    head.get(..line_end(head, 0)).unwrap_or_default()
}

impl<'h> Fields<'h> {
    /// Returns the rule that the fields break in a message of `HTTP/1.minor`, as a short text.
    pub(super) fn oddity(&self, minor: u8) -> Option<&'static str> {
        let coded = self.coding != Coding::None;
        if coded && self.length != Length::None {
            return Some("both Content-Length and Transfer-Encoding");
        }
        if coded && minor == 0 {
            return Some("Transfer-Encoding in HTTP/1.0");
        }
        if self.coding == Coding::Other {
            return Some("a Transfer-Encoding that does not end in chunked");
        }
        let version = (minor > 1).then_some("a version of HTTP/1 that there is not");
        self.odd.or(version)
    }

    /// Copies the fields without those that borrow from the head.
    pub(super) fn without_text(&self) -> Fields<'static> {
        Fields {
            host: None,
            media: None,
            other_media: None,
            ..*self
        }
    }

    /// Returns what must be undone to get the body's text.
    #[inline]
    pub(super) fn plan(&self) -> Plan<'h> {
        let codings = match self.content.is_none() && self.transfer.is_none() {
            true => Codings::default(),
            false => self.content.then(self.transfer),
        };
        let (labelled, charset) = self.media.map_or((false, None), charset_of);
        Plan {
            codings,
            charset,
            other_charset: self.other_media.and_then(|media| charset_of(media).1),
            media: self.media,
            labelled,
            hints: Hints::default(),
            events: self.media.is_some_and(is_event_stream),
            // In HTTP/1 it is that of a browser, which compresses no messages.
            call: self.media.and_then(|media| Encoding::of(media, None)),
        }
    }

    /// Whether framing and coding are absent or unambiguous. `odd` means that the head breaks a
    /// rule.
    pub(super) fn are_clear(&self, odd: bool) -> bool {
        !odd && self.coding != Coding::Other
            && self.content.are_known()
            && self.transfer.are_known()
    }

    /// Parses the fields of a head that breaks the rules, or of a part of a head.
    pub(super) fn lenient(head: &'h [u8]) -> Self {
        let mut fields = Self {
            odd: Some(broken_rule(head)),
            ..Self::default()
        };
        // Some receivers accept a CR alone as a line end.
        let after_cr = |text: &'h [u8]| text.iter().position(|byte| *byte == b'\r');
        let first = first_line(head).trim_ascii_end();
        fields.note_lines(after_cr(first).and_then(|at| first.get(at..)));
        for line in FieldLines::of(head) {
            let text = |range: Range<usize>| head.get(range).unwrap_or_default();
            let (name, value) = (text(line.name), text(line.value));
            let end = bare_cr(value);
            let own = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
            fields.note_odd(name, own);
            fields.note_lines(end.and_then(|at| value.get(at..)));
        }
        fields
    }

    /// Adds the fields that only receivers see for which CR ends a line.
    fn note_lines(&mut self, lines: Option<&'h [u8]>) {
        for line in lines.unwrap_or_default().split(|byte| *byte == b'\r') {
            let colon = memchr(b':', line).and_then(|colon| line.split_at_checked(colon));
            if let Some((name, value)) = colon {
                self.note_odd(name, value.get(1..).unwrap_or_default());
            }
        }
    }

    /// Adds a field whose name or value is surrounded by characters that do not belong there.
    fn note_odd(&mut self, name: &'h [u8], value: &'h [u8]) {
        let name = trim(name, |byte| !byte.is_ascii_graphic() || byte == b':');
        let value = trim(value, |byte| byte <= b' ' || byte == 0x7f);
        self.note(name, value);
    }

    /// Takes a field. Most have a length that none of those has which matter.
    #[inline]
    fn note(&mut self, name: &[u8], value: &'h [u8]) {
        if matches!(name.len(), 4 | 6 | 12 | 14 | 16 | 17) {
            self.note_by_name(name, value);
        }
    }

    fn note_by_name(&mut self, name: &[u8], value: &'h [u8]) {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is(b"host") => self.host = self.host.or(Some(value)),
            6 if is(b"expect") => self.expects = true,
            12 if is(b"content-type") => match self.media {
                None => self.media = Some(value),
                Some(media) if media == value => {}
                Some(_) => self.other_media = Some(value),
            },
            14 | 16 | 17 => self.note_framing(name, value),
            _ => {}
        }
    }

    /// Adds a field of a head whose text is not buffered. Returns the character set, which the
    /// field may declare.
    pub(super) fn note_more(
        &mut self,
        name: &[u8],
        value: &[u8],
        charset: Option<Charset>,
    ) -> Option<Charset> {
        self.note_framing(name, value);
        match name.eq_ignore_ascii_case(b"content-type") {
            true => charset.or_else(|| charset_of(value).1),
            false => charset,
        }
    }

    fn note_framing(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"content-length") {
            let again = self.length != Length::None;
            self.length = self.length.and(value);
            let why = match self.length {
                Length::Unclear if again => Some("Content-Lengths that differ"),
                Length::Unclear => Some("a Content-Length that is no number"),
                _ => again.then_some("Content-Length twice"),
            };
            self.odd = self.odd.or(why);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let again = self.coding != Coding::None;
            self.odd = self.odd.or(again.then_some("Transfer-Encoding twice"));
            self.coding = self.coding.and(value);
            self.transfer = self.transfer.and(value);
        } else if name.eq_ignore_ascii_case(b"content-encoding") {
            self.content = self.content.and(value);
        }
    }
}

/// Offset of the first CR that no line feed follows.
fn bare_cr(text: &[u8]) -> Option<usize> {
    let mut places = memchr_iter(b'\r', text);
    places.find(|at| text.get(at.saturating_add(1)) != Some(&b'\n'))
}

/// Trims such bytes from both ends of `text`.
fn trim(text: &[u8], is_outside: fn(u8) -> bool) -> &[u8] {
    let is_inside = |byte: &u8| !is_outside(*byte);
    let start = text.iter().position(is_inside).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(is_inside)
        .map_or(start, |at| at.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

/// Returns the first rule that a head breaks, as a short text. The head must have failed to parse
/// strictly.
fn broken_rule(head: &[u8]) -> &'static str {
    let mut many = 0_u32;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        many = many.saturating_add(u32::from(!line.is_empty()));
        match memchr(b':', line).and_then(|colon| line.get(..colon)) {
            _ if line.is_empty() => {}
            _ if line.starts_with(b" ") || line.starts_with(b"\t") => return "a folded header line",
            None => return "a header line without a colon",
            Some(b"") => return "a header line without a name",
            Some(name) if name.ends_with(b" ") || name.ends_with(b"\t") => {
                return "space before a header's colon";
            }
            Some(_) if bare_cr(line).is_some() => return "a CR that ends no line",
            Some(_) => {}
        }
    }
    match many {
        257.. => "more than 256 header lines",
        _ => "characters that do not belong in a head",
    }
}

/// Parses the head at the start of `bytes` strictly, with space for `N` fields. `None` if it breaks
/// a rule, has more fields, or is incomplete.
fn strict<const N: usize>(bytes: &[u8], is_response: bool) -> Option<Head<'_>> {
    // Left uninitialised, since the array is larger than most heads.
    let mut space = [const { MaybeUninit::uninit() }; N];
    let config = ParserConfig::default();
    let (mut response, mut request) = (Response::new(&mut []), Request::new(&mut []));
    let (result, found) = if is_response {
        let result = config.parse_response_with_uninit_headers(&mut response, bytes, &mut space);
        (result, &*response.headers)
    } else {
        let result = config.parse_request_with_uninit_headers(&mut request, bytes, &mut space);
        (result, &*request.headers)
    };
    let Ok(httparse::Status::Complete(len)) = result else {
        return None;
    };
    let mut fields = Fields::default();
    for header in found {
        fields.note(header.name.as_bytes(), header.value);
    }
    let line = if is_response {
        let line = first_line(bytes);
        StatusLine::of_parts(line, response.code?, response.version?).map(StartLine::Response)
    } else {
        Some(StartLine::Request(RequestLine::of_parts(
            request.method?.as_bytes(),
            request.path?.as_bytes(),
            request.version?,
        )))
    };
    debug_assert_eq!(
        line,
        StartLine::of(first_line(bytes), is_response),
        "start lines are read alike"
    );
    Some(Head { len, line, fields })
}

/// A header field: the ranges of its name and its value in the head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FieldLine {
    /// The name, without the colon and the space around it.
    pub(super) name: Range<usize>,
    /// The value, without the space around it; continuation lines (`obs-fold`) are included.
    pub(super) value: Range<usize>,
}

/// An iterator over the header fields of a head, parsed leniently. Lines without a colon are
/// skipped, and so is a truncated last line.
#[derive(Clone, Debug)]
pub(super) struct FieldLines<'h> {
    head: &'h [u8],
    at: usize,
}

impl<'h> FieldLines<'h> {
    /// The fields after the start line of a complete head.
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
            let line = self
                .head
                .get(start..end)
                .filter(|line| line.ends_with(b"\n"))?;
            if let Some(colon) = memchr(b':', line) {
                let colon = start.saturating_add(colon);
                let name = trimmed(self.head, start..colon);
                let value = trimmed(self.head, colon.saturating_add(1)..end);
                return Some(FieldLine { name, value });
            }
        }
    }
}

/// Returns the offset after the line feed of the line that starts at `from`.
pub(super) fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |at| from.saturating_add(at).saturating_add(1))
}

/// Trims white space from both ends of `range`.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let start = range
        .start
        .saturating_add(text.len().saturating_sub(text.trim_ascii_start().len()));
    start..start.saturating_add(text.trim_ascii().len())
}
