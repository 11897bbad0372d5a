//! The framing of bodies: where a body ends, by RFC 9112 section 6.3 and the grammar of chunk
//! sizes. Pure functions of the head's fields and of bytes, in linear time and without allocation.
//!
//! The content of a body (compression, media type) is handled in [`super::decoded`].

use super::head::Fields;
use super::pairing::Method;

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// After this many bytes, at least one.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the stream.
    UntilClose,
    /// There is no body, and what follows is not HTTP: a tunnel or another protocol.
    Tunnel,
    /// The head contradicts itself, so that receivers disagree. Everything is body until a segment
    /// starts with a start line.
    Open,
    /// The head names chunks in a way that not all receivers accept. The first bytes decide whether
    /// the body is chunked.
    Perhaps(Perhaps),
}

/// A body that may be chunked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Perhaps {
    /// Length of the body if it is not chunked, if known.
    pub(super) len: Option<u64>,
    /// Whether the head declares valid chunked framing.
    pub(super) declared: bool,
}

impl Framing {
    /// The framing of a request.
    pub(super) const fn of_request(fields: &Fields<'_>) -> Self {
        match (fields.coding, fields.length) {
            (Coding::Chunked, _) => Self::Chunked,
            (Coding::Other, length) => Self::perhaps(length, false),
            (Coding::None, Length::Unclear) => Self::Open,
            (Coding::None, Length::None | Length::Known(0)) => Self::None,
            (Coding::None, Length::Known(len)) => Self::Length(len),
        }
    }

    /// The framing of a response with `status` to a request with `method`.
    pub(super) const fn of_response(fields: &Fields<'_>, status: u16, method: Method) -> Self {
        match (status, method, fields.coding, fields.length) {
            (101, ..) | (200..=299, Method::Connect, ..) => Self::Tunnel,
            (100..=199 | 204 | 304, ..)
            | (_, Method::Head, ..)
            | (.., Coding::None, Length::Known(0)) => Self::None,
            (.., Coding::Chunked, _) => Self::Chunked,
            (.., Coding::Other, length) => Self::perhaps(length, false),
            (.., Coding::None, Length::None) => Self::UntilClose,
            (.., Coding::None, Length::Unclear) => Self::Open,
            (.., Coding::None, Length::Known(len)) => Self::Length(len),
        }
    }

    /// The framing if the head breaks a rule. `chunks` means that the word `chunked` is somewhere
    /// in the head.
    pub(super) const fn in_doubt(self, fields: &Fields<'_>, chunks: bool) -> Self {
        match self {
            Self::Chunked => Self::perhaps(fields.length, true),
            Self::Length(_) | Self::UntilClose | Self::Open if chunks => {
                Self::perhaps(fields.length, false)
            }
            _ => self,
        }
    }

    const fn perhaps(length: Length, declared: bool) -> Self {
        let len = match length {
            Length::Known(len) if len > 0 => Some(len),
            _ => None,
        };
        Self::Perhaps(Perhaps { len, declared })
    }
}

/// The value of all `Content-Length` fields together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Length {
    /// There is no such field.
    #[default]
    None,
    /// All fields have this value.
    Known(u64),
    /// The values differ, or one is not a number.
    Unclear,
}

impl Length {
    /// Adds the value of another field, which may be a list.
    pub(super) fn and(self, value: &[u8]) -> Self {
        // Fast path: most messages have one field with one number.
        if let (Self::None, [_, ..], Some(len)) = (self, value, number(value, 10)) {
            return Self::Known(len);
        }
        value
            .split(|byte| *byte == b',')
            .fold(self, |length, item| {
                let item = item.trim_ascii();
                let len = number(item, 10).filter(|_| !item.is_empty());
                match (length, len) {
                    (Self::None, Some(len)) => Self::Known(len),
                    (Self::Known(known), Some(len)) if known == len => length,
                    _ => Self::Unclear,
                }
            })
    }
}

/// The value of all `Transfer-Encoding` fields together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Coding {
    /// There is no such field, or its value is empty or `identity`.
    #[default]
    None,
    /// `chunked` occurs once, as the last coding.
    Chunked,
    /// The last coding is another one, or something that is not a coding.
    Other,
}

impl Coding {
    /// Adds the value of another field, which may be a list. Empty elements are ignored (RFC 9110
    /// section 5.6.1).
    pub(super) fn and(self, value: &[u8]) -> Self {
        // Fast path: most fields have this value.
        if self == Self::None && value.eq_ignore_ascii_case(b"chunked") {
            return Self::Chunked;
        }
        let items = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        items
            .filter(|item| !item.is_empty())
            .fold(self, |coding, item| {
                match (coding, item.eq_ignore_ascii_case(b"chunked")) {
                    (Self::Chunked, true) => Self::Other,
                    (_, true) => Self::Chunked,
                    (Self::None, false) if item.eq_ignore_ascii_case(b"identity") => Self::None,
                    (_, false) => Self::Other,
                }
            })
    }
}

