//! Odd start lines: lines that break the rules in ways that devices send and receivers accept, and
//! the search for a start line after bytes that belong to no message. Pure functions of bytes with
//! bounded look-ahead, called only for lines that violate the grammar.

use memchr::memmem;

use super::super::{ProbeResult, Seek};
use super::body::number;
use super::start_line::{RequestLine, StatusLine, probe};

/// Bytes in which the next response is searched for. Every burst of an unknown protocol is searched
/// this far, so the limit bounds the cost.
const BEFORE_RESPONSE: usize = 128;
/// Bytes in which the next request is searched for.
const BEFORE_REQUEST: usize = 512;
/// Maximum length of a run of white space, and of the digits of a number.
const RUN: usize = 16;

/// Whether a byte separates the parts of a start line for some receiver (RFC 9112 sections 3 and 4
/// allow recipients to accept it).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

/// A cursor over bytes that may be truncated.
struct Cursor<'b>(&'b [u8]);

/// Why a match failed: the bytes are something else, or too few to decide.
enum Stop {
    Other,
    End,
}

impl<'b> Cursor<'b> {
    /// Consumes between `least` and `most` bytes of a kind.
    fn run(&mut self, least: usize, most: usize, kind: fn(u8) -> bool) -> Result<&'b [u8], Stop> {
        let window = self.0.get(..most).unwrap_or(self.0);
        let len = window.iter().take_while(|byte| kind(**byte)).count();
        if len == self.0.len() && len < most {
            return Err(Stop::End);
        }
        let (run, rest) = self.0.split_at_checked(len).ok_or(Stop::Other)?;
        if len < least {
            return Err(Stop::Other);
        }
        self.0 = rest;
        Ok(run)
    }

    /// Consumes this word in any case.
    fn word(&mut self, word: &[u8]) -> Result<(), Stop> {
        let len = word.len().min(self.0.len());
        let (found, rest) = self.0.split_at_checked(len).ok_or(Stop::Other)?;
        if !word
            .get(..len)
            .is_some_and(|word| found.eq_ignore_ascii_case(word))
        {
            return Err(Stop::Other);
        }
        if len < word.len() {
            return Err(Stop::End);
        }
        self.0 = rest;
        Ok(())
    }

    /// Consumes a version such as `1.1`.
    fn version(&mut self) -> Result<(), Stop> {
        self.run(1, 4, |byte| byte.is_ascii_digit())?;
        if self.run(0, 2, |byte| byte == b'.')?.len() == 1 {
            self.run(1, 4, |byte| byte.is_ascii_digit())?;
        }
        Ok(())
    }

    /// Consumes white space and a status code.
    fn status(&mut self) -> Result<(), Stop> {
        self.run(1, RUN, is_space)?;
        self.run(3, 6, |byte| byte.is_ascii_digit())?;
        self.word_ends()
    }

    /// Checks that a word ends here, at white space or a line end. Consumes nothing.
    fn word_ends(&self) -> Result<(), Stop> {
        match self.0.first() {
            None => Err(Stop::End),
            Some(byte) if is_space(*byte) || matches!(byte, b'\r' | b'\n') => Ok(()),
            Some(_) => Err(Stop::Other),
        }
    }
}

/// Converts to `Some(true)` (yes), `Some(false)` (so far), or `None` (no).
const fn outcome(result: &Result<(), Stop>) -> Option<bool> {
    match result {
        Ok(()) => Some(true),
        Err(Stop::End) => Some(false),
        Err(Stop::Other) => None,
    }
}

/// Whether bytes start with a status line that has an HTTP version and a status, in any case and
/// with any white space: yes, so far, or no.
pub(super) fn is_status_line(bytes: &[u8]) -> Option<bool> {
    let mut cursor = Cursor(bytes);
    let mut read = || {
        cursor.word(b"http/")?;
        cursor.version()?;
        cursor.status()
    };
    outcome(&read())
}

