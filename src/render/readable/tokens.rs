//! The tokens of a JSON text, as they stand there: nothing is unescaped, reordered or dropped. It ends where the text stops
//! being JSON.

use std::ops::Range;

/// Brackets inside of each other; what lies deeper is no JSON here.
const DEPTH: usize = 128;

/// What a token is.
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
    /// The name of an object's member, with its quotes.
    Key,
    /// A string, with its quotes; a number; `true`, `false`, `null`.
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

/// The tokens of a text, each with its place. A number is any run of a number's characters.
pub(in crate::render) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The open brackets; `true`: an object's.
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

    /// Behind the last token: where the text goes on that is not JSON, or ends.
    pub(in crate::render) const fn at(&self) -> usize {
        self.at
    }

    /// Behind the last token: all of the text was one value.
    pub(in crate::render) fn is_whole(&self) -> bool {
        self.next == Next::Nothing && self.at == self.bytes.len()
    }

    /// The token at the place in hand, and its length. What it changes is changed only when it is one.
    fn token(&mut self, first: u8) -> Option<(Token, usize)> {
        let value = matches!(self.next, Next::Value | Next::ValueOrClose);
        let inside = self.open.last().copied();
        Some(match (self.next, first) {
            (_, b'{' | b'[') if value && self.open.len() < DEPTH => {
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
                self.over();
                (Token::Scalar, len)
            }
            _ => return None,
        })
    }

    fn close(&mut self) -> (Token, usize) {
        self.open.pop();
        self.over();
        (Token::Close, 1)
    }

    /// A value is over.
    fn over(&mut self) {
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
            // The blanks belong to what follows, unless nothing does.
            if start < self.bytes.len() {
                self.at = before;
            }
            return None;
        };
        self.at = start + len;
        Some((token, start..self.at))
    }
}

/// The length of the string at the start; `None` when it has no end, or holds a control character.
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
    fn tokens_are_told_up_to_where_the_text_is_no_json() {
        // The tokens with blanks between them, and what is left.
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
        assert_eq!(Tokens::of(deep.as_bytes()).count(), DEPTH);
    }
}