/// Parses the size in a chunk's first line (without its line feed). Extensions are skipped. `None`
/// if the line is malformed.
///
/// `httparse::parse_chunk_size` is not used: it takes an empty line for size 0, and rejects the
/// bare line feeds that many servers send.
pub(in crate::dissect) fn chunk_size(line: &[u8]) -> Option<u64> {
    let (digits, rest) = split_digits(line);
    believed(digits, rest.trim_ascii())
}

/// Splits a line into its leading hexadecimal digits and the rest.
fn split_digits(line: &[u8]) -> (&[u8], &[u8]) {
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    line.split_at(line.iter().take_while(is_digit).count())
}

/// Parses the digits of a size, if nothing but an extension comes after them.
fn believed(digits: &[u8], after: &[u8]) -> Option<u64> {
    if !matches!(after.first(), None | Some(b';')) || digits.is_empty() {
        return None;
    }
    number(digits, 16).filter(|size| *size <= LARGEST)
}

/// The largest chunk size that is accepted. Receivers that compute in 32 bits read another number.
const LARGEST: u64 = u32::MAX as u64;

/// Parses the size in a line that breaks the rules in a way that some receivers accept: control
/// characters and space around the digits, `0x` before them.
pub(super) fn odd_chunk_size(line: &[u8]) -> Option<u64> {
    let (digits, rest) = split_digits(without_0x(line.get(blank(line)..)?));
    believed(digits, rest.get(blank(rest)..)?)
}

/// Strips `0x` from the start of a number.
const fn without_0x(number: &[u8]) -> &[u8] {
    match number {
        [b'0', b'x' | b'X', digits @ ..] => digits,
        digits => digits,
    }
}

/// Parses the size as the most lenient receivers do: the rest of the line is ignored, and the
/// number is taken modulo 2^32. Any text may start like that, so the caller must check that another
/// chunk follows.
pub(in crate::dissect) fn any_chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.get(blank(line)..)?;
    let line = line.strip_prefix(b"+").unwrap_or(line);
    let (digits, _) = split_digits(without_0x(line));
    let last = digits.get(digits.len().saturating_sub(8)..)?;
    number(last, 16).filter(|_| !digits.is_empty())
}

/// Number of leading bytes that some receivers take for space.
fn blank(bytes: &[u8]) -> usize {
    let is_blank = |byte: &&u8| **byte <= b' ' || **byte == 0x7f;
    bytes.iter().take_while(is_blank).count()
}

/// Maximum length of a chunk's first line (without an extension) that is buffered to decide whether
/// a body is chunked, in bytes.
const SHAPE: usize = 64;

/// Whether a body with these first bytes is chunked, judged by the first line. `None` if more bytes
/// are required.
pub(super) fn looks_chunked(bytes: &[u8]) -> Option<bool> {
    let rest = bytes.get(blank(bytes)..).unwrap_or_default();
    let is_size = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X');
    let digits = rest.iter().take_while(|byte| is_size(byte)).count();
    let after = rest.get(digits..).unwrap_or_default();
    let after = after.get(blank_in_line(after)..).unwrap_or_default();
    match after.first() {
        None if bytes.len() < SHAPE => None,
        Some(b'\n' | b';') => {
            let line = rest.get(..rest.len().saturating_sub(after.len()));
            Some(odd_chunk_size(line.unwrap_or_default()).is_some())
        }
        _ => Some(false),
    }
}

/// The same without line ends.
fn blank_in_line(bytes: &[u8]) -> usize {
    blank(
        bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default(),
    )
}