/// Whether bytes start with a line that is a status line only where a response is due: it lacks a
/// version, or a status.
fn is_due_line(bytes: &[u8]) -> Option<bool> {
    let versionless = || {
        let mut cursor = Cursor(bytes);
        cursor.word(b"http")?;
        // Any word may stand in place of a version.
        cursor.run(0, RUN, |byte| byte.is_ascii_graphic())?;
        cursor.status()
    };
    let statusless = || {
        let mut cursor = Cursor(bytes);
        cursor.word(b"http/")?;
        cursor.version()?;
        cursor.word_ends()
    };
    match outcome(&versionless()) {
        Some(true) => Some(true),
        versionless => outcome(&statusless()).or(versionless),
    }
}

/// Parses a status line (without its line feed) that breaks a rule.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine<'_>> {
    let (name, rest) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"http") {
        return None;
    }
    let ends = |byte: &u8| is_space(*byte) || *byte == b'\r';
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    let (version, rest) = rest.split_at_checked(len)?;
    let version = version.strip_prefix(b"/");
    let words = rest.get(rest.iter().take_while(|byte| ends(byte)).count()..)?;
    let digits = words
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let zeros = words.iter().take_while(|byte| **byte == b'0').count();
    // Some receivers parse a number, so that `0200` is 200. Others read three digits, so that
    // `2000` is 200.
    let from = zeros.min(digits.saturating_sub(3));
    let code = words.get(from..digits).and_then(|digits| digits.get(..3));
    let status = code.and_then(|code| number(code, 10));
    let minor = version.and_then(minor_of);
    let end = memchr::memchr(b'\r', words).unwrap_or(words.len());
    let words = words.get(..end)?.trim_ascii_end();
    let spaced = rest.first() != Some(&b' ') || rest.get(1).is_some_and(ends);
    let odd = match (version, status) {
        (None, _) => "a status line without a version",
        (_, None) => "a status line without a status",
        _ if minor.is_none() => "a version of HTTP/1 that there is not",
        _ if digits != 3 => "a status that is not of three digits",
        _ if name != b"HTTP" => "HTTP in lower case",
        _ if spaced => "a status line with other white space",
        _ => "characters that do not belong in a status line",
    };
    Some(StatusLine {
        status: u16::try_from(status.unwrap_or_default()).unwrap_or_default(),
        words,
        version,
        minor: minor.unwrap_or(1),
        odd: Some(odd),
    })
}

/// The minor version of `1.0` to `1.9`.
fn minor_of(version: &[u8]) -> Option<u8> {
    match version {
        [b'1', b'.', minor @ b'0'..=b'9'] => Some(minor.saturating_sub(b'0')),
        _ => None,
    }
}

/// Parses a request line (without its line feed) that breaks a rule.
pub(super) fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let gap = line.iter().rposition(|byte| is_space(*byte))?;
    let (rest, last) = line.split_at_checked(gap)?;
    let last = last.get(1..)?;
    let (name, version) = last.split_at_checked(5)?;
    let mut whole = Cursor(version);
    // The cursor reports `End` where the version reaches the end of the line.
    let is_version = matches!(whole.version(), Err(Stop::End)) && !version.is_empty();
    if !name.eq_ignore_ascii_case(b"http/") || !is_version || version.ends_with(b".") {
        return None;
    }
    let method = rest.iter().position(|byte| is_space(*byte))?;
    let (method, target) = rest.split_at_checked(method)?;
    let target = target.trim_ascii();
    let odd = match minor_of(version) {
        None => "a version of HTTP/1 that there is not",
        Some(_) if name != b"HTTP/" => "HTTP in lower case",
        Some(_) => "a request line with other white space",
    };
    let whole = !method.is_empty() && !target.is_empty();
    whole.then_some(RequestLine {
        method,
        target,
        version,
        minor: minor_of(version).unwrap_or(1),
        odd: Some(odd),
    })
}

