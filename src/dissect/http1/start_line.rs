//! The *start line*: by which HTTP is recognised, and what it says. Pure functions of bytes.

use memchr::memchr;

use super::super::ProbeResult;
use super::body::number;
use super::odd_line;

/// Bytes of a start line that are looked at to recognise it.
const LOOK: usize = 256;
/// Bytes of a start line with a method of which nothing is known.
const LONG: usize = 8 << 10;
/// The longest method of which nothing is known that is believed.
const METHOD: usize = 32;

/// Methods by which a request is recognised before its start line is complete: the IANA registry's
/// and those of `UPnP`, caches and Icecast.
const METHODS: [&[u8]; 48] = [
    b"ACL",
    b"BASELINE-CONTROL",
    b"BIND",
    b"CHECKIN",
    b"CHECKOUT",
    b"CONNECT",
    b"COPY",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LABEL",
    b"LINK",
    b"LOCK",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MKREDIRECTREF",
    b"MKWORKSPACE",
    b"MOVE",
    b"OPTIONS",
    b"ORDERPATCH",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PUT",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"TRACE",
    b"UNBIND",
    b"UNCHECKOUT",
    b"UNLINK",
    b"UNLOCK",
    b"UPDATE",
    b"UPDATEREDIRECTREF",
    b"VERSION-CONTROL",
    b"M-SEARCH",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"PURGE",
    b"BAN",
    b"SOURCE",
    b"CCM_POST",
    b"RPC_CONNECT",
];

/// Whether bytes begin with the start line of a request or of an answer. Empty lines in front of it
/// are allowed.
///
/// A request is certain when its line is whole and ends in `HTTP/1.x`, or when a line of more than
/// 256 bytes begins with a known method and a path. An answer is certain with its status code.
pub(crate) fn probe(bytes: &[u8]) -> ProbeResult {
    let line = bytes.get(empty_lines(bytes)..).unwrap_or_default();
    let skipped = bytes.len().saturating_sub(line.len());
    let probed = if line.is_empty() {
        ProbeResult::Unsure { need: 1 }
    } else {
        start_line(line)
    };
    let more = |need: usize| need.saturating_add(skipped);
    match probed {
        ProbeResult::Likely { need } => ProbeResult::Likely { need: more(need) },
        ProbeResult::Unsure { need } => ProbeResult::Unsure { need: more(need) },
        other => other,
    }
}

/// Bytes of empty lines in front of a message that are passed over.
const EMPTY: usize = 256;

/// Whether bytes before a hole begin a message that [`probe`] would want more of: a known method,
/// and the beginning of a target.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    let line = bytes.get(empty_lines(bytes)..).unwrap_or_default();
    matches!(probe(bytes), ProbeResult::Certain) || RequestLine::of_part(line).is_some()
}

/// How many of the first bytes are line ends.
fn empty_lines(bytes: &[u8]) -> usize {
    let window = bytes.get(..EMPTY).unwrap_or(bytes);
    let line = window
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'));
    line.unwrap_or(window.len())
}

/// Whether bytes that [`probe`] is certain of begin an answer.
pub(super) fn is_response(bytes: &[u8]) -> bool {
    match bytes.split_at_checked(4) {
        Some((b"HTTP" | b"ICY ", _)) => true,
        Some((name, _)) => name.eq_ignore_ascii_case(b"http"),
        None => false,
    }
}

fn start_line(line: &[u8]) -> ProbeResult {
    if matches!(line, [b'H' | b'I' | b'h', ..])
        && let Some(probed) = status_line(line)
    {
        return probed;
    }
    request_line(line)
}

/// What bytes are that may begin a status line; `None` when they do not.
fn status_line(line: &[u8]) -> Option<ProbeResult> {
    if is_common_status_line(line) {
        return Some(ProbeResult::Certain);
    }
    let need = line.len().saturating_add(1);
    match (shape(line, b"HTTP/1.0 000$"), shape(line, b"ICY 000$")) {
        (Some(true), _) | (_, Some(true)) => Some(ProbeResult::Certain),
        // "H" and "HTTP" may still become a method, but both verdicts say the same.
        (Some(false), _) => Some(ProbeResult::Likely { need }),
        (_, Some(false)) => Some(ProbeResult::Unsure { need }),
        (None, None) => match odd_line::is_status_line(line)? {
            true => Some(ProbeResult::Certain),
            false => Some(ProbeResult::Unsure { need }),
        },
    }
}

/// Whether `line` has the first of the shapes of [`status_line`], which nearly all have: a few
/// comparisons instead of the walk along both shapes.
fn is_common_status_line(line: &[u8]) -> bool {
    let rest = line.strip_prefix(b"HTTP/1.").unwrap_or_default();
    let [b'0'..=b'9', b' ', code @ .., end] = rest.get(..6).unwrap_or_default() else {
        return false;
    };
    code.iter().all(u8::is_ascii_digit) && matches!(end, b' ' | b'\r' | b'\n')
}

