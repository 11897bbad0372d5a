//! Examination of first bytes: whether a body is coded, framed or encoded as its head declares.
//! Pure functions of at most 4 KiB of bytes.
//!
//! Formats with a signature at the start (gzip, zstd, zlib, chunks, UTF-16) are recognised by it.
//! Raw deflate and brotli have none: they are tried if a malformed head names them, or if a
//! declared coding turns out to be wrong.

use encoding_rs::UTF_8;

use super::charset::{declared, is_utf_16};
use super::codings::{Coding, Hints};
use crate::dissect::http1::body::{any_chunk_size, chunk_size};

/// Number of bytes in which the chunks of a body that was not declared to be chunked must end to be
/// accepted.
const CHUNK: usize = 4096;
/// Number of bytes on which a coding without a signature is tried.
const TRIED: usize = 512;

/// The type of a body, by its `Content-Type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::dissect) enum Media {
    /// Not declared.
    #[default]
    Unknown,
    /// Text for people or programs.
    Text,
    /// Text that may declare its own character set.
    Markup,
    /// Any other type: it is shown as sent.
    Opaque,
}

impl Media {
    /// Parses a `Content-Type`. Called for most messages; does not allocate.
    pub(in crate::dissect) fn of(content_type: &[u8]) -> Self {
        let media = content_type.split(|byte| *byte == b';').next();
        let media = media.unwrap_or_default().trim_ascii();
        let is = |part: &[u8], name: &str| part.eq_ignore_ascii_case(name.as_bytes());
        let at_segment_start =
            |name: &str| media.get(..name.len()).is_some_and(|part| is(part, name));
        let ends = |name: &str| {
            let from = media.len().checked_sub(name.len());
            from.and_then(|from| media.get(from..))
                .is_some_and(|part| is(part, name))
        };
        let has = |name: &str| media.windows(name.len()).any(|part| is(part, name));
        let program = ["json", "javascript", "ecmascript"];
        if at_segment_start("text/") {
            match ends("/html") || ends("/css") || ends("xml") {
                true => Self::Markup,
                false => Self::Text,
            }
        } else if ends("+xml") || ends("/xml") {
            Self::Markup
        } else if at_segment_start("application/")
            && (program.into_iter().any(has) || ends("/x-www-form-urlencoded"))
        {
            Self::Text
        } else if media.is_empty() {
            Self::Unknown
        } else {
            Self::Opaque
        }
    }

    /// Whether a body of this type is shown decoded if its bytes are found to be coded.
    pub(super) const fn is_readable(self) -> bool {
        !matches!(self, Self::Opaque)
    }
}

/// Fast path: whether a body without declared coding must be examined, judged by its first bytes.
/// For most bodies a few instructions decide that it need not. `all` means that there are no more
/// bytes.
pub(in crate::dissect) fn is_doubtful(
    first: &[u8],
    all: bool,
    media: impl FnOnce() -> Media,
) -> bool {
    match first {
        [] => false,
        [_] => !all,
        [0x1f, 0x8b, ..]
        | [0x28, 0xb5, ..]
        | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]
        | [0xff, 0xfe, ..]
        | [0xfe, 0xff, ..]
        | [0, ..]
        | [_, 0, ..] => true,
        [b'<' | b'@' | b' ' | b'\t' | b'\r' | b'\n', ..] => {
            let markup = media() == Media::Markup;
            markup && declared(first, all) != Some(UTF_8)
        }
        [b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => match begins_chunk(first) {
            Some(begins) => begins,
            None => !all,
        },
        _ => false,
    }
}

/// What is known of a body besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) media: Media,
    /// What a malformed head may mean.
    pub(super) hints: Hints,
    /// Whether the body was declared to be coded, and the bytes are not in that format.
    pub(super) mistaken: bool,
}

/// The result of the examination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// More bytes are required.
    More,
    /// The bytes are what they seem to be.
    Plain,
    /// The bytes have the signature of this coding; `shown` means that the body is shown decoded.
    Coded { coding: Coding, shown: bool },
    /// The bytes may be in a coding without a signature.
    Try,
}

/// Examines the first bytes of a body. `all` means that there are no more.
pub(super) fn judge(first: &[u8], all: bool, about: About) -> Judgement {
    let shown = about.mistaken || about.media.is_readable();
    match magic(first) {
        Some(Ok(coding)) => return Judgement::Coded { coding, shown },
        Some(Err(())) if !all => return Judgement::More,
        _ => {}
    }
    match chunks(first, all, about.hints.chunked) {
        Chunks::Seen => {
            return Judgement::Coded {
                coding: Coding::Chunked,
                shown,
            };
        }
        Chunks::Perhaps => {
            return Judgement::Coded {
                coding: Coding::Chunked,
                shown: false,
            };
        }
        Chunks::More => return Judgement::More,
        Chunks::None => {}
    }
    if !(about.mistaken || about.hints.has_unmarked()) {
        return Judgement::Plain;
    }
    match tried(first) {
        first if !all && first.len() < TRIED => Judgement::More,
        first if is_text(first) || is_utf_16(first).is_some() => Judgement::Plain,
        _ => Judgement::Try,
    }
}

