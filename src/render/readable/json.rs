//! JSON, indented token by token.

use std::ops::Range;

use super::Layout;
use super::tokens::{Token, Tokens};

/// Levels that are indented; what is deeper stands below.
const LEVELS: usize = 16;

/// Lay out a body; from where it is no JSON, it is left as it is. False: it is none at all.
pub(super) fn lay_out(layout: &mut Layout<'_>, body: Range<usize>) -> bool {
    let source = layout.source.get(body.clone()).unwrap_or_default();
    let mut tokens = Tokens::of(source);
    let mut depth = 0_usize;
    let mut before = None;
    for (token, range) in tokens.by_ref() {
        if token == Token::Close {
            depth = depth.saturating_sub(1);
        }
        match (before, token) {
            (None, _) | (Some(Token::Open), Token::Close) | (_, Token::Comma | Token::Colon) => {}
            (Some(Token::Open | Token::Comma), _) | (_, Token::Close) => {
                layout.insert(b"\n");
                (0..depth.min(LEVELS)).for_each(|_| layout.insert(b"  "));
            }
            (Some(Token::Colon), _) => layout.insert(b" "),
            _ => {}
        }
        layout.copy(body.start + range.start..body.start + range.end);
        if token == Token::Open {
            depth += 1;
        }
        before = Some(token);
    }
    if !tokens.is_whole() {
        layout.copy(body.start + tokens.at()..body.end);
    }
    before.is_some()
}