/// Whether `line` begins like `shape`, in which `0` is any digit and `$` the end of a word: yes, so
/// far, or no.
fn shape(line: &[u8], shape: &[u8]) -> Option<bool> {
    for (at, expected) in shape.iter().enumerate() {
        let Some(byte) = line.get(at) else {
            return Some(false);
        };
        let fits = match expected {
            b'0' => byte.is_ascii_digit(),
            b'$' => matches!(byte, b' ' | b'\r' | b'\n'),
            expected => byte == expected,
        };
        if !fits {
            return None;
        }
    }
    Some(true)
}

fn request_line(bytes: &[u8]) -> ProbeResult {
    let window = bytes.get(..LOOK).unwrap_or(bytes);
    let need = bytes.len().saturating_add(1);
    let token = window.iter().take_while(|byte| is_token(**byte)).count();
    let method = window.get(..token).unwrap_or_default();
    if method.len() > METHOD || !method.first().is_some_and(u8::is_ascii_alphabetic) {
        return ProbeResult::NotForUs;
    }
    let Some((b' ' | b'\t', target)) = window.get(token..).and_then(<[u8]>::split_first) else {
        let begun = token == window.len();
        return match METHODS.iter().any(|known| known.starts_with(method)) {
            true if begun => ProbeResult::Likely { need },
            false if begun => ProbeResult::Unsure { need },
            _ => ProbeResult::NotForUs,
        };
    };
    let end = memchr(b'\n', target);
    // Asked first, so that the verdict is the same however much of the line is there; and of all
    // bytes, which is faster than to stop.
    let steers = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r');
    let seen = target.get(..end.unwrap_or(target.len()));
    if seen.is_some_and(|seen| seen.iter().fold(false, |any, byte| any | steers(byte))) {
        return ProbeResult::NotForUs;
    }
    if let Some(end) = end {
        let line = window.get(..token.saturating_add(1).saturating_add(end));
        let line = line.unwrap_or_default();
        return match RequestLine::of(line) {
            Some(line) if line.is_plausible() && !odd_line::is_glued(method) => {
                ProbeResult::Certain
            }
            Some(_) if METHODS.contains(&method) => ProbeResult::Certain,
            _ => ProbeResult::NotForUs,
        };
    }
    let known = METHODS.contains(&method);
    match (known, bytes.len() < LOOK) {
        (true, true) => ProbeResult::Likely { need },
        (false, true) => ProbeResult::Unsure { need },
        (true, false) if target.starts_with(b"/") || target.starts_with(b"http") => {
            ProbeResult::Certain
        }
        (false, false) if target.starts_with(b"/") => long_line(bytes, method),
        (_, false) => ProbeResult::NotForUs,
    }
}

/// A line of more than [`LOOK`] bytes that begins with a method which is not known: its end
/// decides.
#[cold]
fn long_line(bytes: &[u8], method: &[u8]) -> ProbeResult {
    let is_written = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    if !method.iter().all(is_written) {
        return ProbeResult::NotForUs;
    }
    let window = bytes.get(..LONG).unwrap_or(bytes);
    match memchr(b'\n', window).and_then(|end| window.get(..end)) {
        Some(line) if RequestLine::of(line).is_some_and(|line| line.is_plausible()) => {
            ProbeResult::Certain
        }
        None if window.len() < LONG => ProbeResult::Unsure {
            need: bytes.len().saturating_add(1),
        },
        _ => ProbeResult::NotForUs,
    }
}

/// Where the first space is: behind a word, which is short.
fn space(line: &[u8]) -> Option<usize> {
    line.iter().position(|byte| *byte == b' ')
}

