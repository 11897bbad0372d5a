//! Words for a POSIX shell. Most stand in single quotes, in which nothing means anything but the quote itself.
//!
//! A word with bytes that a terminal or a line editor would act on when it is shown or pasted (controls, TAB, bidirectional
//! and zero-width characters, what is not UTF-8) is `"$(printf '...')"`, where every byte but letters, digits and `-_./:,=`
//! is an octal escape: `$'...'` is not known to every shell. A word does not end in line ends then, which `$(...)` would
//! take away; bodies that do go through a pipe.

use std::fmt::Write as _;

use crate::render::Escape;

/// A word in single quotes, whatever is in it.
#[must_use]
pub fn single(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A word. LF may be in it only where the caller takes it for plain.
pub(super) fn quoted(word: &[u8], escape: &Escape) -> String {
    let lines_are_plain = word
        .split(|byte| *byte == b'\n')
        .all(|line| is_plain(line, escape));
    match str::from_utf8(word) {
        Ok(text) if lines_are_plain => single(text),
        _ => format!("\"$(printf '{}')\"", printf(word)),
    }
}

/// Whether bytes can be shown as they are, and pasted.
pub(super) fn is_plain(bytes: &[u8], escape: &Escape) -> bool {
    let mut shown = Vec::with_capacity(bytes.len());
    let escape = Escape {
        tab: false,
        ..*escape
    };
    escape.write(bytes, &mut shown);
    shown == bytes && str::from_utf8(bytes).is_ok()
}

/// What printf makes into `bytes`, for single quotes.
pub(super) fn printf(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'/'
            | b':'
            | b','
            | b'=' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESCAPE: Escape = Escape {
        utf8: true,
        tab: true,
        dot: '.',
    };

    #[test]
    fn words_stay_in_their_quotes_and_steer_no_terminal() {
        let table: [(&[u8], &str); 7] = [
            (b"a b", "'a b'"),
            (b"it's", r"'it'\''s'"),
            (b"$(x) `y` \\ !", r"'$(x) `y` \ !'"),
            ("caf\u{e9}".as_bytes(), "'caf\u{e9}'"),
            (b"a\tb'%\x1b", r#""$(printf 'a\011b\047\045\033')""#),
            ("\u{202e}".as_bytes(), r#""$(printf '\342\200\256')""#),
            (b"\xff", r#""$(printf '\377')""#),
        ];
        for (word, want) in table {
            assert_eq!(quoted(word, &ESCAPE), want);
        }
    }
}