/// Parses digits of base `radix`; 0 for no digits. `None` for any other byte, and on overflow.
pub(super) fn number(digits: &[u8], radix: u32) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_hexadecimal_and_nothing_else() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"0\r", Some(0)),
            (b"1A\r", Some(26)),
            (b"ff", Some(255)),
            (b"5  \r", Some(5)),
            (b"5;name=\"v\"\r", Some(5)),
            (b"5 ;name\r", Some(5)),
            (b"00000000000000000005\r", Some(5)),
            (b"ffffffff\r", Some(LARGEST)),
            (b"100000000\r", None),
            (b"ffffffffffffffff\r", None),
            (b"10000000000000000\r", None),
            (b"\r", None),
            (b"", None),
            (b";x\r", None),
            (b"0x5\r", None),
            (b"-5\r", None),
            (b"5 5\r", None),
            (b" 5\r", None),
        ];
        for (line, size) in table {
            assert_eq!(chunk_size(line), *size, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn an_odd_chunk_size_is_read_as_some_receivers_do() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"f\x0b\r", Some(15)),
            (b"\r5\r", Some(5)),
            (b" \t5\r", Some(5)),
            (b"0x1f\r", Some(31)),
            (b"0X5 ;a=b\r", Some(5)),
            (b"5\x00\r", Some(5)),
            (b"5\x7f\r", Some(5)),
            (b"5 5\r", None),
            (b"-5\r", None),
            (b"xyz\r", None),
            (b"\r", None),
            (b"{\"a\": 1}", None),
        ];
        for (line, size) in table {
            assert_eq!(odd_chunk_size(line), *size, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_number_is_read_where_the_rest_does_not_matter() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"f foo", Some(15)),
            (b"+f", Some(15)),
            (b"f,0", Some(15)),
            (b"10000000f", Some(15)),
            (b"10000000000000000f", Some(15)),
            (b"0xf", Some(15)),
            (b"-f", None),
            (b"xyz", None),
            (b"", None),
        ];
        for (line, size) in table {
            assert_eq!(any_chunk_size(line), *size, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_body_looks_chunked_by_its_first_line() {
        let table: &[(&[u8], Option<bool>)] = &[
            (b"", None),
            (b"5", None),
            (b"5\r", None),
            (b"5\r\n", Some(true)),
            (b"5\n", Some(true)),
            (b"5;name", Some(true)),
            (b"\nf\x0b\r\n", Some(true)),
            (b"0000000000000000000000005\r\n", Some(true)),
            (b"0x", None),
            (b"0x5\r\n", Some(true)),
            (b"\r\n\r\n", None),
            (b"5\rX", Some(false)),
            (b"X5O!", Some(false)),
            (b"add one\r\n", Some(false)),
            (b"fffffffffffffffff\r\n", Some(false)),
            (b"{", Some(false)),
            (b"\x1f\x8b", Some(false)),
            (&[b'0'; SHAPE], Some(false)),
        ];
        for (bytes, looks) in table {
            assert_eq!(looks_chunked(bytes), *looks, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn transfer_codings_are_a_list() {
        let table: &[(&[&[u8]], Coding)] = &[
            (&[b"chunked"], Coding::Chunked),
            (&[b"Chunked"], Coding::Chunked),
            (&[b""], Coding::None),
            (&[b"identity"], Coding::None),
            (&[b"chunked,"], Coding::Chunked),
            (&[b", chunked ,, "], Coding::Chunked),
            (&[b"gzip, chunked"], Coding::Chunked),
            (&[b"gzip", b"chunked"], Coding::Chunked),
            (&[b"identity, chunked"], Coding::Chunked),
            (&[b"chunked, chunked"], Coding::Other),
            (&[b"chunked", b"identity"], Coding::Other),
            (&[b"chunked, gzip"], Coding::Other),
            (&[b"x chunked"], Coding::Other),
            (&[b"xchunked"], Coding::Other),
            (&[b"chunked;"], Coding::Other),
        ];
        for (values, coding) in table {
            let got = values
                .iter()
                .fold(Coding::None, |so_far, value| so_far.and(value));
            assert_eq!(got, *coding, "{values:?}");
        }
    }

    #[test]
    fn content_lengths_agree_or_are_unclear() {
        let table: &[(&[&[u8]], Length)] = &[
            (&[b"5"], Length::Known(5)),
            (&[b"5", b"5"], Length::Known(5)),
            (&[b"5, 5"], Length::Known(5)),
            (&[b"5", b"6"], Length::Unclear),
            (&[b"5, 6"], Length::Unclear),
            (&[b"+5"], Length::Unclear),
            (&[b""], Length::Unclear),
            (&[b"18446744073709551616"], Length::Unclear),
            (&[b"6", b"x", b"6"], Length::Unclear),
        ];
        for (values, length) in table {
            assert_eq!(
                values
                    .iter()
                    .fold(Length::None, |so_far, value| so_far.and(value)),
                *length,
                "{values:?}"
            );
        }
    }

    #[test]
    fn framing_of_responses_follows_rfc_9112_6_3() {
        let fields = |coding, length| Fields {
            length,
            coding,
            ..Fields::default()
        };
        let five = Length::Known(5);
        let table = [
            (200, Method::Head, Coding::Chunked, five, Framing::None),
            (304, Method::Other, Coding::None, five, Framing::None),
            (204, Method::Other, Coding::None, five, Framing::None),
            (100, Method::Other, Coding::None, five, Framing::None),
            (101, Method::Other, Coding::None, five, Framing::Tunnel),
            (200, Method::Connect, Coding::None, five, Framing::Tunnel),
            (407, Method::Connect, Coding::None, five, Framing::Length(5)),
            (200, Method::Other, Coding::Chunked, five, Framing::Chunked),
            (
                200,
                Method::Other,
                Coding::Other,
                five,
                Framing::Perhaps(Perhaps {
                    len: Some(5),
                    declared: false,
                }),
            ),
            (
                200,
                Method::Other,
                Coding::Other,
                Length::None,
                Framing::Perhaps(Perhaps {
                    len: None,
                    declared: false,
                }),
            ),
            (200, Method::Other, Coding::None, five, Framing::Length(5)),
            (
                200,
                Method::Other,
                Coding::None,
                Length::None,
                Framing::UntilClose,
            ),
            (
                200,
                Method::Other,
                Coding::None,
                Length::Unclear,
                Framing::Open,
            ),
            (
                200,
                Method::Other,
                Coding::None,
                Length::Known(0),
                Framing::None,
            ),
        ];
        for (status, method, coding, length, framing) in table {
            assert_eq!(
                Framing::of_response(&fields(coding, length), status, method),
                framing,
                "{status} {method:?}"
            );
        }
    }
}