/// Whether each byte may be in a token (RFC 9110 section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut at = 0;
    while at < token.len() {
        token[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    let mut marks: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [mark, rest @ ..] = marks {
        token[*mark as usize] = true;
        marks = rest;
    }
    token
};

fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The start line of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StartLine<'h> {
    /// Of a request.
    Request(RequestLine<'h>),
    /// Of an answer.
    Answer(StatusLine<'h>),
}

impl<'h> StartLine<'h> {
    /// Reads a line, of an answer or of a request.
    pub(super) fn of(line: &'h [u8], response: bool) -> Option<Self> {
        match response {
            true => StatusLine::of(line).map(Self::Answer),
            false => RequestLine::of(line).map(Self::Request),
        }
    }
}

/// The start line of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RequestLine<'h> {
    /// The method, in the case it was sent.
    pub(super) method: &'h [u8],
    /// The target, as sent.
    pub(super) target: &'h [u8],
    /// What is behind `HTTP/`.
    pub(super) version: &'h [u8],
    /// The digit behind `HTTP/1.`; 1 when it is no such version.
    pub(super) minor: u8,
    /// A rule that the line breaks.
    pub(super) odd: Option<&'static str>,
}

impl<'h> RequestLine<'h> {
    /// Of a line that keeps the rules, of which all is known.
    pub(super) const fn of_parts(method: &'h [u8], target: &'h [u8], minor: u8) -> Self {
        Self {
            method,
            target,
            version: if minor == 0 { b"1.0" } else { b"1.1" },
            minor,
            odd: None,
        }
    }

    /// Reads a line (without its line feed) that may have more spaces than it should.
    pub(super) fn of(line: &'h [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let (rest, version) = line.split_at_checked(line.len().checked_sub(9)?)?;
        let [
            b' ',
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            minor @ b'0'..=b'9',
        ] = version
        else {
            return odd_line::request_line(line);
        };
        let Some((method, target)) = space(rest).and_then(|at| rest.split_at_checked(at)) else {
            return odd_line::request_line(line);
        };
        let target = target.trim_ascii();
        let whole = !method.is_empty() && !target.is_empty();
        whole.then_some(Self {
            method,
            target,
            version: version.get(6..)?,
            minor: minor.saturating_sub(b'0'),
            odd: None,
        })
    }

    /// Reads what is there of a line that was cut. Its version is empty if it was cut in its
    /// target, of which the beginning is there then.
    pub(super) fn of_part(line: &'h [u8]) -> Option<Self> {
        let (method, rest) = line.split_at_checked(space(line)?)?;
        let rest = rest.trim_ascii_start();
        let begins = rest.starts_with(b"/") || rest.starts_with(b"http");
        if !begins || !METHODS.contains(&method) || rest.contains(&b'\n') {
            return None;
        }
        let end = rest.iter().rposition(|byte| *byte == b' ');
        let (target, last) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let name = last.trim_ascii();
        let name = name.get(..b"HTTP/".len()).unwrap_or(name);
        let is_version = end.is_some() && b"HTTP/".starts_with(name);
        let (target, version): (_, &[u8]) = match is_version {
            true => (target.trim_ascii_end(), b"1"),
            false => (rest, b""),
        };
        Some(Self {
            method,
            target,
            version,
            minor: 1,
            odd: None,
        })
    }

    /// Whether it is a request line although its method is not known.
    fn is_plausible(&self) -> bool {
        let begins = matches!(self.target.first(), Some(b'/' | b'*'))
            || self.target.windows(3).any(|part| part == b"://");
        begins && !self.target.contains(&b' ') && self.odd.is_none()
    }
}

/// The start line of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StatusLine<'h> {
    /// The status code; 0 when there is none.
    pub(super) status: u16,
    /// Code and reason, as sent.
    pub(super) words: &'h [u8],
    /// What is behind `HTTP/`; `None` for `ICY`, and where there is nothing.
    pub(super) version: Option<&'h [u8]>,
    /// The digit behind `HTTP/1.`; 1 when it is no such version.
    pub(super) minor: u8,
    /// A rule that the line breaks.
    pub(super) odd: Option<&'static str>,
}

impl<'h> StatusLine<'h> {
    /// Of a line that keeps the rules, of which status and version are known.
    pub(super) fn of_parts(line: &'h [u8], status: u16, minor: u8) -> Option<Self> {
        Some(Self {
            status,
            words: line.get(b"HTTP/1.1 ".len()..)?.trim_ascii_end(),
            version: Some(if minor == 0 { b"1.0" } else { b"1.1" }),
            minor,
            odd: None,
        })
    }

    /// Reads a line (without its line feed).
    pub(super) fn of(line: &'h [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let (words, version, odd) = match line {
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'1',
                b'.',
                b'0'..=b'9',
                b' ',
                words @ ..,
            ] => (words, line.get(5..8), None),
            [b'I', b'C', b'Y', b' ', words @ ..] => (words, None, Some("ICY in place of HTTP")),
            _ => return odd_line::status_line(line),
        };
        let (b' ', status) = (words.get(3).unwrap_or(&b' '), words.get(..3)?) else {
            return odd_line::status_line(line);
        };
        let Some(status) = number(status, 10) else {
            return odd_line::status_line(line);
        };
        let minor = version.and_then(|version| version.get(2));
        // To some a CR ends the line.
        let end = memchr(b'\r', words).unwrap_or(words.len());
        let words = words.get(..end)?.trim_ascii_end();
        Some(Self {
            status: u16::try_from(status).ok()?,
            words,
            version,
            minor: minor.map_or(1, |minor| minor.saturating_sub(b'0')),
            odd,
        })
    }
}
