//! The *body*: where it ends. The law is RFC 9112 section 6.3; this file is that section and the grammar of chunk sizes.
//!
//! What a body's bytes are (compressed, an image) is not asked here.

use super::head::Fields;
use super::pairing::Method;

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// After this many bytes, at least one.
    Length(u64),
    /// By chunks.
    Chunked,
    /// With the stream.
    UntilClose,
    /// What follows is no HTTP any more: a tunnel or another protocol.
    Tunnel,
    /// The head contradicts itself, so that different readers read different things.
    Unclear,
}

impl Framing {
    /// Of a request.
    pub(super) fn of_request(fields: &Fields<'_>) -> Self {
        match (fields.coding, fields.length) {
            (Coding::Chunked, _) => Self::Chunked,
            (Coding::Other, _) | (Coding::None, Length::Unclear) => Self::Unclear,
            (Coding::None, Length::None | Length::Known(0)) => Self::None,
            (Coding::None, Length::Known(len)) => Self::Length(len),
        }
    }

    /// Of an answer with `status` to a request with `method`.
    pub(super) fn of_answer(fields: &Fields<'_>, status: u16, method: Method) -> Self {
        match (status, method, fields.coding, fields.length) {
            (101, ..) | (200..=299, Method::Connect, ..) => Self::Tunnel,
            (100..=199 | 204 | 304, ..)
            | (_, Method::Head, ..)
            | (.., Coding::None, Length::Known(0)) => Self::None,
            (.., Coding::Chunked, _) => Self::Chunked,
            (.., Coding::Other, _) | (.., Coding::None, Length::None) => Self::UntilClose,
            (.., Coding::None, Length::Unclear) => Self::Unclear,
            (.., Coding::None, Length::Known(len)) => Self::Length(len),
        }
    }
}

/// What the `Content-Length` fields say together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Length {
    /// There is no such field.
    #[default]
    None,
    /// All say this.
    Known(u64),
    /// They differ, or one is no number.
    Unclear,
}

impl Length {
    /// With one more field; it may be a list.
    pub(super) fn and(self, value: &[u8]) -> Self {
        // Most messages have one, of one number.
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

/// What the `Transfer-Encoding` fields say together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Coding {
    /// There is no such field, or it says `identity`.
    #[default]
    None,
    /// The last coding is `chunked`.
    Chunked,
    /// The last coding is another.
    Other,
}

impl Coding {
    /// With one more field; it may be a list.
    pub(super) fn and(self, value: &[u8]) -> Self {
        let last = value
            .rsplit(|byte| *byte == b',')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if last.eq_ignore_ascii_case(b"chunked") {
            Self::Chunked
        } else if last.eq_ignore_ascii_case(b"identity") && self == Self::None {
            Self::None
        } else {
            Self::Other
        }
    }
}

/// The size that a chunk's first line (without its line feed) says; extensions are passed over. `None` when it is no such line.
///
/// `httparse::parse_chunk_size` takes an empty line for size 0 and refuses what many servers send (a bare line feed).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, rest) = line.split_at_checked(digits)?;
    if !matches!(rest.trim_ascii().first(), None | Some(b';')) || digits.is_empty() {
        return None;
    }
    number(digits, 16)
}

/// The number that these digits of base `radix` are, 0 for none; `None` for anything else, and for what does not fit.
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
            (b"ffffffffffffffff\r", Some(u64::MAX)),
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
    fn an_answers_framing_follows_rfc_9112_6_3() {
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
            (200, Method::Other, Coding::Other, five, Framing::UntilClose),
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
                Framing::Unclear,
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
                Framing::of_answer(&fields(coding, length), status, method),
                framing,
                "{status} {method:?}"
            );
        }
    }
}
