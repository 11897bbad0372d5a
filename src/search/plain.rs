//! Classifies bytes as text or binary, incrementally. The result does not depend on how the bytes
//! are split.
//!
//! Bytes are binary if they are not UTF-8 or have a control character other than tab, line feed,
//! form feed, carriage return, and escape (which colours terminal output).

/// State of the classification of a message's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain {
    /// Whether the bytes are binary.
    is_not: bool,
    /// Continuation bytes that the last character still needs.
    continuation_left: u8,
    /// Leading continuation bytes seen, of a character whose first byte is in the previous message;
    /// at most 3.
    leading: u8,
    begun: bool,
}

impl Plain {
    /// Consumes the next bytes. Returns whether all bytes up to now are binary.
    #[inline(never)]
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        if self.is_not {
            return true;
        }
        let plain = |byte: &u8| byte.is_ascii() && !is_control(*byte);
        if self.continuation_left == 0 && bytes.iter().all(plain) {
            self.begun |= !bytes.is_empty();
            return false;
        }
        self.is_not = !bytes.iter().all(|byte| self.fits(*byte));
        self.is_not
    }

    /// Whether the bytes up to now are binary.
    pub(super) fn is_not(&self) -> bool {
        self.is_not
    }

    fn fits(&mut self, byte: u8) -> bool {
        let begun = std::mem::replace(&mut self.begun, true);
        match byte {
            0x80..=0xbf if self.continuation_left > 0 => {
                self.continuation_left -= 1;
                true
            }
            // A long text may be split into messages inside a character.
            0x80..=0xbf if (!begun || self.leading > 0) && self.leading < 3 => {
                self.leading += 1;
                true
            }
            _ if self.continuation_left > 0 => false,
            _ => {
                self.leading = 0;
                self.continuation_left = match byte {
                    0xc2..=0xdf => 1,
                    0xe0..=0xef => 2,
                    0xf0..=0xf4 => 3,
                    0x80.. => return false,
                    _ => 0,
                };
                !is_control(byte)
            }
        }
    }
}

/// Whether contiguous bytes are text.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !Plain::default().take(bytes)
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | 0x1b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_distinguished_from_binary() {
        let table: [(&[u8], bool); 14] = [
            (b"", true),
            (b"plain\r\n\tlines\x0c", true),
            ("caf\u{e9} \u{20ac} \u{1f600}".as_bytes(), true),
            (b"\x1b[31mred\x1b[0m", true),
            (b"caf\xe9 au lait", false),
            (b"a\0b", false),
            (b"\x07storage\x0agoogleapis\x03com\0", false),
            (b"\x83\xa4name\xa3bob\xa3age\x0a", false),
            (b"\x7f", false),
            // Cut inside the first and the last character.
            (b"\x82\xac and \xe2\x82", true),
            (b"\x9f\x98\x80\xf0\x9f\x98", true),
            (b"\x80\x80\x80\x80", false),
            (b"a\x80", false),
            (b"\xc0\xaf", false),
        ];
        for (bytes, text) in table {
            assert_eq!(is_text(bytes), text, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_it_was_cut(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n\x1b\x00\x80\x82\xc3\xe2\xf0\xff".to_vec()), 0..9),
            cut in 0_usize..9,
        ) {
            let (front, back) = bytes.split_at(cut.min(bytes.len()));
            let mut plain = Plain::default();
            let first = plain.take(front);
            prop_assert_eq!(plain.take(back), !is_text(&bytes));
            prop_assert!(!first || !is_text(&bytes));
            if let Ok(text) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(is_text(&bytes), !text.bytes().any(is_control));
            }
        }
    }
}
