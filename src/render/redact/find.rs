//! Finds secrets in text. Each syntax has its own scan, and each scan passes over the text once.

mod cards;
mod json;

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

use super::names::{self, is_secret};

/// A secret to redact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::render) struct Secret {
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// It is a JSON number, so its placeholder needs quotes.
    pub(super) unquoted: bool,
}

/// Syntax of a text, which decides where a value ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::render) enum Syntax {
    /// A line of a head, or a URL: a parameter ends at `&` or a blank.
    Line,
    /// Any text: a parameter also ends at quotes and tags.
    Text,
    /// A form: a parameter ends at `&` only.
    Form,
}

/// Appends all secrets in `range` of `text`, in no particular order.
pub(super) fn all(text: &[u8], range: Range<usize>, syntax: Syntax, found: &mut Vec<Secret>) {
    let (from, part) = (range.start, text.get(range).unwrap_or_default());
    let first = found.len();
    header_lines(part, found);
    parameters(part, syntax, found);
    url_userinfo(part, found);
    json::members(part, found);
    cards::numbers(part, found);
    for secret in found.iter_mut().skip(first) {
        secret.range = secret.range.start + from..secret.range.end + from;
    }
}

/// Appends the secrets in the value of a header field.
pub(super) fn field(text: &[u8], name: &[u8], value: Range<usize>, found: &mut Vec<Secret>) {
    let bytes = text.get(value.clone()).unwrap_or_default();
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let mut hide = |start: usize, end: usize| {
        if start < end {
            let range = value.start + start..value.start + end;
            found.push(Secret {
                range,
                unquoted: false,
            });
        }
    };
    if is("authorization") || is("proxy-authorization") {
        let word = bytes
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(bytes.len());
        let (scheme, rest) = bytes.split_at(word);
        let blanks = rest.len() - rest.trim_ascii_start().len();
        let kept = blanks > 0 && names::is_scheme(scheme);
        hide(if kept { word + blanks } else { 0 }, bytes.len());
    } else if is("cookie") {
        let mut at = 0;
        for pair in bytes.split(|byte| *byte == b';') {
            cookie(at, pair, &mut hide);
            at += pair.len() + 1;
        }
    } else if is("set-cookie") || is("set-cookie2") {
        let pair = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
        cookie(0, pair, &mut hide);
    } else if is_secret(name) && !is_literal(bytes) {
        hide(0, bytes.len());
    }
}

/// Hides the value of `name=value`, or all of it if it has no name.
fn cookie(at: usize, pair: &[u8], hide: &mut impl FnMut(usize, usize)) {
    let blanks = pair.len() - pair.trim_ascii_start().len();
    let start = memchr(b'=', pair).map_or(blanks, |equals| equals + 1);
    hide(at + start, at + pair.trim_ascii_end().len());
}

/// Scans for lines `name: value` and for parts of a multipart form.
fn header_lines(text: &[u8], found: &mut Vec<Secret>) {
    let mut at = 0;
    // Inside the head of a form part with a secret's name.
    let mut part = false;
    // Where the content of such a part begins.
    let mut content: Option<usize> = None;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let line = line.trim_ascii_end();
        if let Some(content_start) = content {
            if line.starts_with(b"--") {
                let end = text.get(..start).unwrap_or_default();
                let end = end.strip_suffix(b"\n").unwrap_or(end);
                let end = end.strip_suffix(b"\r").unwrap_or(end).len();
                hide(content_start..end, found);
                content = None;
            }
            continue;
        }
        if part && line.is_empty() {
            (part, content) = (false, Some(at));
            continue;
        }
        let indent = line.len() - line.trim_ascii_start().len();
        let line = line.get(indent..).unwrap_or_default();
        let near = line.get(..names::MAX_NAME).unwrap_or(line);
        let Some(colon) = memchr(b':', near) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.iter().all(|byte| is_in_name(*byte)) {
            continue;
        }
        let value = value.get(1..).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-disposition") {
            part = is_secret(form_name(value));
        }
        let blanks = value.len() - value.trim_ascii_start().len();
        let from = start + indent + colon + 1 + blanks;
        let to = from + value.trim_ascii_start().len();
        field(text, name, from..to, found);
    }
    if let Some(content_start) = content {
        hide(content_start..text.len(), found);
    }
}

