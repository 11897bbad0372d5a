//! *Charset*: the characters of text, in UTF-8.

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::stage::Piece;

/// Bytes taken from the decoder at once.
const ROOM: usize = 4 << 10;
/// Names of ASCII, whose bytes are UTF-8; the WHATWG's table says they are windows-1252.
const ASCII: [&str; 4] = ["ascii", "us-ascii", "ansi_x3.4-1968", "iso646-us"];

/// What the characters of a body are encoded in, by its `Content-Type`, if it is text and that is not UTF-8.
pub(crate) fn charset_of(content_type: &[u8]) -> Option<&'static Encoding> {
    let label = parameter(content_type)?;
    let media = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    if !is_text(media.trim_ascii()) {
        return None;
    }
    let is_ascii = ASCII
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name.as_bytes()));
    Encoding::for_label_no_replacement(label).filter(|found| *found != UTF_8 && !is_ascii)
}

/// The `charset` of a `Content-Type`, as it was sent.
pub(crate) fn parameter(content_type: &[u8]) -> Option<&[u8]> {
    content_type
        .split(|byte| *byte == b';')
        .skip(1)
        .find_map(|parameter| {
            let equals = parameter.iter().position(|byte| *byte == b'=')?;
            let (name, value) = parameter.split_at_checked(equals)?;
            let value = value.strip_prefix(b"=")?.trim_ascii();
            let quoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            let value = quoted.unwrap_or(value);
            (name.trim_ascii().eq_ignore_ascii_case(b"charset") && !value.is_empty())
                .then_some(value)
        })
}

/// Whether a media type is text for people or programs. Asked of every message: it allocates nothing.
fn is_text(media: &[u8]) -> bool {
    let is = |part: &[u8], name: &str| part.eq_ignore_ascii_case(name.as_bytes());
    let starts = |name: &str| media.get(..name.len()).is_some_and(|part| is(part, name));
    let ends = |name: &str| {
        let from = media.len().checked_sub(name.len());
        from.and_then(|from| media.get(from..))
            .is_some_and(|part| is(part, name))
    };
    let has = |name: &str| media.windows(name.len()).any(|part| is(part, name));
    let program = ["json", "javascript", "ecmascript"];
    starts("text/")
        || ends("+xml")
        || (starts("application/")
            && (ends("/xml") || ends("/x-www-form-urlencoded") || program.into_iter().any(has)))
}

/// Turns what comes out of the stages into UTF-8, and tells it. What could not be decoded is told as it is.
pub(super) struct Text {
    decoder: Option<Decoder>,
}

impl Text {
    pub(super) fn new(charset: Option<&'static Encoding>) -> Self {
        Self {
            // A byte order mark decides between the kinds of UTF-16, and is left out.
            decoder: charset.map(Encoding::new_decoder),
        }
    }

    pub(super) fn push(&mut self, piece: Piece<'_>, tell: &mut dyn FnMut(&[u8])) {
        match piece {
            Piece::Decoded(bytes) => match &mut self.decoder {
                Some(decoder) => decode(decoder, bytes, false, tell),
                None => tell(bytes),
            },
            Piece::AsSent(bytes) => {
                self.finish(tell);
                tell(bytes);
            }
        }
    }

    /// Bytes are missing here. False when it cannot go on behind them: it is not known whether they are whole characters.
    pub(super) fn hole(&mut self, tell: &mut dyn FnMut(&[u8])) -> bool {
        let Some(mut decoder) = self.decoder.take() else {
            return false;
        };
        decode(&mut decoder, b"", true, tell);
        let charset = decoder.encoding();
        self.decoder = Some(charset.new_decoder_without_bom_handling());
        charset != UTF_16LE && charset != UTF_16BE
    }

    /// Nothing more comes: half a character is none.
    pub(super) fn finish(&mut self, tell: &mut dyn FnMut(&[u8])) {
        if let Some(mut decoder) = self.decoder.take() {
            decode(&mut decoder, b"", true, tell);
        }
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool, tell: &mut dyn FnMut(&[u8])) {
    let mut room = [0; ROOM];
    let mut rest = bytes;
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(rest, &mut room, last);
        let text = room.get(..written).unwrap_or_default();
        if !text.is_empty() {
            tell(text);
        }
        rest = rest.get(read..).unwrap_or_default();
        if result == encoding_rs::CoderResult::InputEmpty {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_has_a_charset_and_utf_8_is_none() {
        let table: &[(&str, Option<&str>)] = &[
            ("text/html; charset=ISO-8859-1", Some("windows-1252")),
            (
                "text/plain;format=flowed; Charset=\"windows-1251\"",
                Some("windows-1251"),
            ),
            ("application/json; charset=utf-16", Some("UTF-16LE")),
            (
                "application/problem+json;charset=shift_jis",
                Some("Shift_JIS"),
            ),
            ("application/xml; charset = koi8-r", Some("KOI8-R")),
            (
                "application/x-www-form-urlencoded; charset=latin1",
                Some("windows-1252"),
            ),
            ("text/html; charset=UTF-8", None),
            ("text/html; charset=us-ascii", None),
            ("text/html; charset=none", None),
            ("text/html; charset=iso-2022-kr", None),
            ("text/html; charset=", None),
            ("text/html", None),
            ("image/png; charset=latin1", None),
            ("application/octet-stream; charset=latin1", None),
            ("", None),
        ];
        for (content_type, name) in table {
            let found = charset_of(content_type.as_bytes()).map(Encoding::name);
            assert_eq!(found, *name, "{content_type}");
        }
    }
}
