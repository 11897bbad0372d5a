//! Splits a JSON text into tokens, without unescaping, reordering or dropping any. Stops where the
//! text stops being JSON.

use std::ops::Range;

/// Maximum nesting depth; deeper text is not taken as JSON.
const MAX_DEPTH: usize = 128;

/// Kinds of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::render) enum Token {
    /// `{` or `[`.
    Open,
    /// `}` or `]`.
    Close,
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// Name of an object's member, with quotes.
    Key,
    /// A string, with quotes; a number; `true`, `false`, `null`.
    Scalar,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    Colon,
    CommaOrClose,
    Nothing,
}

/// The tokens of a text with their ranges. Any run of the characters of a number is accepted as a
/// number.
pub(in crate::render) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Open brackets; `true` for those of objects.
    open: Vec<bool>,
    next: Next,
}

impl<'a> Tokens<'a> {
    pub(in crate::render) fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            open: Vec::new(),
            next: Next::Value,
        }
    }

    /// Offset after the last token, where the text ends or stops being JSON.
    pub(in crate::render) const fn at(&self) -> usize {
        self.at
    }

    /// Returns whether the whole text was one value, once all tokens were read.
    pub(in crate::render) fn is_whole(&self) -> bool {
        self.next == Next::Nothing && self.at == self.bytes.len()
    }

    /// Returns the token at the current offset and its length. State changes only if there is one.
    fn token(&mut self, first: u8) -> Option<(Token, usize)> {
        let value = matches!(self.next, Next::Value | Next::ValueOrClose);
        let inside = self.open.last().copied();
        Some(match (self.next, first) {
            (_, b'{' | b'[') if value && self.open.len() < MAX_DEPTH => {
                self.open.push(first == b'{');
                self.next = match first {
                    b'{' => Next::KeyOrClose,
                    _ => Next::ValueOrClose,
                };
                (Token::Open, 1)
            }
            (Next::ValueOrClose | Next::CommaOrClose, b']') if inside == Some(false) => {
                self.close()
            }
            (Next::KeyOrClose | Next::CommaOrClose, b'}') if inside == Some(true) => self.close(),
            (Next::CommaOrClose, b',') => {
                self.next = match inside {
                    Some(true) => Next::Key,
                    _ => Next::Value,
                };
                (Token::Comma, 1)
            }
            (Next::Key | Next::KeyOrClose, b'"') => {
                let len = string(self.bytes.get(self.at..)?)?;
                self.next = Next::Colon;
                (Token::Key, len)
            }
            (Next::Colon, b':') => {
                self.next = Next::Value;
                (Token::Colon, 1)
            }
            _ if value => {
                let len = scalar(self.bytes.get(self.at..)?)?;
                self.value_done();
                (Token::Scalar, len)
            }
            _ => return None,
        })
    }

    fn close(&mut self) -> (Token, usize) {
        self.open.pop();
        self.value_done();
        (Token::Close, 1)
    }

    /// Updates the state after a value.
    fn value_done(&mut self) {
        self.next = match self.open.is_empty() {
            true => Next::Nothing,
            false => Next::CommaOrClose,
        };
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let start = self.at + rest.iter().take_while(|byte| blank(byte)).count();
        let before = std::mem::replace(&mut self.at, start);
        let Some((token, len)) = self.bytes.get(start).and_then(|first| self.token(*first)) else {
            // Leave blanks to the rest of the text, if there is any.
            if start < self.bytes.len() {
                self.at = before;
            }
            return None;
        };
        self.at = start + len;
        Some((token, start..self.at))
    }
}

/// Length of the string at the start; `None` if it is not terminated or contains a control
/// character.
fn string(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            0..0x20 => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn scalar(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string(bytes),
        b'-' | b'0'..=b'9' => Some(
            bytes
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count(),
        ),
        _ => [&b"true"[..], b"false", b"null"]
            .into_iter()
            .find(|word| bytes.starts_with(word))
            .map(<[u8]>::len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_where_the_text_stops_being_json() {
        // The tokens separated by blanks, and the rest.
        let table: [(&str, &str, &str); 14] = [
            (r#"{"a": [1, -2.5e3]}"#, r#"{ "a" : [ 1 , -2.5e3 ] }"#, ""),
            (" true\n", "true", ""),
            ("[]", "[ ]", ""),
            (r#"{"a\"b":"\\"}"#, r#"{ "a\"b" : "\\" }"#, ""),
            (r#"{"a":1,"a":2}"#, r#"{ "a" : 1 , "a" : 2 }"#, ""),
            ("[1,]", "[ 1 ,", "]"),
            ("{1:2}", "{", "1:2}"),
            ("[1 }", "[ 1", " }"),
            ("{} {}", "{ }", " {}"),
            (r#"["open"#, "[", "\"open"),
            ("[\"a\nb\"]", "[", "\"a\nb\"]"),
            ("nul", "", "nul"),
            ("", "", ""),
            ("[tru", "[", "tru"),
        ];
        for (text, want, left) in table {
            let mut tokens = Tokens::of(text.as_bytes());
            let got: Vec<&str> = tokens.by_ref().map(|(_, range)| &text[range]).collect();
            assert_eq!(got.join(" "), want, "{text}");
            assert_eq!(&text[tokens.at()..], left, "{text}");
        }
        let whole = |text: &str| {
            let mut tokens = Tokens::of(text.as_bytes());
            tokens.by_ref().for_each(drop);
            tokens.is_whole()
        };
        assert!(whole("[1] ") && !whole("[1") && !whole("[1]2") && !whole(""));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(Tokens::of(deep.as_bytes()).count(), MAX_DEPTH);
    }
}
