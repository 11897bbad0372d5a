//! Protocol Buffers without their schema: the wire format
//! (<https://protobuf.dev/programming-guides/encoding>) as text, with the numbers of fields in
//! place of their names.
//!
//! What a field is, its bytes alone do not always decide: a run of bytes is text if it reads as
//! such, else a message if it is one as a whole, else bytes. Time is linear in the length for each
//! of at most [`DEPTH`] levels; output is passed on as it comes.

use std::fmt::Write as _;

/// Levels of messages within messages.
const DEPTH: usize = 32;
/// Bytes of output that are collected before they are passed on.
const CHUNK: usize = 4096;
/// The highest number of a field.
const HIGHEST: u64 = (1 << 29) - 1;

/// A field of a message.
enum Value<'b> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'b [u8]),
    GroupStart,
    GroupEnd,
    Fixed32([u8; 4]),
}

/// Reads the fields of a message one after the other.
struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    /// The next field with its number. `None` if the bytes are no field, or there are none.
    fn next(&mut self) -> Option<(u64, Value<'b>)> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > HIGHEST {
            return None;
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed()?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(len)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            3 => Value::GroupStart,
            4 => Value::GroupEnd,
            5 => Value::Fixed32(self.fixed()?),
            _ => return None,
        };
        Some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}

/// Whether bytes are fields as a whole, whatever those contain.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    let mut fields = Fields { rest: bytes };
    let mut groups: Vec<u64> = Vec::new();
    while !fields.rest.is_empty() {
        match fields.next() {
            Some((number, Value::GroupStart)) if groups.len() < DEPTH => groups.push(number),
            Some((number, Value::GroupEnd)) if groups.last() == Some(&number) => {
                groups.pop();
            }
            None | Some((_, Value::GroupStart | Value::GroupEnd)) => return false,
            Some(_) => {}
        }
    }
    groups.is_empty()
}

/// Whether bytes read as text.
fn is_text(bytes: &[u8]) -> bool {
    let is_readable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_readable))
}

/// Writes a message, [`is_message`], as text: a line for each field, indented by `level`.
pub(super) fn write(bytes: &[u8], level: usize, sink: &mut dyn FnMut(&[u8])) {
    let mut writer = Writer {
        out: String::new(),
        sink,
    };
    writer.message(bytes, level);
    writer.flush();
}

struct Writer<'s> {
    out: String,
    sink: &'s mut dyn FnMut(&[u8]),
}

impl Writer<'_> {
    fn message(&mut self, bytes: &[u8], level: usize) {
        let mut fields = Fields { rest: bytes };
        let mut level = level;
        while let Some((number, value)) = fields.next() {
            if matches!(value, Value::GroupEnd) {
                level = level.saturating_sub(1);
                self.indent(level);
                self.out.push_str("}\n");
                continue;
            }
            self.indent(level);
            let _ = write!(self.out, "{number}");
            match value {
                Value::Varint(value) => self.number(value),
                Value::Fixed64(bytes) => {
                    let float = f64::from_le_bytes(bytes);
                    match is_plausible(float) {
                        true => self.float(float),
                        false => self.number(u64::from_le_bytes(bytes)),
                    }
                }
                Value::Fixed32(bytes) => {
                    let float = f32::from_le_bytes(bytes);
                    match is_plausible(float.into()) {
                        true => self.float(float),
                        false => self.number(u32::from_le_bytes(bytes).into()),
                    }
                }
                Value::Bytes(bytes) => self.bytes(bytes, level),
                Value::GroupStart => {
                    self.out.push_str(" {\n");
                    level = level.saturating_add(1);
                }
                Value::GroupEnd => {}
            }
            if self.out.len() >= CHUNK {
                self.flush();
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8], level: usize) {
        let control = bytes.first().is_some_and(|byte| *byte < b' ');
        let text = is_text(bytes);
        // A message may read as text by chance where its first key does: a line end.
        if !bytes.is_empty() && (!text || control) && level < DEPTH && is_message(bytes) {
            self.out.push_str(" {\n");
            self.message(bytes, level.saturating_add(1));
            self.indent(level);
            self.out.push_str("}\n");
        } else if text {
            self.out.push_str(": \"");
            self.text(&String::from_utf8_lossy(bytes));
            self.out.push_str("\"\n");
        } else {
            self.out.push_str(": 0x");
            for part in bytes.chunks(CHUNK) {
                for byte in part {
                    let _ = write!(self.out, "{byte:02x}");
                }
                self.flush();
            }
            self.out.push('\n');
        }
    }

    /// Writes text as it is, on one line: what looks like a field is none.
    fn text(&mut self, text: &str) {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.out.push_str("\\n");
            }
            self.out.push_str(line);
        }
    }

    fn number(&mut self, value: u64) {
        let signed = value.cast_signed();
        let _ = match signed < 0 {
            true => writeln!(self.out, ": {value} ({signed})"),
            false => writeln!(self.out, ": {value}"),
        };
    }

    fn float(&mut self, value: impl std::fmt::Debug) {
        let _ = writeln!(self.out, ": {value:?}");
    }

    fn indent(&mut self, level: usize) {
        for _ in 0..level {
            self.out.push_str("  ");
        }
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            (self.sink)(self.out.as_bytes());
            self.out.clear();
        }
    }
}

