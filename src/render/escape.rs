//! The one way for bytes off the wire to become characters: whatever could steer a terminal becomes a dot.

use unicode_width::UnicodeWidthChar as _;

/// Which bytes pass.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    /// Printable characters beyond ASCII pass, in UTF-8.
    pub utf8: bool,
    /// TAB passes.
    pub tab: bool,
    /// Stands for what does not pass.
    pub dot: char,
}

/// Marks that combine with a character, one behind the other: more are a flood.
const COMBINING: usize = 8;

impl Escape {
    /// Append `bytes` to `out`. LF does not pass: lines are the caller's.
    pub fn write(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Clean runs are copied as they are.
            let clean = rest
                .iter()
                .position(|byte| !self.passes(*byte))
                .unwrap_or(rest.len());
            let (run, odd) = rest.split_at(clean);
            out.extend_from_slice(run);
            let beyond = odd.iter().position(u8::is_ascii).unwrap_or(odd.len());
            let (odd, behind) = odd.split_at(beyond.max(odd.len().min(1)));
            self.write_odd(odd, out);
            rest = behind;
        }
    }

    /// Append text of any origin.
    pub fn write_str(&self, text: &str, out: &mut Vec<u8>) {
        self.write(text.as_bytes(), out);
    }

    fn passes(&self, byte: u8) -> bool {
        matches!(byte, 0x20..=0x7e) || (byte == b'\t' && self.tab)
    }

    /// Bytes that are a control character, or a run beyond ASCII.
    fn write_odd(&self, odd: &[u8], out: &mut Vec<u8>) {
        let mut combining = 0;
        for chunk in odd.utf8_chunks() {
            for c in chunk.valid().chars() {
                let mark = !c.is_ascii() && c.width() == Some(0);
                combining = if mark { combining + 1 } else { 0 };
                let shown = self.utf8 && is_printable(c) && combining <= COMBINING;
                match (shown, self.utf8) {
                    (true, _) => push(c, out),
                    (false, true) => push(self.dot, out),
                    // Without UTF-8 each byte is a character.
                    (false, false) => (0..c.len_utf8()).for_each(|_| push(self.dot, out)),
                }
            }
            for _ in chunk.invalid() {
                push(self.dot, out);
            }
        }
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Neither a control nor a format character (bidirectional overrides, zero-width ones), nor of private use, nor none at all.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
            0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e
            | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x3164 | 0xffa0
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb
            | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0x110bd | 0x110cd | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x10_ffff)
        && u32::from(c) & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: Escape = Escape {
        utf8: true,
        tab: true,
        dot: '.',
    };

    fn shown(escape: Escape, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape.write(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_steers_a_terminal_passes() {
        let table: [(&[u8], &str); 12] = [
            (b"plain text\t|", "plain text\t|"),
            ("café 你好 😀".as_bytes(), "café 你好 😀"),
            (b"\x1b[31mred", ".[31mred"),              // esc_in_payload
            (b"\x9b31m", ".31m"),                      // c1_in_latin1
            (b"\xc2\x9b31m", ".31m"),                  // utf8_c1_c2_9b
            ("a\u{202e}b\u{2066}".as_bytes(), "a.b."), // bidi_override_202e
            (b"\x1b]52;c;aGk=\x07", ".]52;c;aGk=."),   // osc52
            (b"a\rb", "a.b"),                          // lone_cr
            (b"a\x08b\x7f", "a.b."),                   // backspace_overstrike
            (b"\xff\xfe\xc3", "..."),
            ("\u{200b}\u{feff}\u{e000}".as_bytes(), "..."),
            (b"a\nb", "a.b"),
        ];
        for (bytes, want) in table {
            assert_eq!(shown(TEXT, bytes), want, "{bytes:?}");
        }
        let flood = format!("a{}", "\u{301}".repeat(20));
        assert_eq!(
            shown(TEXT, flood.as_bytes()),
            format!("a{}{}", "\u{301}".repeat(8), ".".repeat(12))
        );
        assert_eq!(
            shown(
                Escape {
                    utf8: false,
                    ..TEXT
                },
                "é".as_bytes()
            ),
            ".."
        );
        assert_eq!(
            shown(
                Escape {
                    dot: '?',
                    tab: false,
                    ..TEXT
                },
                b"\t\0"
            ),
            "??"
        );
    }

    proptest! {
        #[test]
        fn what_comes_out_is_printable_for_all_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), utf8: bool) {
            let text = shown(Escape { utf8, ..TEXT }, &bytes);
            prop_assert!(text.chars().all(|c| c == '\t' || is_printable(c)), "{:?}", text);
        }
    }
}
