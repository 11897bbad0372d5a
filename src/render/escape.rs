//! Escapes captured bytes for a terminal. All captured bytes are written through here; whatever
//! could control a terminal becomes a dot.

mod characters;

use characters::Character;

/// Which bytes are passed unchanged.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    /// Pass printable UTF-8 characters beyond ASCII.
    pub utf8: bool,
    /// Pass TAB.
    pub tab: bool,
    /// Replacement for everything else.
    pub dot: char,
}

/// Maximum number of consecutive combining marks.
const MAX_COMBINING: usize = 8;

impl Escape {
    /// Appends `bytes` to `out`. Replaces LF too: callers split lines.
    pub fn write(&self, bytes: &[u8], out: &mut Vec<u8>) {
        self.write_on(bytes, &mut 0, out);
    }

    /// Like [`Self::write`], for text in several parts. `marks` is the number of consecutive
    /// combining marks at the end of the parts so far.
    pub(super) fn write_on(&self, bytes: &[u8], marks: &mut usize, out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (run, odd) = rest.split_at(self.narrow(rest));
            if !run.is_empty() {
                *marks = 0;
            }
            self.write_narrow(run, out);
            let beyond = odd.iter().position(u8::is_ascii).unwrap_or(odd.len());
            let (odd, after) = odd.split_at(beyond.max(odd.len().min(1)));
            self.write_odd(odd, marks, out);
            rest = after;
        }
    }

    /// Appends each byte separately, as in a hex dump: no two of them form a character.
    pub(super) fn write_apart(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let alone = Self {
            utf8: false,
            ..*self
        };
        alone.write(bytes, out);
    }

    /// Number of bytes at the start of `bytes` that become one ASCII character each, and so take
    /// one column each.
    pub(super) fn narrow(&self, bytes: &[u8]) -> usize {
        match (self.narrow_dot(), self.utf8) {
            (Some(_), true) => ascii_prefix(bytes),
            (Some(_), false) => bytes.len(),
            (None, _) => {
                let clean = bytes.iter().position(|byte| !self.passes(*byte));
                clean.unwrap_or(bytes.len())
            }
        }
    }

    /// Appends bytes that are [narrow](Self::narrow). No byte depends on its neighbours, so the
    /// compiler can vectorize this.
    pub(super) fn write_narrow(&self, run: &[u8], out: &mut Vec<u8>) {
        // Without an ASCII dot, all narrow bytes pass.
        let dot = self.narrow_dot().unwrap_or(b'.');
        out.extend(run.iter().map(|byte| match self.passes(*byte) {
            true => *byte,
            false => dot,
        }));
    }

    /// The dot, if it is printable ASCII.
    fn narrow_dot(&self) -> Option<u8> {
        matches!(self.dot, ' '..='~').then_some(self.dot as u8)
    }

    /// Appends text of any origin.
    pub fn write_str(&self, text: &str, out: &mut Vec<u8>) {
        self.write(text.as_bytes(), out);
    }

    fn passes(&self, byte: u8) -> bool {
        matches!(byte, 0x20..=0x7e) || (byte == b'\t' && self.tab)
    }

    /// Appends a control character, or a run of bytes beyond ASCII.
    fn write_odd(&self, odd: &[u8], marks: &mut usize, out: &mut Vec<u8>) {
        for chunk in odd.utf8_chunks() {
            let valid = chunk.valid();
            let mut passed = 0;
            for (at, c) in valid.char_indices() {
                let Character { printable, mark } = Character::of(c);
                *marks = if mark { marks.saturating_add(1) } else { 0 };
                if self.utf8 && printable && *marks <= MAX_COMBINING {
                    continue;
                }
                out.extend_from_slice(&valid.as_bytes()[passed..at]);
                passed = at + c.len_utf8();
                // Without UTF-8, each byte is replaced.
                let dots = if self.utf8 { 1 } else { c.len_utf8() };
                (0..dots).for_each(|_| push(self.dot, out));
            }
            out.extend_from_slice(&valid.as_bytes()[passed..]);
            for _ in chunk.invalid() {
                push(self.dot, out);
            }
        }
    }
}

/// Number of bytes before the first beyond ASCII.
fn ascii_prefix(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole = 32 * blocks.iter().take_while(|block| block.is_ascii()).count();
    let rest = &bytes[whole..];
    whole
        + rest
            .iter()
            .position(|byte| !byte.is_ascii())
            .unwrap_or(rest.len())
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::characters::tests::is_harmless;
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
    fn nothing_that_controls_a_terminal_passes() {
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
        // Unassigned characters and invisible letters are replaced; blanks, emoji, marks and
        // letters of many scripts pass.
        assert_eq!(
            shown(TEXT, "\u{378}\u{50000}\u{3164}\u{2028}".as_bytes()),
            "...."
        );
        let scripts = "a\u{a0}\u{3000}ÅΩЖאعहिไทย한글\u{ff9e}e\u{301}\u{fe0f}🦀";
        assert_eq!(shown(TEXT, scripts.as_bytes()), scripts);
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
            prop_assert!(text.chars().all(|c| c == '\t' || is_harmless(c)), "{:?}", text);
        }

        #[test]
        fn characters_are_the_same_however_printable_text_is_cut(text in "\\PC{0,40}", at: prop::sample::Index) {
            let mut cut = at.index(text.len() + 1);
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            let (mut marks, mut parts) = (0, Vec::new());
            TEXT.write_on(&text.as_bytes()[..cut], &mut marks, &mut parts);
            TEXT.write_on(&text.as_bytes()[cut..], &mut marks, &mut parts);
            prop_assert_eq!(String::from_utf8(parts).unwrap(), shown(TEXT, text.as_bytes()));
        }
    }
}