/// Searches for the next response in bytes that violate the grammar, sent in the direction of
/// responses.
pub(super) fn seek_response(bytes: &[u8]) -> Seek {
    let window = bytes.get(..BEFORE_RESPONSE).unwrap_or(bytes);
    let mut unsure = bytes.len() < BEFORE_RESPONSE;
    // Search for the rarest letter of the word.
    let ends = memchr::memchr2_iter(b'P', b'p', window);
    let mut places = ends.filter_map(|end| {
        let at = end.checked_sub(3)?;
        let name = bytes.get(at..end.saturating_add(1))?;
        name.eq_ignore_ascii_case(b"http").then_some(at)
    });
    let found = places.find(|at| {
        let rest = bytes.get(*at..).unwrap_or_default();
        // Chromium skips up to four bytes before a response.
        let near = *at <= 4 || at.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\n');
        let probed = match is_status_line(rest) {
            Some(true) => Some(true),
            probed if near => is_due_line(rest).or(probed),
            probed => probed,
        };
        unsure |= probed == Some(false);
        probed == Some(true)
    });
    match found {
        Some(at) => Seek::At(at),
        None if unsure => Seek::Unsure,
        None => Seek::Nowhere,
    }
}

/// Methods by which a request is recognised after other bytes.
const COMMON: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
];

/// Searches for the next request in bytes that violate the grammar, sent in the direction of
/// requests.
pub(super) fn seek_request(bytes: &[u8]) -> Seek {
    let window = bytes.get(..BEFORE_REQUEST).unwrap_or(bytes);
    let mut unsure = bytes.len() < BEFORE_REQUEST;
    let places = COMMON.iter().filter_map(|method| {
        let at = memmem::find(window, method)?;
        let probed = probe(bytes.get(at..).unwrap_or_default());
        unsure |= matches!(
            probed,
            ProbeResult::Likely { .. } | ProbeResult::Unsure { .. }
        );
        (at > 0 && probed == ProbeResult::Certain).then_some(at)
    });
    match places.min() {
        Some(at) => Seek::At(at),
        None if unsure => Seek::Unsure,
        None => Seek::Nowhere,
    }
}

