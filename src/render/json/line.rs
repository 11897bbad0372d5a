//! Writes JSON on one line, directly into the output's buffer. The result is valid JSON for any
//! bytes, and has no character that controls a terminal.

use std::fmt::Display;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A line being written. Commas are inserted automatically.
pub(super) struct Line<'t> {
    text: &'t mut Vec<u8>,
}

impl<'t> Line<'t> {
    /// Starts a line at the end of `text`.
    pub(super) fn new(text: &'t mut Vec<u8>) -> Self {
        Self { text }
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.text.push(b'\n');
    }

    /// Writes a key of the open object; its value must follow. Keys are literals and need no
    /// escaping.
    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        self.comma();
        self.text.push(b'"');
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        self
    }

    pub(super) fn object(&mut self, inside: impl FnOnce(&mut Line<'_>)) {
        self.within(b'{', b'}', inside);
    }

    pub(super) fn array(&mut self, inside: impl FnOnce(&mut Line<'_>)) {
        self.within(b'[', b']', inside);
    }

    pub(super) fn null(&mut self) {
        self.plain("null");
    }

    pub(super) fn bool(&mut self, is: bool) {
        self.plain(if is { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, number: u64) {
        self.plain(number);
    }

    /// Writes a number or a truth value that is there as text; other text as a string.
    pub(super) fn literal(&mut self, text: &str) {
        match text {
            "true" | "false" => self.plain(text),
            _ => match text.parse::<u64>() {
                Ok(number) => self.number(number),
                Err(_) => self.string(text),
            },
        }
    }

    /// Writes a string.
    pub(super) fn string(&mut self, text: &str) {
        self.comma();
        self.text.push(b'"');
        escape(text, self.text);
        self.text.push(b'"');
    }

    pub(super) fn string_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    /// Writes arbitrary bytes: `{"text":..}` if they are UTF-8, else `{"bytes":..}` in Base64.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.object(|line| line.text_or_bytes(bytes));
    }

    /// Writes only the member of [`Self::bytes`], for objects with further members.
    pub(super) fn text_or_bytes(&mut self, bytes: &[u8]) {
        match str::from_utf8(bytes) {
            Ok(text) => self.key("text").string(text),
            Err(_) => self.key("bytes").base64(bytes),
        }
    }

    /// Writes nanoseconds as seconds, exactly.
    pub(super) fn seconds(&mut self, nanos: Option<i64>) {
        let Some(nanos) = nanos else {
            return self.null();
        };
        let sign = if nanos < 0 { "-" } else { "" };
        let (whole, part) = (
            nanos.unsigned_abs() / 1_000_000_000,
            nanos.unsigned_abs() % 1_000_000_000,
        );
        let digits = format!("{part:09}");
        let digits = match digits.trim_end_matches('0') {
            "" => "0",
            digits => digits,
        };
        self.plain(format_args!("{sign}{whole}.{digits}"));
    }

    /// Writes bytes as a string, in Base64.
    pub(super) fn base64(&mut self, bytes: &[u8]) {
        self.comma();
        self.text.push(b'"');
        let from = self.text.len();
        // Four characters for each group of up to three bytes.
        self.text.resize(from + bytes.len().div_ceil(3) * 4, 0);
        let space = self.text.get_mut(from..).unwrap_or_default();
        let written = BASE64.encode_slice(bytes, space).unwrap_or_default();
        self.text.truncate(from + written);
        self.text.push(b'"');
    }

    /// Writes a value that needs no escaping.
    fn plain(&mut self, value: impl Display) {
        self.comma();
        // Writing to memory does not fail.
        let _ = write!(self.text, "{value}");
    }

    fn within(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Line<'_>)) {
        self.comma();
        self.text.push(open);
        inside(&mut Line { text: self.text });
        self.text.push(close);
    }

    /// Writes a comma between two values. No value ends with a byte that may precede a first one.
    fn comma(&mut self) {
        if !matches!(self.text.last(), None | Some(b'{' | b'[' | b':' | b'\n')) {
            self.text.push(b',');
        }
    }
}

/// Appends `text` as the content of a JSON string. Quotes and control characters are escaped, the
/// rest is copied in runs.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| SUSPECT[usize::from(byte)]);
        let Some(at) = plain else { break };
        // A suspect is the first byte of a character, so this does not split a character.
        let (run, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.extend_from_slice(run.as_bytes());
        let mut characters = from.chars();
        let Some(c) = characters.next() else { return };
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ if steers(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// First bytes of characters that are escaped, or of blocks with such characters.
static SUSPECT: [bool; 256] = suspects();

const fn suspects() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(
            byte,
            0..=0x1f | 0x22 | 0x5c | 0x7f | 0xc2 | 0xcd | 0xd8 | 0xdb | 0xdc | 0xe0..=0xe3 | 0xef..=0xff
        );
        byte += 1;
    }
    table
}

/// Whether a character could control a terminal or is invisible: controls, format characters
/// (including bidirectional and zero-width ones), line and paragraph separators, fillers, tags, and
/// code points that are no characters.
fn steers(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xfdd0..=0xfdef | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut text = Vec::new();
        write(&mut Line::new(&mut text));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_character_comes_back_and_none_that_steers_is_written() {
        let all: String = ('\0'..=char::MAX).collect();
        let line = written(|line| line.string(&all));
        assert!(!line.chars().any(steers));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), all);
        // The table of first bytes covers all of them.
        for c in ('\0'..=char::MAX).filter(|c| steers(*c)) {
            assert!(SUSPECT[usize::from(c.encode_utf8(&mut [0; 4]).as_bytes()[0])]);
        }
        assert_eq!(
            written(|line| line.string("é \u{9b}\u{202e}\u{e0041}")),
            r#""é \u009b\u202e\udb40\udc41""#
        );
    }

    #[test]
    fn values_stand_between_commas() {
        let line = written(|line| {
            line.object(|line| {
                line.key("a").array(|line| {
                    line.number(1);
                    line.bool(true);
                    line.array(|_| ());
                    line.null();
                    line.string("[");
                    line.string("");
                });
                line.key("b").object(|_| ());
                line.key("c").bytes(b"t\"");
                line.key("d").bytes(b"\xff\x00");
            });
        });
        assert_eq!(
            line,
            r#"{"a":[1,true,[],null,"[",""],"b":{},"c":{"text":"t\""},"d":{"bytes":"/wA="}}"#
        );
    }

    #[test]
    fn durations_are_exact_seconds() {
        for (nanos, want) in [
            (Some(0), "0.0"),
            (Some(1_023_000), "0.001023"),
            (Some(-75), "-0.000000075"),
            (Some(61_000_000_000), "61.0"),
            (Some(i64::MIN), "-9223372036.854775808"),
            (None, "null"),
        ] {
            assert_eq!(written(|line| line.seconds(nanos)), want);
        }
    }
}