/// The first bytes, as many as a coding without a signature is tried on.
pub(super) fn tried(first: &[u8]) -> &[u8] {
    first.get(..TRIED).unwrap_or(first)
}

/// The coding with this signature; `Err` if more bytes are required.
pub(super) fn magic(first: &[u8]) -> Option<Result<Coding, ()>> {
    match first {
        [] | [0x1f | 0x28 | 0x78] | [0x1f, 0x8b] | [0x1f, 0x8b, 8] => Some(Err(())),
        // RFC 1952 section 2.3.1: three flags are reserved.
        [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Ok(Coding::Gzip)),
        [0x28, 0xb5] | [0x28, 0xb5, 0x2f] => Some(Err(())),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Ok(Coding::Zstd)),
        // The four compression levels of RFC 1950, with a window of 32 KiB.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Ok(Coding::Deflate)),
        _ => None,
    }
}

/// Whether bytes are chunked although the head does not declare it.
enum Chunks {
    None,
    More,
    /// Valid as far as the bytes were examined.
    Perhaps,
    /// Valid to the end of the chunks, or of the first in `odd_chunks`.
    Seen,
}

/// Examines chunks. `named` means that a chunked framing is named in the head, and that the sizes
/// do not follow the grammar.
fn chunks(first: &[u8], all: bool, named: bool) -> Chunks {
    // The result must not depend on how many bytes arrived at once.
    let all = all && first.len() <= CHUNK;
    let first = first.get(..CHUNK).unwrap_or(first);
    let end = all || first.len() >= CHUNK;
    match named {
        true => odd_chunks(first, end).unwrap_or(Chunks::More),
        false => clean_chunks(first, all, end),
    }
}

/// Examines chunks that follow the grammar, up to the last one: lines of numbers look like a few of
/// them.
fn clean_chunks(first: &[u8], all: bool, end: bool) -> Chunks {
    let (mut at, mut any) = (0_usize, false);
    // The bytes end in what may be a chunk.
    let unknown = |any: bool| match (end, all) {
        (false, _) => Chunks::More,
        (true, false) if any => Chunks::Perhaps,
        (true, _) => Chunks::None,
    };
    loop {
        let rest = first.get(at..).unwrap_or_default();
        let Some(is_size) = begins_chunk(rest) else {
            return unknown(any);
        };
        let line = memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end));
        let Some(line) = line.filter(|_| is_size) else {
            return if is_size { unknown(any) } else { Chunks::None };
        };
        let line_end = line.len().saturating_add(1);
        let size = chunk_size(line).and_then(|size| usize::try_from(size).ok());
        let Some(data_end) = size.and_then(|size| size.checked_add(line_end)?.checked_add(at))
        else {
            return Chunks::None;
        };
        match (first.get(data_end..).unwrap_or_default(), size) {
            ([b'\r', b'\n', ..], Some(0)) => return Chunks::Seen,
            ([b'\r', b'\n', ..], _) => at = data_end.saturating_add(2),
            ([] | [b'\r'], size) => return unknown(any || size > Some(CHUNK)),
            _ => return Chunks::None,
        }
        any = true;
    }
}

/// Whether bytes start with the first line of a valid chunk. `None` if more bytes are required.
fn begins_chunk(bytes: &[u8]) -> Option<bool> {
    let window = bytes.get(..9).unwrap_or(bytes);
    let digits = window.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    match bytes.get(digits..).unwrap_or_default() {
        _ if digits > 8 => Some(false),
        [] | [b'\r'] => None,
        [b'\r', b'\n', ..] | [b';', ..] => Some(digits > 0),
        _ => Some(false),
    }
}

/// Examines chunks whose sizes only lenient receivers accept: the first one, and that another
/// follows. `None` if more bytes are required; `end` means that there are none.
fn odd_chunks(first: &[u8], end: bool) -> Option<Chunks> {
    let none = end.then_some(Chunks::None);
    let blank = first.iter().take_while(|byte| **byte <= b' ').count();
    let rest = first.get(blank..).unwrap_or_default();
    let Some(line) = memchr::memchr(b'\n', rest) else {
        return none;
    };
    let size = rest.get(..line).and_then(any_chunk_size);
    let size = size.and_then(|size| usize::try_from(size).ok());
    let data_end = size.and_then(|size| size.checked_add(line)?.checked_add(blank)?.checked_add(1));
    let Some(data_end) = data_end else {
        return Some(Chunks::None);
    };
    let next = match first.get(data_end..).unwrap_or_default() {
        [b'\r', b'\n', next @ ..] | [b'\n', next @ ..] => next,
        [] | [b'\r'] if data_end >= CHUNK => return Some(Chunks::Perhaps),
        [] | [b'\r'] => return none,
        _ => return Some(Chunks::None),
    };
    if size == Some(0) {
        return Some(Chunks::Seen);
    }
    let Some(line) = memchr::memchr(b'\n', next) else {
        return none;
    };
    Some(match next.get(..line).and_then(any_chunk_size) {
        Some(_) => Chunks::Seen,
        None => Chunks::None,
    })
}