/// Whether an unknown method is a known one after left-over lower-case letters: `userGET`.
pub(super) fn is_glued(method: &[u8]) -> bool {
    method.len() > 3
        && method.iter().any(u8::is_ascii_lowercase)
        && COMMON.iter().any(|known| {
            let known = known.strip_suffix(b" ").unwrap_or(known);
            method.len() > known.len() && method.ends_with(known)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_of_devices_are_recognised() {
        let table: &[(&[u8], Option<bool>)] = &[
            (b"HTTP/1.1  200 OK\r\n", Some(true)),
            (b"HTTP/1.1\t200 OK\r\n", Some(true)),
            (b"HTTP/1.1\x0b200\x0bok\r\n", Some(true)),
            (b"http/1.1 200 OK\r\n", Some(true)),
            (b"Http/1.0 200\n", Some(true)),
            (b"HTTP/1.1 2000 OK\r\n", Some(true)),
            (b"HTTP/1.1 0200\r\n", Some(true)),
            (b"HTTP/1.10 200 OK\r\n", Some(true)),
            (b"HTTP/2.0 200 OK\r\n", Some(true)),
            (b"HTTP/2 200 OK\r\n", Some(true)),
            (b"ht", Some(false)),
            (b"HTTP/1", Some(false)),
            (b"HTTP/1.", Some(false)),
            (b"HTTP/1.1   ", Some(false)),
            (b"HTTP/1.1 2000", Some(false)),
            (b"HTTP/1.1 20x\r\n", None),
            (b"HTTP/1.1 20 OK\r\n", None),
            (b"HTTP/1.1 1234567\r\n", None),
            (b"HTTP 200 OK\r\n", None),
            (b"HTTP/ 200 OK\r\n", None),
            (b"HTTP/1..1 200 OK\r\n", None),
            (b"https://h/ 200\r\n", None),
            (b"hello", None),
        ];
        for (bytes, is) in table {
            assert_eq!(is_status_line(bytes), *is, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_status_is_what_most_read() {
        let table: &[(&[u8], u16, &[u8], &str)] = &[
            (
                b"HTTP/1.1  200 OK",
                200,
                b"200 OK",
                "a status line with other white space",
            ),
            (
                b"HTTP/1.1 2000 OK",
                200,
                b"2000 OK",
                "a status that is not of three digits",
            ),
            (
                b"HTTP/1.1 0200",
                200,
                b"0200",
                "a status that is not of three digits",
            ),
            (
                b"HTTP/1.1 000",
                0,
                b"000",
                "characters that do not belong in a status line",
            ),
            (b"http/1.1 404 No", 404, b"404 No", "HTTP in lower case"),
            (
                b"HTTP/1.10 200 OK",
                200,
                b"200 OK",
                "a version of HTTP/1 that there is not",
            ),
            (
                b"HTTP 200 OK",
                200,
                b"200 OK",
                "a status line without a version",
            ),
            (
                b"HTTP/1.1 20x OK",
                0,
                b"20x OK",
                "a status line without a status",
            ),
            (b"HTTP/1.1", 0, b"", "a status line without a status"),
            (
                b"HTTP/1.1\rA:b",
                0,
                b"A:b",
                "a status line without a status",
            ),
            (
                b"HTTP/1.1  200 OK\rA:b",
                200,
                b"200 OK",
                "a status line with other white space",
            ),
        ];
        for (line, status, words, odd) in table {
            let read = status_line(line).expect("a status line");
            assert_eq!(
                (read.status, read.words, read.odd),
                (*status, *words, Some(*odd)),
                "{}",
                line.escape_ascii()
            );
        }
        assert_eq!(status_line(b"SIP/2.0 200 OK"), None);
    }

    #[test]
    fn a_response_is_found_after_junk() {
        let table: &[(&[u8], Seek)] = &[
            (b"junkHTTP/1.1 200 OK\r\n", Seek::At(4)),
            (b"\0HTTP/1.1 200 OK\r\n", Seek::At(1)),
            (b"Not FoundHTTP/1.1 200 OK\r\n", Seek::At(9)),
            (b"SIP/2.0 200 ok\r\nHTTP/1.1 200 ok\r\n", Seek::At(16)),
            (b"HTTP 200 OK\r\n", Seek::At(0)),
            (b"HTTP/1.1\rA: b\r\nC: d\r\n", Seek::At(0)),
            (b"HTTP/1.1 20x OK\r\n", Seek::At(0)),
            (b"OK", Seek::Unsure),
            (b"a longer text than HTTP/1", Seek::Unsure),
            (b"a text that is about HTTP/1.1 and more", Seek::Unsure),
            (b"a text that is about HTTP 200 and more", Seek::Unsure),
            (&[b'x'; BEFORE_RESPONSE], Seek::Nowhere),
        ];
        for (bytes, place) in table {
            assert_eq!(seek_response(bytes), *place, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_request_is_found_after_left_over_bytes() {
        let table: &[(&[u8], Seek)] = &[
            (b"userGET /b HTTP/1.1\r\n", Seek::At(4)),
            (b"{\"q\":1}POST /b HTTP/1.1\r\n", Seek::At(7)),
            (b"GET /b HTTP/1.1\r\n", Seek::Unsure),
            (b"a GET of nothing", Seek::Unsure),
            (&[b'x'; BEFORE_REQUEST], Seek::Nowhere),
        ];
        for (bytes, place) in table {
            assert_eq!(seek_request(bytes), *place, "{}", bytes.escape_ascii());
        }
        assert!(is_glued(b"userGET") && !is_glued(b"GET") && !is_glued(b"SSTP_DUPLEX_POST"));
    }

    #[test]
    fn request_lines_with_other_space_or_version_are_read() {
        let table: &[(&[u8], Option<(&[u8], &[u8])>)] = &[
            (b"GET\t/a\tHTTP/1.1", Some((b"GET", b"/a"))),
            (b"GET /a http/1.1", Some((b"GET", b"/a"))),
            (b"GET /a HTTP/1.10", Some((b"GET", b"/a"))),
            (b"GET /a HTTP/2.0", Some((b"GET", b"/a"))),
            (b"GET /a HTTP/x", None),
            (b"GET /a HTTP/1.", None),
            (b"GET /a HTTP/", None),
            (b"GET /a", None),
            (b"GET HTTP/1.1", None),
            (b"", None),
        ];
        for (line, parts) in table {
            let read = request_line(line).map(|read| (read.method, read.target));
            assert_eq!(read, *parts, "{}", line.escape_ascii());
        }
    }
}
