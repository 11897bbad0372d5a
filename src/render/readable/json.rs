//! Lays out JSON, indented token by token. Text after the first error is copied unchanged.

use std::ops::Range;

use super::Layout;
use super::tokens::{Token, Tokens};

/// Maximum indentation in levels; deeper levels are not indented further.
const MAX_INDENT: usize = 16;

/// Lays out a body. Returns false if it does not start with JSON.
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
                (0..depth.min(MAX_INDENT)).for_each(|_| layout.insert(b"  "));
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
