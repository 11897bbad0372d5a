//! Access to the parts of a hit by name: header fields, attributes, body, request target. Missing
//! parts yield `None` or empty slices.

use std::fmt::Write as _;

use crate::hit::{Hit, Piece};
use crate::message::{Decoding, Role};

/// Value of the first header field with this name.
pub(super) fn field<'a>(hit: &Hit<'a>, name: &str) -> Option<&'a [u8]> {
    fields(hit)
        .find(|(named, _)| named.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

/// Names and values of the header fields, in order.
pub(super) fn fields<'a>(hit: &Hit<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
    let bytes = hit.text.bytes;
    hit.fields.iter().map(move |(name, value)| {
        let of = |range: &std::ops::Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        (of(name), of(value))
    })
}

/// Value of an attribute.
pub(super) fn fact<'a>(hit: &Hit<'a>, name: &str) -> Option<&'a str> {
    let fact = hit.facts.iter().find(|fact| fact.name == name);
    fact.map(|fact| fact.value.as_str())
}

/// The body, as far as it was kept.
pub(super) fn body<'a>(hit: &Hit<'a>) -> &'a [u8] {
    hit.text.bytes.get(hit.head..).unwrap_or_default()
}

/// Returns whether the whole body was kept.
pub(super) fn is_whole(hit: &Hit<'_>) -> bool {
    let kept = |piece: &Piece| matches!(piece, Piece::Kept(_));
    !hit.incomplete && hit.text.pieces.iter().all(kept)
}

/// Whether the head is complete and the body is kept as far as it was received, but it did not end.
pub(super) fn is_early(hit: &Hit<'_>) -> bool {
    let kept = |piece: &Piece| matches!(piece, Piece::Kept(_));
    let head = hit.text.bytes.get(..hit.head).unwrap_or_default();
    let whole = [&b"\n\r\n"[..], b"\n\n"]
        .iter()
        .any(|end| head.ends_with(end));
    hit.incomplete && whole && hit.text.pieces.iter().all(kept)
}

/// What is missing from a message that was captured, or faulty in it, one phrase each.
pub(super) fn defects(hit: &Hit<'_>) -> Vec<String> {
    let missing = hit.text.pieces.iter().map(|piece| match piece {
        Piece::Missing(len, _) => *len,
        Piece::Kept(_) | Piece::Skipped(_) => 0,
    });
    let missing: u64 = missing.sum();
    let mut parts: Vec<String> = Vec::new();
    parts.extend((missing > 0).then(|| format!("{missing} bytes were not captured")));
    parts.extend(hit.incomplete.then(|| "it is incomplete".to_owned()));
    let likely = hit.brief.likely;
    parts.extend(likely.then(|| "its request is likely, and not certain".to_owned()));
    parts.extend(match hit.body.state {
        Decoding::AsSent | Decoding::Decoded => None,
        Decoding::Broken => Some("it could not be decoded to its end".to_owned()),
        Decoding::Cut => Some("it swells like a bomb, and was decoded in part".to_owned()),
        Decoding::NoRoom => Some("there was no memory left to decode it".to_owned()),
        Decoding::NoStart => Some("what it refers to was not captured".to_owned()),
    });
    let is_text = hit.body.size.is_some();
    parts.extend(is_text.then(|| "it is shown as text, and not as it was sent".to_owned()));
    let reading = hit.body.reading;
    parts.extend(reading.map(|name| format!("it was read as {name}, which its head does not say")));
    parts
}

/// Method and target of a request, as they were sent.
pub(super) fn start_line<'a>(request: &Hit<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if request.kind.side != Role::Request {
        return None;
    }
    let head = request.text.bytes.get(..request.head)?;
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty())?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (method, rest) = line.split_at(memchr::memchr2(b' ', b'\t', line)?);
    let rest = rest.trim_ascii();
    let end = memchr::memrchr2(b' ', b'\t', rest);
    let is_version = |at: &usize| {
        let last = rest.get(at + 1..at + 6);
        last.is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/"))
    };
    let end = end.filter(is_version).unwrap_or(rest.len());
    Some((method, rest.get(..end).unwrap_or_default().trim_ascii_end()))
}

/// Appends `bytes` to a URL, percent-encoding those that a URL cannot contain.
pub(super) fn write_url(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7f.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(*byte)),
        }
    }
}

/// Why an exchange was not found, given the number of the last one that was seen (0 for none).
pub(super) fn no_exchange(number: u64, last: u64) -> String {
    match last {
        0 => format!("there is no exchange #{number} here; there is none at all"),
        last if number < last => {
            format!("#{number} is no exchange of a request and a response, or is not selected")
        }
        last => format!("there is no exchange #{number} here; the last is #{last}"),
    }
}