/// Returns the name in `form-data; name="password"`.
fn form_name(value: &[u8]) -> &[u8] {
    let Some(at) = memmem::find(value, b"name=") else {
        return b"";
    };
    let name = value.get(at + 5..).unwrap_or_default();
    match name.split_first() {
        Some((b'"', name)) => name.split(|byte| *byte == b'"').next(),
        _ => name.split(|byte| *byte == b';').next(),
    }
    .unwrap_or_default()
}

/// Scans for `name=value` in queries, forms and text.
fn parameters(text: &[u8], syntax: Syntax, found: &mut Vec<Secret>) {
    let mut done = 0;
    for equals in memchr_iter(b'=', text) {
        if equals < done {
            continue;
        }
        let before = text.get(..equals).unwrap_or_default();
        let before = before
            .get(before.len().saturating_sub(names::MAX_NAME)..)
            .unwrap_or_default();
        let len = before
            .iter()
            .rev()
            .take_while(|byte| is_in_name(**byte))
            .count();
        let name = before.get(before.len() - len..).unwrap_or_default();
        if !is_secret(name) {
            continue;
        }
        let start = equals + 1;
        let value = text.get(start..).unwrap_or_default();
        let quote = value
            .first()
            .copied()
            .filter(|byte| matches!(byte, b'"' | b'\''));
        let (open, len) = if let Some(quote) = quote.filter(|_| syntax == Syntax::Text) {
            let inside = value.get(1..).unwrap_or_default();
            let ends = |byte: &u8| *byte == quote || *byte == b'\n';
            (1, inside.iter().position(ends).unwrap_or(inside.len()))
        } else {
            let ends = |byte: &u8| match syntax {
                Syntax::Form => *byte == b'&',
                Syntax::Line => *byte == b'&' || *byte <= b' ',
                Syntax::Text => *byte <= b' ' || matches!(byte, b'&' | b'"' | b'<' | b'>'),
            };
            let len = value.iter().position(ends).unwrap_or(value.len());
            let value = value.get(..len).unwrap_or_default();
            // A semicolon before a blank ends an attribute, as in cookies.
            let semicolon = syntax != Syntax::Form && value.ends_with(b";");
            (0, len - usize::from(semicolon))
        };
        let range = start + open..start + open + len;
        done = range.end;
        if !is_literal(text.get(range.clone()).unwrap_or_default()) {
            hide(range, found);
        }
    }
}

/// Scans for `scheme://user:password@host`.
fn url_userinfo(text: &[u8], found: &mut Vec<Secret>) {
    for at in memmem::find_iter(text, b"://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let ends = |byte: &u8| {
            *byte <= b' ' || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\\')
        };
        let len = rest.iter().position(ends);
        let authority = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        let sign = memchr::memrchr(b'@', authority);
        let colon = memchr(
            b':',
            authority
                .get(..sign.unwrap_or(authority.len()))
                .unwrap_or_default(),
        );
        let range = match (sign, colon) {
            (Some(sign), Some(colon)) => {
                let password = authority.get(colon + 1..sign).unwrap_or_default();
                // Services that authenticate by a key as the user need a dummy password or none.
                let user_too = matches!(password, b"" | b"x-oauth-basic" | b"x-token-auth");
                if user_too { 0..colon } else { colon + 1..sign }
            }
            (Some(sign), None) => 0..sign,
            // Either the text ends before the `@`, or this is a port.
            (None, Some(colon)) if len.is_none() => {
                let port = authority.get(colon + 1..).unwrap_or_default();
                if authority.starts_with(b"[") || port.iter().all(u8::is_ascii_digit) {
                    continue;
                }
                colon + 1..authority.len()
            }
            _ => continue,
        };
        hide(start + range.start..start + range.end, found);
    }
}

/// Literals are not secrets: `Access-Control-Allow-Credentials: true`.
fn is_literal(value: &[u8]) -> bool {
    matches!(value, b"true" | b"false" | b"null")
}

fn hide(range: Range<usize>, found: &mut Vec<Secret>) {
    if !range.is_empty() {
        found.push(Secret {
            range,
            unquoted: false,
        });
    }
}

/// Returns whether a name may contain this byte.
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'[' | b']' | b'%' | b'$' | b'~')
}
