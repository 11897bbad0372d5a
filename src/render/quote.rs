//! Quotes words for a POSIX shell. Whatever the word contains, the shell sees one word, and neither
//! a terminal nor a line editor acts on it.
//!
//! Most words are put in single quotes, where only the quote itself is special. A word with bytes
//! that a terminal or line editor would act on when it is shown or pasted (controls, TAB,
//! bidirectional and zero-width characters, invalid UTF-8) becomes `"$(printf '...')"`, with every
//! byte but letters, digits and `-_./:,=` as an octal escape, because not every shell supports
//! `$'...'`. Such a word must not end in a line end, which `$(...)` would strip; bodies that do are
//! piped.

use std::fmt::Write as _;

use crate::render::Escape;

/// Quotes any word in single quotes.
#[must_use]
pub fn single(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Quotes a word. It may contain LF only if the caller treats LF as plain.
pub(super) fn quoted(word: &[u8], escape: &Escape) -> String {
    let lines_are_plain = word
        .split(|byte| *byte == b'\n')
        .all(|line| is_plain(line, escape));
    match str::from_utf8(word) {
        Ok(text) if lines_are_plain => single(text),
        _ => format!("\"$(printf '{}')\"", printf(word)),
    }
}

/// Returns whether bytes can be shown and pasted unchanged.
pub(super) fn is_plain(bytes: &[u8], escape: &Escape) -> bool {
    let mut shown = Vec::with_capacity(bytes.len());
    let escape = Escape {
        tab: false,
        ..*escape
    };
    escape.write(bytes, &mut shown);
    shown == bytes && str::from_utf8(bytes).is_ok()
}

/// Returns the argument of `printf` that prints `bytes`, for use in single quotes.
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