/// Whether bytes are readable text.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        // The last character may be truncated.
        Err(error) if error.error_len().is_none() => {
            let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
            str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let odd = |char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t');
    !text.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: About = About {
        media: Media::Text,
        hints: Hints::NONE,
        mistaken: false,
    };

    #[test]
    fn a_body_is_known_by_its_first_bytes() {
        use Judgement::{More, Plain, Try};
        let coded = |coding| Judgement::Coded {
            coding,
            shown: true,
        };
        let long = [&b"ffff\r\n"[..], &[b'x'; CHUNK]].concat();
        let table: &[(&[u8], bool, Judgement)] = &[
            (b"hello", false, Plain),
            (b"\x1f", false, More),
            (b"\x1f", true, Plain),
            (b"\x1f\x8b\x08", false, More),
            (b"\x1f\x8b\x08\0", false, coded(Coding::Gzip)),
            (b"\x1f\x8b\x08\xff", false, Plain),
            (b"\x28\xb5\x2f\xfd", false, coded(Coding::Zstd)),
            (b"(text)", false, Plain),
            (b"x\x9c", false, coded(Coding::Deflate)),
            (b"x = 5", false, Plain),
            (b"5\r\nhello\r\n0\r\n\r\n", true, coded(Coding::Chunked)),
            (b"5\r\nhello\r\n", false, More),
            (b"5\r\nhello\r\n6\r\n", false, More),
            (b"5\r\nhello\r\n6\r\n", true, Plain),
            (b"1\n2\n3\n4\n5\n6\n7\n8\n", false, Plain),
            (b"1\r\n2\r\n3\r\n4\r\n", true, Plain),
            (b"123456789", false, Plain),
            (b"5\r\nhel", false, More),
            (b"5\r\nhello and more\r\n", false, Plain),
            (b"5\r\nhello\r\nworld\r\n", false, Plain),
            (b"5\r\nhello", true, Plain),
            (b"0\r\n\r\n", true, coded(Coding::Chunked)),
            (b"200\r\nOK\r\n", true, Plain),
            (b"12345", true, Plain),
            (b"ffff\r\nlong", false, More),
            (
                &long,
                false,
                Judgement::Coded {
                    coding: Coding::Chunked,
                    shown: false,
                },
            ),
        ];
        for (bytes, all, judgement) in table {
            assert_eq!(
                judge(bytes, *all, PLAIN),
                *judgement,
                "{} {all}",
                bytes.escape_ascii()
            );
        }
        let mistaken = About {
            mistaken: true,
            ..PLAIN
        };
        assert_eq!(judge(b"\x8b0\xf5W", true, mistaken), Try);
        assert_eq!(judge(b"\x8b0\xf5W", false, mistaken), More);
        assert_eq!(judge(b"\x8b0\xf5W", true, PLAIN), Plain);
        assert_eq!(judge(b"plain text", false, mistaken), More);
        assert_eq!(judge(b"plain text", true, mistaken), Plain);
    }

    #[test]
    fn what_is_not_for_reading_is_shown_as_sent() {
        let opaque = About {
            media: Media::Opaque,
            ..PLAIN
        };
        let gzip = Judgement::Coded {
            coding: Coding::Gzip,
            shown: false,
        };
        assert_eq!(judge(b"\x1f\x8b\x08\0", false, opaque), gzip);
    }

    #[test]
    fn most_bodies_are_not_looked_at_closely() {
        let table: &[(&[u8], Media, bool)] = &[
            (b"{\"a\": 1}", Media::Text, false),
            (b"<html><body>", Media::Markup, false),
            (b"<meta charset=utf-8>", Media::Markup, false),
            (b"<meta charset=latin1>", Media::Markup, true),
            (b"<meta charset=latin1>", Media::Text, false),
            (
                b"<?xml version=\"1.0\" encoding=\"latin1\"?>",
                Media::Markup,
                true,
            ),
            (b"\x89PNG", Media::Opaque, false),
            (b"1.5 and more", Media::Text, false),
            (b"5\r\nhello", Media::Text, true),
            (b"{\0", Media::Text, true),
            (b"\xff\xfeh\0", Media::Text, true),
            (b"\x1f\x8b\x08\0", Media::Opaque, true),
            (b"1", Media::Text, false),
            (b"", Media::Text, false),
        ];
        for (bytes, media, doubtful) in table {
            assert_eq!(
                is_doubtful(bytes, true, || *media),
                *doubtful,
                "{}",
                bytes.escape_ascii()
            );
        }
    }
}