/// Whether a number in binary is likely one with a fraction: of others the same bytes are hardly
/// ever of a usual size.
fn is_plausible(value: f64) -> bool {
    (1e-9..1e15).contains(&value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        assert!(is_message(bytes), "{}", bytes.escape_ascii());
        write(bytes, 1, &mut |text| out.extend_from_slice(text));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_written_by_their_numbers() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"\x08\x96\x01", "  1: 150\n"),
            (b"\x12\x07testing", "  2: \"testing\"\n"),
            (b"\x12\x00", "  2: \"\"\n"),
            (b"\x1a\x03\x08\x96\x01", "  3 {\n    1: 150\n  }\n"),
            (b"\x19\0\0\0\0\0\0\x23\x40", "  3: 9.5\n"),
            (b"\x19\x05\0\0\0\0\0\0\0", "  3: 5\n"),
            (b"\x1d\0\0\xc0\x3f", "  3: 1.5\n"),
            (b"\x1d\x07\0\0\0", "  3: 7\n"),
            (b"\x3a\x04\0\x01\xff\xfe", "  7: 0x0001fffe\n"),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                "  1: 18446744073709551615 (-1)\n",
            ),
            (b"\x0b\x10\x01\x0c", "  1 {\n    2: 1\n  }\n"),
            (b"\x12\x05a\n9:b", "  2: \"a\\n9:b\"\n"),
            (
                b"\x12\x0b\x0a\x09Main St 1",
                "  2 {\n    1: \"Main St 1\"\n  }\n",
            ),
            (b"\x12\x03{\"}", "  2: \"{\"}\"\n"),
            ("\u{12}\u{6}café!".as_bytes(), "  2: \"café!\"\n"),
        ];
        for (bytes, expected) in table {
            assert_eq!(text(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        let table: &[&[u8]] = &[
            b"\x00",
            b"\x08",
            b"\x08\x80",
            b"\x12\x05four",
            b"\x0f\x01",
            b"\x0b",
            b"\x0c",
            b"\x0b\x14",
            b"\x19\0\0",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"text",
        ];
        for bytes in table {
            assert!(!is_message(bytes), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = vec![0xff];
        for _ in 0..100 {
            let mut outer = vec![0x0a, 0];
            let len = bytes.len();
            outer.truncate(1);
            let mut left = len;
            while left > 0x7f {
                outer.push(left as u8 | 0x80);
                left >>= 7;
            }
            outer.push(left as u8);
            outer.extend(&bytes);
            bytes = outer;
        }
        let text = text(&bytes);
        assert_eq!(text.matches('{').count(), DEPTH - 1);
        assert!(text.contains(": 0x0a"));
    }
}
